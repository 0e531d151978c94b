/** Using a connection: refreshed before it expires and when it is refused, once; only the server's own word ends it. */
import assert from "node:assert/strict";
import { takeLease } from "../../lib/store/lease.ts";
import { connections } from "../../lib/store/upstream_schema.ts";
import { call, connected, setupOf, textOf, upstreamScene } from "../support/upstream_scene.ts";
import type { UpstreamServer } from "../support/upstream_server.ts";

function refreshes(upstream: UpstreamServer) {
  return upstream.at("/token").filter(({ params }) => params.get("grant_type") === "refresh_token");
}

Deno.test("a token is renewed before it expires, once for twenty calls, and each refresh token is used once (UP-11, UP-18)", async () => {
  await using scene = await upstreamScene({ script: { tokenSeconds: 300 } });
  const { upstream, clock } = scene;
  const alice = await connected(scene);
  await call(scene, alice);
  clock.advance({ seconds: 100 });
  await call(scene, alice);
  assert.equal(refreshes(upstream).length, 0);
  for (let round = 1; round <= 3; round++) {
    clock.advance({ seconds: 299 });
    const answers = await Promise.all(Array.from({ length: 20 }, () => call(scene, alice)));
    for (const answer of answers) assert.equal(textOf(answer), "account");
    assert.equal(refreshes(upstream).length, round);
  }
  // Only the probe of the discovery came without a good token.
  assert.deepEqual(upstream.refused, [null]);
  const told = scene.gateway.events.filter(({ event }) => event === "mcp_auth_upstream_token_refreshed");
  assert.equal(told.length, 3);
  const used = refreshes(upstream).map(({ params }) => params.get("refresh_token"));
  assert.equal(new Set(used).size, used.length);
  for (const { params } of refreshes(upstream)) assert.equal(params.get("resource"), upstream.url);
});

Deno.test("two gateways on one store refresh once between them, also after a 401, and both go on with the new token (UP-18)", async () => {
  await using scene = await upstreamScene({ script: { tokenSeconds: 300 } });
  await using second = await scene.another();
  const { upstream, clock, gateway } = scene;
  const alice = await connected(scene);
  const all = async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => call({ gateway: index % 2 === 0 ? gateway : second }, alice)),
    );
    for (const answer of answers) assert.equal(textOf(answer), "account");
  };
  await all();
  assert.equal(refreshes(upstream).length, 0);
  for (let round = 1; round <= 3; round++) {
    clock.advance({ seconds: 299 });
    await all();
    assert.equal(refreshes(upstream).length, round);
  }
  upstream.endAccessTokens();
  await all();
  assert.equal(refreshes(upstream).length, 4);
  // What one of them forgets is forgotten by the other at once.
  const account = await alice.browser.get(`${gateway.origin}/account`);
  await alice.browser.submit(account, { action: "disconnect" });
  assert.equal((await call({ gateway: second }, alice)).body.error?.data?.state, "authenticating");
});

Deno.test("a gateway that dies while it refreshes holds the others up for no longer than its lease (UP-18)", async () => {
  await using scene = await upstreamScene({ script: { tokenSeconds: 60 } });
  const { gateway, clock } = scene;
  const alice = await connected(scene);
  const [entry] = await Array.fromAsync(gateway.services.store.list(connections));
  const [owner] = entry?.id ?? [];
  clock.advance({ seconds: 70 });
  assert.notEqual(await takeLease(gateway.services, `refresh:${owner}:acme`, 5_000), null);
  const waiting = call(scene, alice);
  await new Promise((resolve) => setTimeout(resolve, 150));
  assert.equal(refreshes(scene.upstream).length, 0);
  clock.advance({ seconds: 6 });
  assert.equal(textOf(await waiting), "account");
});

Deno.test("an upstream 401 leads to one refresh whatever the clock says, and the call is sent once more (UP-19)", async () => {
  await using scene = await upstreamScene({ script: { tokenSeconds: null } });
  const { upstream } = scene;
  const alice = await connected(scene);
  await call(scene, alice);
  upstream.endAccessTokens();
  const message = { jsonrpc: "2.0", id: 7, method: "tools/call", params: { name: "x", arguments: { a: 1 } } };
  const answers = await Promise.all(Array.from({ length: 10 }, () => call(scene, alice, { message })));
  for (const answer of answers) assert.equal(textOf(answer), "account");
  assert.equal(refreshes(upstream).length, 1);
  assert.deepEqual(JSON.parse(upstream.calls.at(-1)?.body ?? ""), message);
});

Deno.test("an upstream that refuses every token is asked twice per call, and the client never sees its challenge (UP-19, RS-13)", async () => {
  await using scene = await upstreamScene();
  const { upstream } = scene;
  const alice = await connected(scene);
  upstream.script.mcp = () =>
    new Response(null, { status: 401, headers: { "www-authenticate": 'Bearer error="invalid_token"' } });
  const answer = await call(scene, alice);
  assert.equal(answer.status, 502);
  assert.equal(answer.headers.get("www-authenticate"), null);
  assert.equal(upstream.calls.length, 2);
});

Deno.test("a user whose renewed token is refused, too, may connect again, and keeps what there is should the upstream come round (UP-19)", async () => {
  for (const authMode of ["user-oauth", "shared-oauth"] as const) {
    await using scene = await upstreamScene({
      policy: { authMode },
      config: { admins: { subjects: ["alice"] } },
    });
    const { upstream, clock } = scene;
    const alice = await connected(scene);
    clock.advance({ seconds: 61 });
    upstream.script.mcp = () =>
      new Response("no", { status: 401, headers: { "www-authenticate": "Bearer" } });
    const { status, body } = await call(scene, alice);
    assert.deepEqual([status, body.error?.code], [200, -32042]);
    const state = authMode === "user-oauth" ? "reconsent_required" : "admin_connect_required";
    assert.equal(body.error?.data?.state, state);
    assert.equal(upstream.calls.length, 2);
    upstream.script.mcp = null;
    assert.equal(textOf(await call(scene, alice)), "account");
    // Who has just done so is not asked once more.
    upstream.script.mcp = () =>
      new Response("no", { status: 401, headers: { "www-authenticate": "Bearer" } });
    const page = await alice.browser.get(body.error?.data?.authUrl ?? "");
    await alice.browser.submit(page, { decision: "connect" });
    assert.equal((await call(scene, alice)).status, 502);
  }
});

Deno.test("a renewed token that lacks a scope leads to its consent, as any other does (UP-19, UP-20)", async () => {
  await using scene = await upstreamScene({ script: { challengeScope: "read" } });
  const { upstream } = scene;
  const alice = await connected(scene);
  upstream.endAccessTokens();
  // The first call's token is not known there any more.
  upstream.script.mcp = () =>
    new Response(null, {
      status: 403,
      headers: { "www-authenticate": 'Bearer error="insufficient_scope", scope="admin"' },
    });
  const { body } = await call(scene, alice);
  assert.equal(body.error?.data?.state, "reconsent_required");
  assert.equal(refreshes(upstream).length, 1);
  const page = await alice.browser.get(body.error?.data?.authUrl ?? "");
  assert.match(page.html, /<code>admin<\/code>/);
});

Deno.test("invalid_grant means reconsent; connecting again mends it (UP-18)", async () => {
  await using scene = await upstreamScene({ script: { tokenSeconds: 60 } });
  const { upstream, clock } = scene;
  const alice = await connected(scene);
  upstream.endRefreshTokens();
  clock.advance({ seconds: 90 });
  const { body } = await call(scene, alice);
  assert.equal(body.error?.code, -32042);
  assert.equal(body.error?.data?.state, "reconsent_required");
  // Known from now on: nobody asks the server again.
  await call(scene, alice);
  assert.equal(refreshes(upstream).length, 1);
  const page = await alice.browser.get(body.error?.data?.authUrl ?? "");
  await alice.browser.submit(page, { decision: "connect" });
  assert.equal(textOf(await call(scene, alice)), "account");
});

Deno.test("a token endpoint that is out of order loses nothing: the call fails or goes on, and later all is well (UP-18)", async () => {
  for (
    const fault of [
      () => new Response("busy", { status: 503 }),
      () => new Response("slow down", { status: 429 }),
      () => Response.json({ error: "temporarily_unavailable" }, { status: 400 }),
      () => new Response("<html>", { status: 200, headers: { "content-type": "text/html" } }),
    ]
  ) {
    await using scene = await upstreamScene({ script: { tokenSeconds: 300 } });
    const { upstream, clock } = scene;
    const alice = await connected(scene);
    upstream.script.token = fault;
    // Almost expired: what is there still works.
    clock.advance({ seconds: 280 });
    assert.equal(textOf(await call(scene, alice)), "account");
    clock.advance({ seconds: 30 });
    const { status, body } = await call(scene, alice);
    assert.equal(status, 502);
    assert.notEqual(body.error?.code, -32042);
    upstream.script.token = null;
    // Nobody asks again at once.
    clock.advance({ seconds: 3 });
    assert.equal(textOf(await call(scene, alice)), "account");
  }
});

Deno.test("a refresh that brings no new refresh token keeps the old one (UP-18)", async () => {
  await using scene = await upstreamScene({ script: { tokenSeconds: 60, rotate: false } });
  const alice = await connected(scene);
  for (let round = 0; round < 3; round++) {
    scene.clock.advance({ seconds: 70 });
    assert.equal(textOf(await call(scene, alice)), "account");
  }
  const used = refreshes(scene.upstream).map(({ params }) => params.get("refresh_token"));
  assert.deepEqual([used.length, new Set(used).size], [3, 1]);
});

Deno.test("a server without refresh tokens: the user is asked again when the token has expired or is refused (UP-18)", async () => {
  await using scene = await upstreamScene({ script: { tokenSeconds: 60, refreshTokens: false } });
  const alice = await connected(scene);
  scene.clock.advance({ seconds: 58 });
  assert.equal(textOf(await call(scene, alice)), "account");
  scene.clock.advance({ seconds: 3 });
  assert.equal((await call(scene, alice)).body.error?.data?.state, "reconsent_required");
  // The setup page offers it, too.
  const setup = await setupOf(scene, alice.browser);
  assert.equal(setup.forms[0]?.choices[0]?.value, "connect");
});

Deno.test("insufficient_scope: a new consent lists the former scopes and the added one; other calls go on; granted scope is not asked twice (UP-20)", async () => {
  await using scene = await upstreamScene({ script: { challengeScope: "read" } });
  const { upstream } = scene;
  const alice = await connected(scene);
  upstream.script.mcp = ({ body, scope }) =>
    JSON.parse(body).params.name !== "write" || scope.includes("write") ? null : new Response(null, {
      status: 403,
      headers: { "www-authenticate": 'Bearer error="insufficient_scope", scope="write"' },
    });
  const write = {
    message: { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "write", arguments: {} } },
  };
  const { body } = await call(scene, alice, write);
  assert.equal(body.error?.data?.state, "reconsent_required");
  assert.equal(textOf(await call(scene, alice)), "account");
  assert.equal(refreshes(upstream).length, 0);
  const page = await alice.browser.get(body.error?.data?.authUrl ?? "");
  await alice.browser.submit(page, { decision: "connect" });
  assert.equal(upstream.at("/authorize").at(-1)?.params.get("scope"), "read write");
  assert.equal(textOf(await call(scene, alice, write)), "account");
  // The upstream goes on refusing what the user has granted.
  upstream.script.mcp = () =>
    new Response(null, {
      status: 403,
      headers: { "www-authenticate": 'Bearer error="insufficient_scope", scope="write"' },
    });
  const stubborn = await call(scene, alice, write);
  assert.equal(stubborn.status, 502);
  assert.notEqual(stubborn.body.error?.code, -32042);
});

Deno.test("a 403 that names no scope is no reason to ask the user", async () => {
  await using scene = await upstreamScene();
  const alice = await connected(scene);
  scene.upstream.script.mcp = () => new Response(null, { status: 403 });
  assert.equal((await call(scene, alice)).status, 502);
  assert.equal(refreshes(scene.upstream).length, 0);
});

Deno.test("a disconnect during a refresh wins: the new tokens are not stored", async () => {
  await using scene = await upstreamScene({ script: { tokenSeconds: 60 } });
  const { upstream, gateway } = scene;
  const alice = await connected(scene);
  const [arrived, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  upstream.script.token = async () => {
    arrived.resolve();
    await go.promise;
    const tokens = { access_token: "late", refresh_token: "late-refresh", token_type: "Bearer" };
    return Response.json({ ...tokens, expires_in: 60 });
  };
  scene.clock.advance({ seconds: 70 });
  const calling = call(scene, alice);
  await arrived.promise;
  const account = await alice.browser.get(`${gateway.origin}/account`);
  await alice.browser.submit(account, { action: "disconnect" });
  go.resolve();
  assert.equal((await calling).body.error?.data?.state, "authenticating");
  assert.ok(!upstream.refused.includes("Bearer late"));
  // They are given back; what was revoked at the disconnect was the token of before.
  assert.equal(upstream.at("/revoke").at(-1)?.params.get("token"), "late-refresh");
  assert.equal((await call(scene, alice)).body.error?.data?.state, "authenticating");
});
