/** Rotating keys: what is sealed anew, what is left alone, and that nothing is lost to a gateway that writes meanwhile. */
import assert from "node:assert/strict";
import { createKeyRingEntry, type KeyRing, parseKeyRing } from "../../../lib/crypto/keyring.ts";
import { systemRandom } from "../../../lib/crypto/secret_token.ts";
import { resealAll, SEALED_COLLECTIONS } from "../../../lib/store/key_rotation.ts";
import { rowOf, rowSealedWith } from "../../../lib/store/record_bytes.ts";
import * as schema from "../../../lib/store/schema.ts";
import { admitKeyRing, explain, forgetKey, keyFaults, notedKeys } from "../../../lib/store/sealing_keys.ts";
import { Store } from "../../../lib/store/store.ts";
import * as upstreamSchema from "../../../lib/store/upstream_schema.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { kvFile } from "../../support/kv_file.ts";

const [K1, K2, K3] = ["k1", "k2", "k3"].map((id) => createKeyRingEntry(id, systemRandom)) as [
  string,
  string,
  string,
];
const ring = (...keys: readonly string[]) => parseKeyRing(keys.join(","), systemRandom);

async function stage() {
  const kv = await Deno.openKv(":memory:");
  const clock = new FakeClock();
  const unreadable: string[] = [];
  return {
    kv,
    clock,
    unreadable,
    with: (keyRing: KeyRing) => ({
      kv,
      clock,
      keyRing,
      store: new Store({ kv, clock, keyRing, onUnreadable: (name) => unreadable.push(name) }),
    }),
    [Symbol.dispose]: () => kv.close(),
  };
}

const { sessions, grantsByUser } = schema;

function session(n: number, expiresAt: number) {
  return {
    userId: `u${n}`,
    issuer: "https://idp.example",
    subject: `s${n}`,
    name: null,
    email: null,
    emailVerified: false,
    signedInAt: 0,
    expiresAt,
  };
}

/** How many rows each key has sealed. */
async function sealers(kv: Deno.Kv, keyRing: KeyRing): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for await (const { value } of kv.list({ prefix: ["session"] })) {
    const keyId = rowSealedWith(keyRing, value) ?? "none";
    counts[keyId] = (counts[keyId] ?? 0) + 1;
  }
  return counts;
}

Deno.test("every kind of record that is sealed is rotated, whichever file declares it (B15 248)", () => {
  const sealed = [...Object.values(schema), ...Object.values(upstreamSchema)].filter((each) => each.sealed);
  assert.deepEqual(SEALED_COLLECTIONS.map(({ name }) => name).sort(), sealed.map(({ name }) => name).sort());
  for (const name of ["session", "user", "connection", "upstream_client", "signing_key"]) {
    assert.ok(SEALED_COLLECTIONS.some((each) => each.name === name), name);
  }
});

Deno.test("a pass seals anew what older keys have sealed, keeps every byte and lifetime, and finds nothing the second time (B15 248)", async () => {
  using on = await stage();
  const [old, both, fresh] = [on.with(ring(K1)), on.with(ring(K2, K1)), on.with(ring(K2))];
  const end = on.clock.now() + 100_000;
  for (let n = 0; n < 450; n++) await old.store.write().set(sessions, [`s${n}`], session(n, end)).commit();
  await both.store.write().set(sessions, ["new"], session(1000, end)).commit();
  await old.store.write().set(sessions, ["over"], session(1, on.clock.now() - 1)).commit();
  await old.store.write().set(grantsByUser, ["u", "g"], { clientId: "c", expiresAt: end }).commit();
  // A field that this version does not know.
  const json = new TextEncoder().encode(JSON.stringify({ ...session(9, end), later: "kept" }));
  await on.kv.set(["session", "odd"], rowOf(ring(K1), { collection: sessions, id: ["odd"] }, json));

  const told: [string, number][] = [];
  const report = await resealAll(both, { onProgress: (name, count) => told.push([name, count]) });
  assert.deepEqual(report, { resealed: 452, discarded: 0, changed: 0, altered: 0, missing: new Map() });
  assert.deepEqual(told, [["session", 452]]);
  assert.deepEqual(await sealers(on.kv, ring(K2)), { k2: 452 });
  for (let n = 0; n < 450; n++) {
    assert.deepEqual((await fresh.store.get(sessions, `s${n}`))?.value, session(n, end));
  }
  assert.equal((await on.kv.get(["session", "over"])).versionstamp, null);
  assert.equal((await fresh.store.get(grantsByUser, "u", "g"))?.value.clientId, "c");
  const odd = (await on.kv.get<Uint8Array>(["session", "odd"])).value ?? new Uint8Array();
  const opened = ring(K2).open(odd.subarray(1), JSON.stringify(["session", "odd"])) ?? new Uint8Array();
  assert.match(new TextDecoder().decode(opened), /"later":"kept"/);
  assert.deepEqual(await resealAll(both), { ...report, resealed: 0 });
  assert.deepEqual(on.unreadable, []);
  // An old row that was put aside opens nothing any more once its key is gone.
  assert.equal(await old.store.get(sessions, "s1"), null);
});

Deno.test("a row of an older key is sealed with the first one at its next write (B15 248)", async () => {
  using on = await stage();
  const [old, both] = [on.with(ring(K1)), on.with(ring(K2, K1))];
  const end = on.clock.now() + 100_000;
  await old.store.write().set(sessions, ["a"], session(1, end)).commit();
  const entry = await both.store.get(sessions, "a");
  assert.ok(entry !== null);
  await both.store.write().check(entry).set(sessions, ["a"], { ...entry.value, name: "Ada" }).commit();
  assert.deepEqual(await sealers(on.kv, ring(K2)), { k2: 1 });
  assert.equal((await on.with(ring(K2)).store.get(sessions, "a"))?.value.name, "Ada");
});

Deno.test("altered rows are counted and left; rows of a key that is gone are named, and deleted only on demand (B15 246, B15 248)", async () => {
  using on = await stage();
  const end = on.clock.now() + 100_000;
  await on.with(ring(K3)).store.write().set(sessions, ["lost"], session(1, end)).commit();
  await on.with(ring(K1)).store.write().set(sessions, ["moved"], session(2, end)).commit();
  const moved = await on.kv.get(["session", "moved"]);
  await on.kv.set(["session", "elsewhere"], moved.value);
  const both = on.with(ring(K2, K1));
  const report = await resealAll(both);
  assert.deepEqual(report, {
    resealed: 1,
    discarded: 0,
    changed: 0,
    altered: 1,
    missing: new Map([["k3", 1]]),
  });
  assert.deepEqual(await resealAll(both, { discard: new Set(["k9"]) }), { ...report, resealed: 0 });
  assert.deepEqual(await sealers(on.kv, ring(K2)), { k1: 1, k2: 1, k3: 1 });
  const discarded = await resealAll(both, { discard: new Set(["k3"]) });
  assert.deepEqual(discarded, { resealed: 0, discarded: 1, changed: 0, altered: 1, missing: new Map() });
  assert.deepEqual(await sealers(on.kv, ring(K2)), { k1: 1, k2: 1 });
});

Deno.test("a gateway that writes the same rows meanwhile loses no write to the rotation, nor the rotation a row (B15 248)", async () => {
  await using file = await kvFile();
  const clock = new FakeClock();
  const other = await file.open();
  const end = clock.now() + 100_000;
  const old = new Store({ kv: file.kv, clock, keyRing: ring(K1) });
  const rows = 40;
  for (let n = 0; n < rows; n++) await old.write().set(sessions, [`s${n}`], session(0, end)).commit();
  // Half of the writers still seal with the old key, as a gateway does that was not restarted yet.
  const stores = [ring(K2, K1), ring(K1, K2)].map((keyRing) => new Store({ kv: other, clock, keyRing }));
  const increments = 200;
  const writing = Promise.all(stores.map(async (store, who) => {
    for (let n = 0; n < increments; n++) {
      const id = `s${(n * 7 + who) % rows}`;
      for (;;) {
        const entry = await store.get(sessions, id);
        assert.ok(entry !== null, `${id} is gone`);
        const next = { ...entry.value, signedInAt: entry.value.signedInAt + 1 };
        if (await store.write().check(entry).set(sessions, [id], next).commit()) break;
      }
    }
  }));
  let [passes, resealed] = [0, 0];
  let busy = true;
  writing.finally(() => busy = false);
  while (busy) {
    const report = await resealAll({ kv: file.kv, clock, keyRing: ring(K2, K1) });
    assert.deepEqual([report.altered, report.missing.size], [0, 0]);
    resealed += report.resealed;
    passes++;
  }
  await writing;
  await resealAll({ kv: file.kv, clock, keyRing: ring(K2, K1) });
  assert.ok(passes > 1 && resealed > rows, `${passes} passes, ${resealed} rows`);
  const fresh = new Store({ kv: file.kv, clock, keyRing: ring(K2) });
  let sum = 0;
  for await (const { value } of fresh.list(sessions)) sum += value.signedInAt;
  assert.equal(sum, stores.length * increments);
});

Deno.test("a ring is admitted if it opens what was sealed here: not without a key that sealed, nor with another of its name (B15 248)", async () => {
  using on = await stage();
  await admitKeyRing(on.with(ring(K1)), "environment");
  await admitKeyRing(on.with(ring(K1)), "environment");
  assert.deepEqual(await notedKeys(on.with(ring(K1))), ["k1"]);
  await assert.rejects(admitKeyRing(on.with(ring(K2)), "environment"), /lacks the key "k1"/);
  assert.deepEqual(await notedKeys(on.with(ring(K1))), ["k1"], "a ring that was not admitted is not noted");
  const impostor = createKeyRingEntry("k1", systemRandom);
  await assert.rejects(admitKeyRing(on.with(ring(impostor)), "environment"), /"k1" .* is not the one/);
  await assert.rejects(admitKeyRing(on.with(ring(impostor)), "development file"), /delete both files/);
  await admitKeyRing(on.with(ring(K2, K1)), "environment");
  assert.deepEqual(await keyFaults(on.with(ring(K1, K2))), []);
  assert.deepEqual(await keyFaults(on.with(ring(K1))), [{ keyId: "k2", kind: "missing" }]);
  await forgetKey(on.with(ring(K2)), "k1");
  await admitKeyRing(on.with(ring(K2)), "environment");
  // The note gives no key away.
  const { value } = await on.kv.get<Uint8Array>(["sealing_key", "k2"]);
  assert.ok(!new TextDecoder().decode(value ?? new Uint8Array()).includes(K2.slice(3, 20)));
  assert.match(explain({ keyId: "k1", kind: "missing" }, "environment"), /--discard=k1/);
});
