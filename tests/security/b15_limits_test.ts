/** Attack corpus B15: keys that are none, stores that are rolled back, values that are too large, records that have ended, files for all to read. */
import assert from "node:assert/strict";
import { createKeyRingEntry } from "../../lib/crypto/keyring.ts";
import { systemRandom } from "../../lib/crypto/secret_token.ts";
import type { ConfigFault } from "../../lib/gateway/config_error.ts";
import { readEnvironment } from "../../lib/gateway/environment.ts";
import { openStore } from "../../lib/store/open_kv.ts";
import { assertionOf } from "../support/assertions.ts";
import { TEST_KEYS } from "../support/harness.ts";
import { authorizeUrl, callMcp, obtainCode, postJson, redeem, refresh } from "../support/oauth_flow.ts";
import { call, connected, signedIn, textOf, upstreamScene } from "../support/upstream_scene.ts";
import { assertOAuthError } from "./answers.ts";
import { assertionScene } from "./assertion_scene.ts";
import { callbackUrlOf, rowsOf } from "./connect_scene.ts";
import { connectIn } from "./hostile_upstream.ts";

/** The faults of an environment, production unless said otherwise. */
function faultsOf(variables: Readonly<Record<string, string>>): readonly ConfigFault[] {
  const faults: ConfigFault[] = [];
  const fresh = { GATEWAY_ENCRYPTION_KEYS: createKeyRingEntry("k1", systemRandom), ...variables };
  readEnvironment((name) => Reflect.get(fresh, name), { development: false, random: systemRandom, faults });
  return faults;
}

Deno.test("no key, a short, repeated, made-up or published one stops the start with a mend, and is not printed (B15 249)", () => {
  const entry = createKeyRingEntry("k1", systemRandom);
  const published = TEST_KEYS.split(":")[1] ?? "";
  const bytes = (make: (index: number) => number) =>
    Uint8Array.from({ length: 32 }, (_, index) => make(index)).toBase64({ alphabet: "base64url" });
  for (
    const keys of [
      "",
      "k1:",
      "changeme",
      "k1:changeme",
      "k1:c2VjcmV0",
      `k1:${bytes(() => 0)}`,
      `k1:${bytes((index) => index)}`,
      `k1:${bytes((index) => index % 4)}`,
      `k1:${btoa("a passphrase of thirty-two bytes")}`,
      `k1:${published}`,
      `${entry},k0:${published}=`,
      `${entry},${entry}`,
      `${entry},k2:${entry.slice(3)}`,
    ]
  ) {
    const faults = faultsOf({ GATEWAY_ENCRYPTION_KEYS: keys });
    assert.equal(faults.length, 1, keys);
    const [fault] = faults;
    assert.equal(fault?.variable, "GATEWAY_ENCRYPTION_KEYS");
    assert.match(String(fault?.mend), /deno eval/);
    const key = keys.split(":")[1] ?? "";
    assert.ok(key === "" || !JSON.stringify(fault).includes(key), "the fault shows the key");
  }
  assert.deepEqual(
    faultsOf({ GATEWAY_ENCRYPTION_KEYS: `${entry},${createKeyRingEntry("k0", systemRandom)}` }),
    [],
  );
});

Deno.test("every key that stands in a test of ours is one that no gateway starts with (B15 249)", async () => {
  const found = new Set<string>();
  const read = async (folder: URL): Promise<void> => {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      if (isDirectory) await read(new URL(`${name}/`, folder));
      else if (name.endsWith(".ts")) {
        const text = await Deno.readTextFile(new URL(name, folder));
        for (const [, key = ""] of text.matchAll(/["'`,][\w-]{1,32}:([\w-]{43})(?![\w-])/g)) found.add(key);
      }
    }
  };
  await read(new URL("../", import.meta.url));
  assert.ok(found.size > 0);
  for (const key of found) {
    assert.equal(faultsOf({ GATEWAY_ENCRYPTION_KEYS: `k1:${key}` }).length, 1, key.slice(0, 8));
  }
});

/** All rows, to be put back later as they were. */
async function snapshotOf(kv: Deno.Kv): Promise<() => Promise<void>> {
  const rows = await Array.fromAsync(kv.list({ prefix: [] }));
  return async () => {
    for await (const { key } of kv.list({ prefix: [] })) await kv.delete(key);
    for (const { key, value } of rows) await kv.set(key, value);
  };
}

Deno.test("after a restore nothing lives beyond its own end: codes, states, links, tokens, sessions and assertions of yesterday are dead (B15 250)", async () => {
  await using scene = await upstreamScene();
  const { gateway, client, clock, upstream } = scene;
  const alice = await signedIn(scene);
  const link = (await call(scene, alice)).body.error?.data?.authUrl ?? "";
  const callback = await callbackUrlOf(scene, alice);
  const code = await obtainCode(gateway, client, { user: "alice" });
  const waiting = await alice.browser.get(authorizeUrl(gateway, client));
  const restore = await snapshotOf(gateway.kv);
  // All of it is used.
  const tokens = await (await redeem(gateway, client, code)).json();
  assert.equal((await alice.browser.get(callback)).url.pathname, "/account");
  assert.equal(textOf(await call(scene, alice)), "account");
  clock.advance({ days: 1 });
  await restore();
  const before = upstream.at("/token").length;
  await assertOAuthError(await redeem(gateway, client, code), "invalid_grant");
  assert.equal((await call(scene, { token: tokens.access_token })).status, 401);
  assert.equal((await call(scene, alice)).status, 401);
  // Her session has ended as well: whatever she opens asks her to sign in, or is gone.
  assert.equal((await alice.browser.get(link)).url.pathname, "/oauth/dev-login");
  assert.equal((await alice.browser.get(callback)).status, 403);
  assert.equal((await alice.browser.get(waiting.url)).status, 400);
  assert.equal(upstream.at("/token").length, before);
});

Deno.test("a refresh token that was rotated after the backup comes back with it, until its own end and not beyond (B15 250)", async () => {
  await using scene = await upstreamScene();
  const { gateway, client, clock } = scene;
  const tokens = await (await redeem(gateway, client, await obtainCode(gateway, client, { user: "alice" })))
    .json();
  const restore = await snapshotOf(gateway.kv);
  const pair = await (await refresh(gateway, client, tokens.refresh_token)).json();
  clock.advance({ days: 1 });
  await restore();
  // SECURITY.md says so: what was in a backup is as it was. The newer pair, which is not in it, is unknown.
  assert.equal((await callMcp(gateway, "/alpha", pair.access_token)).status, 401);
  await assertOAuthError(await refresh(gateway, client, pair.refresh_token), "invalid_grant");
  const again = await refresh(gateway, client, tokens.refresh_token);
  assert.equal(again.status, 200);
  await again.body?.cancel();
  await restore();
  clock.advance({ days: 29 });
  await assertOAuthError(await refresh(gateway, client, tokens.refresh_token), "invalid_grant");
});

Deno.test("a client assertion whose use the backup does not know is refused by its own time (B15 250)", async () => {
  await using scene = await assertionScene();
  const { gateway, client, key, redeem: redeemWith } = scene;
  const who = { clientId: client.clientId, audience: gateway.origin, clock: gateway.clock };
  const assertion = await assertionOf(key, who);
  const restore = await snapshotOf(gateway.kv);
  const first = await redeemWith(await obtainCode(gateway, client), { assertion });
  assert.equal(first.status, 200);
  await first.body?.cancel();
  gateway.clock.advance({ seconds: 600 });
  await restore();
  const late = await redeemWith(await obtainCode(gateway, client), { assertion });
  await assertOAuthError(late, "invalid_client", { status: 401 });
});

Deno.test("what is too large to keep is a clean refusal, and leaves no row behind (B15 251)", async () => {
  // Of an upstream: metadata, registrations and tokens beyond what a row can hold.
  const many = Array.from({ length: 9_000 }, (_, index) => `scope-number-${index}`);
  const long = `https://as.example/${"x".repeat(70_000)}`;
  for (
    const metadata of [
      { scopes_supported: many },
      { token_endpoint_auth_methods_supported: ["none", ...many] },
      { token_endpoint: long },
      { revocation_endpoint: long },
    ]
  ) {
    await using scene = await upstreamScene({ script: { metadata } });
    const { status, upstream } = await connectIn(scene);
    assert.ok(status === 502 || status === 200, Object.keys(metadata).join());
    if (status === 502) assert.equal(upstream.at("/authorize").length, 0);
    for (const kind of ["connect", "connection"]) {
      for (const id of await rowsOf(scene, kind)) assert.ok(status === 200, `${kind} ${id}`);
    }
  }
  // Scopes are cut: a row that they fill would have no room for the next refresh token.
  for (const scope of ["s".repeat(70_000), many.join(" ")]) {
    const token = () => Response.json({ access_token: "t", token_type: "Bearer", scope });
    await using scene = await upstreamScene({ script: { token } });
    assert.equal((await connectIn(scene)).status, 200);
    const rows = await Array.fromAsync(scene.gateway.kv.list<Uint8Array>({ prefix: ["connection"] }));
    assert.deepEqual(rows.map(({ value }) => value.length < 16_384), [true]);
  }
  // By a refresh: what was there stays.
  await using scene = await upstreamScene({ script: { tokenSeconds: 60 } });
  const alice = await connected(scene);
  scene.upstream.script.token = () =>
    Response.json({
      access_token: "x".repeat(16_000),
      refresh_token: "y".repeat(17_000),
      token_type: "Bearer",
    });
  scene.clock.advance({ seconds: 70 });
  assert.equal((await call(scene, alice)).status, 502);
  scene.upstream.script.token = null;
  scene.clock.advance({ seconds: 60 });
  assert.equal(textOf(await call(scene, alice)), "account");
});

Deno.test("strangers' long ids, scopes and states are refused or cut before anything is written (B15 251)", async () => {
  await using scene = await upstreamScene();
  const { gateway, client } = scene;
  const count = async () => (await Array.fromAsync(gateway.kv.list({ prefix: [] }))).length;
  const before = await count();
  const long = "x".repeat(3_000);
  for (
    const changes of [
      { client_id: long },
      { client_id: `https://client.example/${long}` },
      { scope: "s ".repeat(6_000) },
      { state: "s".repeat(15_000) },
      { resource: `${gateway.origin}/${long}` },
      { code_challenge: long },
      { redirect_uri: `https://client.example/${long}` },
    ]
  ) {
    const answer = await gateway.fetch(authorizeUrl(gateway, client, changes));
    await answer.body?.cancel();
    assert.ok(answer.status < 500, `${Object.keys(changes)}: ${answer.status}`);
  }
  const rows = await Array.fromAsync(gateway.kv.list<Uint8Array>({ prefix: [] }));
  for (const { key, value } of rows) {
    assert.ok(value.length <= 65_536 && JSON.stringify(key).length < 2_048);
  }
  const registration = await postJson(gateway, "/oauth/register", {
    client_name: "x".repeat(70_000),
    redirect_uris: Array.from({ length: 20 }, (_, index) => `https://client.example/${index}${long}`),
  });
  assert.ok(registration.status >= 400 && registration.status < 500, String(registration.status));
  await registration.body?.cancel();
  for (const token of [`at_${"x".repeat(10_000)}`, "x".repeat(10_000)]) {
    const answer = await callMcp(gateway, "/alpha", token);
    assert.equal(answer.status, 401);
    await answer.body?.cancel();
  }
  const clients = (await rowsOf(scene, "client")).length;
  assert.equal(clients, 1);
  assert.ok(await count() >= before);
});

Deno.test("the store's file and folder are the gateway's own, whatever was there before; a remote store is reached by https alone (B15 253)", async () => {
  const folder = await Deno.makeTempDir({ prefix: "sallyport-modes-" });
  try {
    const path = `${folder}/data/deep/gateway.kv`;
    const mode = async (file: string) => ((await Deno.stat(file)).mode ?? 0) & 0o777;
    for (const before of ["nothing", "a file for everybody"] as const) {
      if (before !== "nothing") {
        for (const file of [path, `${path}-wal`, `${path}-shm`]) {
          await Deno.chmod(file, 0o666).catch(() => {});
        }
      }
      const kv = await openStore({ kind: "file", path }, Deno.openKv);
      try {
        await kv.set(["x"], 1);
        if (Deno.build.os !== "windows") {
          for (const file of [path, `${path}-wal`, `${path}-shm`]) {
            assert.equal(await mode(file), 0o600, file);
          }
          assert.equal(await mode(`${folder}/data/deep`), 0o700);
        }
      } finally {
        kv.close();
      }
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  for (
    const url of [
      "http://kv.example/db",
      "http://10.0.0.1/db",
      "ftp://kv.example/db",
      "http://localhost.evil.test/",
    ]
  ) {
    assert.equal(faultsOf({ GATEWAY_KV: url })[0]?.variable, "GATEWAY_KV", url);
  }
  for (const url of ["https://kv.example/db", "http://127.0.0.1:4512", ":memory:", "data/gateway.kv"]) {
    assert.deepEqual(faultsOf({ GATEWAY_KV: url }), [], url);
  }
});
