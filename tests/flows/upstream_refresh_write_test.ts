/** New tokens exist nowhere else until they are stored: whatever else happens to their row or to the store, they are not dropped. */
import assert from "node:assert/strict";
import { connections } from "../../lib/store/upstream_schema.ts";
import { call, connected, textOf, type UpstreamScene, upstreamScene } from "../support/upstream_scene.ts";

function refreshes({ upstream }: UpstreamScene) {
  return upstream.at("/token").filter(({ params }) => params.get("grant_type") === "refresh_token");
}

/** Makes the next refresh wait at the server; returns what it waits for, and what lets it go on. */
function holdRefresh(
  { upstream }: UpstreamScene,
): { readonly arrived: Promise<void>; readonly go: () => void } {
  const [arrived, go] = [Promise.withResolvers<void>(), Promise.withResolvers<null>()];
  upstream.script.token = async () => {
    arrived.resolve();
    return await go.promise;
  };
  return { arrived: arrived.promise, go: () => go.resolve(null) };
}

Deno.test("a row that is written beside a refresh, by a key rotation or for a missing scope, takes the new tokens all the same (UP-18, F05)", async () => {
  await using scene = await upstreamScene({ script: { tokenSeconds: 60 } });
  const { gateway, clock } = scene;
  const alice = await connected(scene);
  const { arrived, go } = holdRefresh(scene);
  clock.advance({ seconds: 70 });
  const calling = call(scene, alice);
  await arrived;
  const { store } = gateway.services;
  const [entry] = await Array.fromAsync(store.list(connections));
  assert.ok(entry);
  const beside = { ...entry.value, missingScope: ["write"] };
  assert.ok(await store.write().check(entry).set(connections, entry.id, beside).commit());
  go();
  assert.equal(textOf(await calling), "account");
  const after = await store.get(connections, ...entry.id);
  assert.deepEqual(after?.value.missingScope, ["write"]);
  assert.notEqual(after?.value.refreshToken, entry.value.refreshToken);
  clock.advance({ seconds: 70 });
  assert.equal(textOf(await call(scene, alice)), "account");
  const used = refreshes(scene).map(({ params }) => params.get("refresh_token"));
  assert.equal(new Set(used).size, used.length, "a refresh token was used twice");
});

Deno.test("an end that the server announces does not end what the user has connected meanwhile (UP-18)", async () => {
  await using scene = await upstreamScene({ script: { tokenSeconds: 60 } });
  const { gateway, clock, upstream } = scene;
  const alice = await connected(scene);
  const { arrived, go } = holdRefresh(scene);
  clock.advance({ seconds: 70 });
  const calling = call(scene, alice);
  await arrived;
  upstream.script.token = null;
  const account = await alice.browser.get(`${gateway.origin}/account`);
  const off = await alice.browser.submit(account, { action: "disconnect" });
  await alice.browser.submit(off, { action: "connect" });
  upstream.endRefreshTokens();
  go();
  assert.equal(textOf(await calling), "account");
  assert.ok(!gateway.events.some(({ event }) => event === "mcp_auth_upstream_connection_lost"));
});

Deno.test("a store that takes no writes for a while takes the new tokens afterwards (F08, UP-18)", async () => {
  using kv = await Deno.openKv(":memory:");
  let locked = false;
  const stubborn = new Proxy(kv, {
    get(target, name) {
      if (name === "atomic" && locked) {
        return () => {
          throw new Error("database is locked");
        };
      }
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
  await using scene = await upstreamScene({ script: { tokenSeconds: 60 }, harness: { kv: stubborn } });
  const { clock } = scene;
  const alice = await connected(scene);
  const { arrived, go } = holdRefresh(scene);
  clock.advance({ seconds: 70 });
  const calling = call(scene, alice);
  await arrived;
  locked = true;
  go();
  // Longer than a commit is tried by itself.
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  locked = false;
  assert.equal(textOf(await calling), "account");
  clock.advance({ seconds: 70 });
  assert.equal(textOf(await call(scene, alice)), "account");
  assert.equal(refreshes(scene).length, 2);
});

Deno.test("a server that answers a refresh with the tokens of before is asked once by two gateways", async () => {
  await using scene = await upstreamScene({ script: { tokenSeconds: 60 } });
  await using second = await scene.another();
  const { upstream, clock, gateway } = scene;
  const alice = await connected(scene);
  const [entry] = await Array.fromAsync(gateway.services.store.list(connections));
  upstream.script.token = () =>
    Response.json({ access_token: entry?.value.accessToken, token_type: "Bearer", expires_in: 60 });
  clock.advance({ seconds: 55 });
  await Promise.all(
    Array.from({ length: 10 }, (_, index) => call({ gateway: index % 2 === 0 ? gateway : second }, alice)),
  );
  assert.equal(refreshes(scene).length, 1);
});
