/** Attack corpus B15: records that have ended are not there, although KV removes their rows later; and every row has an end. */
import assert from "node:assert/strict";
import { z } from "zod";
import * as schema from "../../lib/store/schema.ts";
import * as upstreamSchema from "../../lib/store/upstream_schema.ts";
import { obtainTokens, refresh, registerClient } from "../support/oauth_flow.ts";
import { call, connected, signedIn, textOf, upstreamScene } from "../support/upstream_scene.ts";
import { callbackUrlOf } from "./connect_scene.ts";

/** A store that tells for how long each row is written. */
function observeWrites(kv: Deno.Kv, onSet: (key: Deno.KvKey, expireIn: number | undefined) => void): Deno.Kv {
  return new Proxy(kv, {
    get(target, name) {
      if (name === "atomic") {
        return () => {
          const operation = target.atomic();
          const set = operation.set.bind(operation);
          operation.set = (key, value, options) => {
            onSet(key, options?.expireIn);
            return set(key, value, options);
          };
          return operation;
        };
      }
      if (name === "set") throw new Error("a row was written beside the store");
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

Deno.test("every row that a login, a consent, a connect and a refresh write has an end that KV is told, and it is the record's own (B15 252)", async () => {
  const kv = await Deno.openKv(":memory:");
  try {
    const written = new Map<string, number | undefined>();
    const observed = observeWrites(kv, (key, expireIn) => written.set(JSON.stringify(key), expireIn));
    await using scene = await upstreamScene({ harness: { kv: observed }, script: { tokenSeconds: 60 } });
    const { gateway, clock } = scene;
    const alice = await connected(scene);
    const tokens = await obtainTokens(gateway, scene.client, { browser: alice.browser });
    await (await refresh(gateway, scene.client, tokens.refresh_token)).body?.cancel();
    await call(scene, await signedIn(scene, "bob"));
    clock.advance({ seconds: 70 });
    written.clear();
    assert.equal(textOf(await call(scene, alice)), "account");
    await callbackUrlOf(scene, alice);
    // What was written at this very moment can be compared to the millisecond.
    let compared = 0;
    for (const kind of [...Object.values(schema), ...Object.values(upstreamSchema)]) {
      for await (const { id, value } of gateway.services.store.list(kind)) {
        const expireIn = written.get(JSON.stringify([kind.name, ...id]));
        if (expireIn === undefined) continue;
        compared++;
        assert.equal(expireIn, z.number().parse(value.expiresAt) - clock.now(), kind.name);
      }
    }
    assert.ok(compared >= 3, `${compared}`);
    for (const [key, expireIn] of written) {
      assert.ok(expireIn !== undefined && expireIn > 0 && expireIn < 11 * 365 * 86_400_000, key);
    }
  } finally {
    kv.close();
  }
});

Deno.test("a connection, a connect, a link and a registration that have ended are not there, although their rows are (B15 252)", async () => {
  await using scene = await upstreamScene({ script: { tokenSeconds: null } });
  const { gateway, clock, upstream } = scene;
  const alice = await connected(scene);
  const link = (await call(scene, await signedIn(scene, "bob"))).body.error?.data?.authUrl ?? "";
  const late = await callbackUrlOf(scene, alice);
  const kinds = ["connection", "connect", "pending_connect", "upstream_client", "session"];
  const present = async () =>
    new Set((await Array.fromAsync(gateway.kv.list({ prefix: [] }))).map(({ key }) => String(key[0])));
  const before = await present();
  for (const kind of kinds) assert.ok(before.has(kind), kind);
  clock.advance({ days: 366 });
  const rows = await present();
  for (const kind of kinds) assert.ok(rows.has(kind), `${kind}: KV has not removed it yet`);
  const { store } = gateway.services;
  assert.deepEqual(await Array.fromAsync(store.list(upstreamSchema.connections)), []);
  assert.deepEqual(await Array.fromAsync(store.list(upstreamSchema.connects)), []);
  assert.deepEqual(await Array.fromAsync(store.list(upstreamSchema.pendingConnects)), []);
  assert.deepEqual(await Array.fromAsync(store.list(schema.sessions)), []);
  assert.equal((await alice.browser.get(late)).status, 403);
  assert.equal((await alice.browser.get(link)).url.pathname, "/oauth/dev-login");
  // The client's registration has ended as well, so that it registers anew.
  const client = await registerClient(gateway);
  const later = await signedIn({ gateway, client }, "alice");
  assert.equal((await call(scene, later)).body.error?.data?.state, "authenticating");
  assert.equal(upstream.at("/token").length, 1);
});
