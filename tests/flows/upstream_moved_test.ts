/** A refresh that fails makes us look whether the authorization server has moved: a new endpoint is used, a new issuer gets nothing of the old. */
import assert from "node:assert/strict";
import { FakeClock } from "../support/fake_clock.ts";
import { call, connected, textOf, type UpstreamScene, upstreamScene } from "../support/upstream_scene.ts";
import { startUpstream, type UpstreamScript } from "../support/upstream_server.ts";

const gone = () => new Response("gone", { status: 503 });

/** The call fails, as the token endpoint did; the next one looks again first. */
async function failOnce(scene: UpstreamScene, user: Parameters<typeof call>[1]): Promise<void> {
  scene.clock.advance({ seconds: 70 });
  assert.equal((await call(scene, user)).status, 502);
  scene.clock.advance({ seconds: 3 });
}

Deno.test("a token endpoint that has moved at the same issuer is found, used, and kept (UP-10, UP-18)", async () => {
  await using scene = await upstreamScene({ script: { tokenSeconds: 60 } });
  const { upstream, clock } = scene;
  const alice = await connected(scene);
  upstream.script.metadata = { token_endpoint: `${upstream.origin}/moved/token` };
  upstream.script.answer = async ({ path, body, headers }) => {
    if (path === "/token" && !headers.has("x-moved")) return new Response("not here", { status: 404 });
    if (path !== "/moved/token") return null;
    const passed = new Headers(headers);
    passed.set("x-moved", "1");
    passed.delete("content-length");
    return await fetch(`${upstream.origin}/token`, { method: "POST", body, headers: passed });
  };
  await failOnce(scene, alice);
  assert.equal(textOf(await call(scene, alice)), "account");
  clock.advance({ seconds: 70 });
  assert.equal(textOf(await call(scene, alice)), "account");
  assert.equal(upstream.at("/moved/token").length, 2);
});

Deno.test("an upstream whose issuer is gone and that names another one asks its users to connect there; nothing of the old is sent (UP-10)", async () => {
  const clock = new FakeClock();
  await using next = startUpstream(clock);
  await using scene = await upstreamScene({ harness: { clock }, script: { tokenSeconds: 60 } });
  const { upstream, gateway } = scene;
  const alice = await connected(scene);
  upstream.script.token = gone;
  upstream.script.resourceMetadata = { authorization_servers: [next.origin] };
  await failOnce(scene, alice);
  const { body } = await call(scene, alice);
  assert.equal(body.error?.data?.state, "reconsent_required");
  assert.equal(next.at("/token").length + next.at("/register").length + next.at("/revoke").length, 0);
  const lost = gateway.events.find(({ event }) => event === "mcp_auth_upstream_connection_lost");
  assert.equal(lost?.reasonCode, "upstream_issuer_changed");
  const page = await alice.browser.get(body.error?.data?.authUrl ?? "");
  await alice.browser.submit(page, { decision: "connect" });
  assert.deepEqual([next.at("/register").length, next.at("/token").length], [1, 1]);
});

Deno.test("an upstream that is altogether out of order, and for a while has no metadata, loses nobody's credential (UP-10, F24)", async () => {
  await using scene = await upstreamScene({ script: { tokenSeconds: 60 } });
  const { upstream } = scene;
  // Without metadata its issuer would be the origin (2025-03-26), which it is not.
  const issuer = `${upstream.origin}/tenant`;
  const home: UpstreamScript["answer"] = async ({ path }) => {
    if (path !== "/.well-known/oauth-authorization-server/tenant") return null;
    const metadata = await fetch(`${upstream.origin}/.well-known/oauth-authorization-server`);
    return Response.json({ ...await metadata.json(), issuer });
  };
  upstream.script.resourceMetadata = { authorization_servers: [issuer] };
  upstream.script.response = { iss: issuer };
  upstream.script.answer = home;
  const alice = await connected(scene);
  for (const status of [404, 503]) {
    upstream.script.answer = () => new Response("down", { status });
    await failOnce(scene, alice);
    assert.equal((await call(scene, alice)).status, 502);
    scene.clock.advance({ seconds: 120 });
  }
  upstream.script.answer = home;
  assert.equal(textOf(await call(scene, alice)), "account");
  assert.equal(upstream.at("/register").length, 1);
});

Deno.test("a client that was registered by hand stays with its issuer: users are not asked, the operator reads it in the log (UP-10)", async () => {
  const clock = new FakeClock();
  await using next = startUpstream(clock);
  await using scene = await upstreamScene({
    harness: { clock },
    script: { tokenSeconds: 60 },
    policy: { clientRegistration: { mode: "manual", clientId: "by-hand", clientSecret: "secret-by-hand" } },
  });
  const { upstream, gateway } = scene;
  const redirects = { redirect_uris: [`${gateway.origin}/auth/connections/acme/callback`] };
  upstream.addClient("by-hand", { ...redirects, client_secret: "secret-by-hand" });
  const alice = await connected(scene);
  upstream.script.token = gone;
  upstream.script.resourceMetadata = { authorization_servers: [next.origin] };
  await failOnce(scene, alice);
  assert.equal((await call(scene, alice)).status, 502);
  assert.equal(next.at("/token").length, 0);
  assert.ok(gateway.events.some(({ event }) => event === "mcp_auth_upstream_refresh_failed"));
});
