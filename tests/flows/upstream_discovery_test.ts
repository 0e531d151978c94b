/** What an upstream says of itself is hostile input: which resource, which issuer, which addresses; and what a change of it means. */
import assert from "node:assert/strict";
import { FakeClock } from "../support/fake_clock.ts";
import { browserOf, call, connected, setupOf, textOf, upstreamScene } from "../support/upstream_scene.ts";
import type { UpstreamSceneOptions } from "../support/upstream_scene.ts";
import { startUpstream } from "../support/upstream_server.ts";

/** Presses Connect on the setup page; the status of what is shown then. */
async function tryToConnect(options: UpstreamSceneOptions, inspect: (reason: string) => void = () => {}) {
  await using scene = await upstreamScene(options);
  const browser = browserOf(scene.gateway);
  const page = await browser.submit(await setupOf(scene, browser), { decision: "connect" });
  const refused = scene.gateway.events.find(({ event }) => event === "mcp_auth_browser_request_refused");
  inspect(String(refused?.reasonCode));
  return { status: page.status, sent: scene.upstream.at("/authorize").length };
}

Deno.test("metadata for another resource is refused, unless the operator says so (UP-02)", async () => {
  const refused = await tryToConnect(
    { script: { resourceMetadata: { resource: "https://victim.example/mcp" } } },
    (reason) => assert.equal(reason, "resource_differs"),
  );
  assert.deepEqual(refused, { status: 502, sent: 0 });
  // The origin stands above the endpoint: that, too, is another resource.
  for (const overridden of [false, true]) {
    await using scene = await upstreamScene({
      policy: (origin) => overridden ? { overrides: { resource: origin } } : {},
    });
    const { upstream, gateway } = scene;
    upstream.script.resourceMetadata = { resource: upstream.origin };
    const browser = browserOf(gateway);
    const page = await browser.submit(await setupOf(scene, browser), { decision: "connect" });
    assert.equal(page.status, overridden ? 200 : 502);
    // Byte for byte: no slash is added to a bare origin (UP-11).
    const sent = upstream.requests.map(({ params }) => params.get("resource"))
      .filter((each) => each !== null);
    assert.deepEqual(sent, overridden ? [upstream.origin, upstream.origin] : []);
  }
});

Deno.test("metadata of another issuer, without S256, or with an endpoint that is no address is refused (UP-04, UP-06, UP-16)", async () => {
  const cases = [
    [{ issuer: "https://attacker.example" }, "issuer_differs"],
    [{ code_challenge_methods_supported: null }, "server_without_pkce"],
    [{ code_challenge_methods_supported: ["plain"] }, "server_without_pkce"],
    [{ authorization_endpoint: "javascript:alert(1)" }, "endpoint_refused"],
    [{ authorization_endpoint: "file:///etc/passwd" }, "endpoint_refused"],
    [{ token_endpoint: "https://user:secret@as.example/token" }, "endpoint_refused"],
    [{ token_endpoint: null }, "server_metadata_malformed"],
  ] as const;
  for (const [metadata, expected] of cases) {
    const outcome = await tryToConnect(
      { script: { metadata } },
      (reason) => assert.equal(reason, expected),
    );
    assert.deepEqual(outcome, { status: 502, sent: 0 });
  }
  const assumed = await tryToConnect({
    script: { metadata: { code_challenge_methods_supported: null } },
    policy: { overrides: { assumePkce: true } },
  });
  assert.deepEqual(assumed, { status: 200, sent: 1 });
});

Deno.test("an authorization server on a private address is not asked (UP-16)", async () => {
  for (
    const server of ["http://169.254.169.254", "https://10.0.0.1", "https://[fd00::1]", "ftp://as.example"]
  ) {
    const started = performance.now();
    const outcome = await tryToConnect({ script: { resourceMetadata: { authorization_servers: [server] } } });
    assert.deepEqual(outcome, { status: 502, sent: 0 }, server);
    assert.ok(performance.now() - started < 3_000, server);
  }
});

Deno.test("an authorization server at another origin is used, and its answers are read through the judged way out (UP-01, UP-16)", async () => {
  const clock = new FakeClock();
  await using other = startUpstream(clock);
  await using scene = await upstreamScene({
    harness: { clock },
    script: { resourceMetadata: { authorization_servers: [other.origin] } },
  });
  other.script.account = "of the other server";
  const browser = browserOf(scene.gateway);
  const back = await browser.submit(await setupOf(scene, browser), { decision: "connect" });
  assert.equal(back.url.pathname, "/oauth/setup");
  assert.deepEqual(
    [other.at("/register").length, other.at("/authorize").length, other.at("/token").length],
    [1, 1, 1],
  );
  assert.equal(scene.upstream.at("/token").length, 0);
});

Deno.test("an upstream that moves to another issuer: a fresh registration there, and nothing of the old is sent (UP-10)", async () => {
  const clock = new FakeClock();
  await using next = startUpstream(clock);
  await using scene = await upstreamScene({ harness: { clock } });
  const { upstream } = scene;
  const alice = await connected(scene);
  const [{ params: former } = { params: new URLSearchParams() }] = upstream.at("/token");
  upstream.script.resourceMetadata = { authorization_servers: [next.origin] };
  upstream.endAccessTokens();
  upstream.endRefreshTokens();
  const { body } = await call(scene, alice);
  assert.equal(body.error?.data?.state, "reconsent_required");
  await alice.browser.submit(await alice.browser.get(body.error?.data?.authUrl ?? ""), {
    decision: "connect",
  });
  assert.deepEqual([next.at("/register").length, next.at("/token").length], [1, 1]);
  const told = JSON.stringify(next.requests.map(({ params, headers }) => [[...params], [...headers]]));
  for (const name of ["client_id", "client_secret", "code", "code_verifier"]) {
    assert.ok(!told.includes(former.get(name) ?? "?"), name);
  }
});

Deno.test("a client that was registered by hand stays with its issuer: elsewhere its secret is not sent (UP-10)", async () => {
  const clock = new FakeClock();
  await using next = startUpstream(clock);
  await using scene = await upstreamScene({
    harness: { clock },
    policy: {
      clientRegistration: { mode: "manual", clientId: "by-hand", clientSecret: "secret-by-hand" },
    },
  });
  const redirects = { redirect_uris: [`${scene.gateway.origin}/auth/connections/acme/callback`] };
  for (const server of [scene.upstream, next]) {
    server.addClient("by-hand", { ...redirects, client_secret: "secret-by-hand" });
  }
  const alice = await connected(scene);
  assert.equal(textOf(await call(scene, alice)), "account");
  assert.equal(scene.upstream.at("/register").length, 0);
  scene.upstream.script.resourceMetadata = { authorization_servers: [next.origin] };
  clock.advance({ seconds: 700 });
  const account = await alice.browser.get(`${scene.gateway.origin}/account`);
  await alice.browser.submit(account, { action: "disconnect" });
  const again = await alice.browser.get(`${scene.gateway.origin}/account`);
  const page = await alice.browser.submit(again, { action: "connect" });
  assert.equal(page.status, 502);
  assert.equal(next.at("/authorize").length + next.at("/token").length, 0);
  assert.equal(
    scene.gateway.events.findLast(({ event }) => event === "mcp_auth_browser_request_refused")?.reasonCode,
    "issuer_changed",
  );
});

Deno.test("an upstream that has nothing anywhere while a client that was registered by hand is first tried does not become its issuer (UP-10)", async () => {
  const clock = new FakeClock();
  await using server = startUpstream(clock);
  await using scene = await upstreamScene({
    harness: { clock },
    policy: { clientRegistration: { mode: "manual", clientId: "by-hand", clientSecret: "secret-by-hand" } },
    script: { resourceMetadata: { authorization_servers: [server.origin] } },
  });
  const { gateway, upstream } = scene;
  const redirects = { redirect_uris: [`${gateway.origin}/auth/connections/acme/callback`] };
  server.addClient("by-hand", { ...redirects, client_secret: "secret-by-hand" });
  upstream.script.answer = () => new Response("not here", { status: 404 });
  const browser = browserOf(gateway);
  const lost = await browser.submit(await setupOf(scene, browser), { decision: "connect" });
  assert.deepEqual([lost.status, lost.url.origin], [404, upstream.origin]);
  upstream.script.answer = null;
  clock.advance({ seconds: 700 });
  const alice = await connected(scene);
  assert.equal(server.at("/token").length, 1);
  assert.equal(upstream.at("/token").length, 0);
  // From now on it is noted, and the upstream's own word does not change it.
  upstream.script.resourceMetadata = { authorization_servers: [upstream.origin] };
  clock.advance({ seconds: 700 });
  const account = await alice.browser.get(`${gateway.origin}/account`);
  await alice.browser.submit(account, { action: "disconnect" });
  const again = await alice.browser.get(`${gateway.origin}/account`);
  assert.equal((await alice.browser.submit(again, { action: "connect" })).status, 502);
  assert.equal(upstream.at("/authorize").length, 1);
});

Deno.test("of two issuers that a client by hand was begun at, the first to answer gets its secret, and the other does not (UP-10)", async () => {
  const clock = new FakeClock();
  await using next = startUpstream(clock);
  await using scene = await upstreamScene({
    harness: { clock },
    policy: { clientRegistration: { mode: "manual", clientId: "by-hand", clientSecret: "secret-by-hand" } },
  });
  const { gateway, upstream } = scene;
  const redirects = { redirect_uris: [`${gateway.origin}/auth/connections/acme/callback`] };
  for (const server of [upstream, next]) {
    server.addClient("by-hand", { ...redirects, client_secret: "secret-by-hand" });
  }
  const held = Promise.withResolvers<null>();
  const arrived = Promise.withResolvers<void>();
  upstream.script.answer = async ({ path }) => {
    if (path !== "/authorize") return null;
    arrived.resolve();
    return await held.promise;
  };
  const late = browserOf(gateway);
  const coming = late.submit(await setupOf(scene, late), { decision: "connect" });
  await arrived.promise;
  upstream.script.answer = null;
  upstream.script.resourceMetadata = { authorization_servers: [next.origin] };
  clock.advance({ seconds: 700 });
  await connected(scene, "bob");
  assert.equal(next.at("/token").length, 1);
  held.resolve(null);
  assert.equal((await coming).status, 502);
  assert.equal(upstream.at("/token").length, 0);
  assert.ok(gateway.events.some(({ reasonCode }) => reasonCode === "issuer_changed"));
});

Deno.test("a wrong secret of a client that was registered by hand ends no user's connection (UP-18)", async () => {
  await using scene = await upstreamScene({
    script: { tokenSeconds: 60 },
    policy: {
      clientRegistration: { mode: "manual", clientId: "by-hand", clientSecret: "secret-by-hand" },
    },
  });
  const redirects = { redirect_uris: [`${scene.gateway.origin}/auth/connections/acme/callback`] };
  const right = { ...redirects, client_secret: "secret-by-hand" };
  scene.upstream.addClient("by-hand", right);
  const alice = await connected(scene);
  scene.upstream.addClient("by-hand", { ...redirects, client_secret: "rotated" });
  scene.clock.advance({ seconds: 70 });
  assert.equal((await call(scene, alice)).status, 502);
  scene.upstream.addClient("by-hand", right);
  scene.clock.advance({ seconds: 2 });
  assert.equal(textOf(await call(scene, alice)), "account");
});
