/** Opening the store and the development key ring: what works, and the one clear line when it does not. */
import assert from "node:assert/strict";
import { systemRandom } from "../../../lib/crypto/secret_token.ts";
import { developmentKeyRing, openStore, type StoreLocation } from "../../../lib/store/open_kv.ts";

/** A folder of the test's own. */
async function folder() {
  const path = await Deno.makeTempDir({ prefix: "sallyport-open-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

const posix = Deno.build.os !== "windows";

Deno.test("a file is opened in a folder that is made for it, and nobody else may read either", async () => {
  await using parent = await folder();
  const path = `${parent.path}/data/gateway.kv`;
  const kv = await openStore({ kind: "file", path }, Deno.openKv);
  await kv.set(["x"], 1);
  kv.close();
  if (posix) {
    assert.equal(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
    assert.equal(((await Deno.stat(`${parent.path}/data`)).mode ?? 0) & 0o777, 0o700);
  }
});

Deno.test("a file that is no database is one clear line with its path", async () => {
  await using parent = await folder();
  const path = `${parent.path}/gateway.kv`;
  await Deno.writeTextFile(path, "this is no database at all, but a text of some length\n".repeat(100));
  await assert.rejects(
    () => openStore({ kind: "file", path }, Deno.openKv),
    (error: Error) => {
      assert.equal(error.name, "StoreUnavailableError");
      assert.ok(
        error.message.startsWith(`The store (GATEWAY_KV, ${path}) cannot be opened: `),
        error.message,
      );
      assert.ok(!error.message.includes("\n"));
      return true;
    },
  );
});

Deno.test("each kind of location is opened by its own name", async () => {
  const asked: (string | undefined)[] = [];
  const open = (path?: string) => {
    asked.push(path);
    return Deno.openKv(":memory:");
  };
  const locations: StoreLocation[] = [
    { kind: "memory" },
    { kind: "platform" },
    { kind: "url", url: "https://kv.example/database" },
  ];
  for (const location of locations) (await openStore(location, open)).close();
  assert.deepEqual(asked, [":memory:", undefined, "https://kv.example/database"]);
});

Deno.test("a KV Connect URL is named by its host alone when it fails", async () => {
  const url = "https://user:secret@kv.example/database?token=secret";
  await assert.rejects(
    () => openStore({ kind: "url", url }, () => Promise.reject(new Error("connection refused"))),
    (error: Error) => {
      assert.match(error.message, /GATEWAY_KV, kv\.example\).*connection refused/);
      assert.ok(!error.message.includes("secret"));
      return true;
    },
  );
});

Deno.test("the development key ring is made once, kept beside the store, and is nobody else's to read", async () => {
  await using parent = await folder();
  const location: StoreLocation = { kind: "file", path: `${parent.path}/data/gateway.kv` };
  const rings = await Promise.all([1, 2, 3, 4].map(() => developmentKeyRing(location, systemRandom)));
  const sealed = rings[0]?.seal(Uint8Array.of(42), "x") ?? new Uint8Array();
  for (const ring of [...rings, await developmentKeyRing(location, systemRandom)]) {
    assert.equal(ring.open(sealed, "x")?.[0], 42);
  }
  if (posix) assert.equal(((await Deno.stat(`${parent.path}/data/gateway.keys`)).mode ?? 0) & 0o777, 0o600);
});

Deno.test("a development key ring that was damaged stops the start and is not overwritten", async () => {
  await using parent = await folder();
  const keys = `${parent.path}/gateway.keys`;
  await Deno.writeTextFile(keys, "dev:tooshort\n");
  const location: StoreLocation = { kind: "file", path: `${parent.path}/gateway.kv` };
  await assert.rejects(() => developmentKeyRing(location, systemRandom), {
    name: "StoreUnavailableError",
    message: new RegExp(`^The development key ring \\(${keys}\\) cannot be used: `),
  });
  assert.equal(await Deno.readTextFile(keys), "dev:tooshort\n");
});

Deno.test("a store in memory gets keys in memory", async () => {
  const [a, b] = [
    await developmentKeyRing({ kind: "memory" }, systemRandom),
    await developmentKeyRing({ kind: "memory" }, systemRandom),
  ];
  assert.equal(b.open(a.seal(Uint8Array.of(1), "x"), "x"), null);
});
