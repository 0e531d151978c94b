/** Connecting a user to an OAuth upstream: from the setup page, from a link, from the account page; and never somebody else. */
import assert from "node:assert/strict";
import { connections, connects } from "../../lib/store/upstream_schema.ts";
import {
  browserOf,
  call,
  connected,
  setupOf,
  signedIn,
  textOf,
  upstreamScene,
} from "../support/upstream_scene.ts";

Deno.test("Connect on the setup page, and the first call works with the upstream's token alone (UP-11, UP-13, UP-17, EL-06)", async () => {
  await using scene = await upstreamScene();
  const { upstream, gateway } = scene;
  const alice = await connected(scene);
  const answer = await call(scene, alice);
  assert.equal(textOf(answer), "account");
  const [registration] = upstream.at("/register");
  const redirectUri = `${gateway.origin}/auth/connections/acme/callback`;
  const registered = JSON.parse(registration?.body ?? "");
  assert.deepEqual(registered.redirect_uris, [redirectUri]);
  assert.equal(registered.application_type, "web");
  assert.deepEqual(registered.grant_types, ["authorization_code", "refresh_token"]);
  const [authorization] = upstream.at("/authorize");
  assert.equal(authorization?.params.get("resource"), upstream.url);
  assert.equal(authorization?.params.get("code_challenge_method"), "S256");
  assert.equal(authorization?.params.get("scope"), null);
  const [exchange] = upstream.at("/token");
  assert.equal(exchange?.params.get("resource"), upstream.url);
  for (const { headers, body } of [...upstream.calls, ...upstream.requests]) {
    assert.ok(!JSON.stringify([...headers]).includes(alice.token) && !body.includes(alice.token));
  }
  // Neither kind of secret is readable in the store.
  const secrets = [upstream.calls[0]?.token ?? "", exchange?.params.get("code_verifier") ?? ""];
  for await (const entry of gateway.kv.list({ prefix: [] })) {
    const raw = new TextDecoder("latin1").decode(
      entry.value instanceof Uint8Array ? entry.value : new TextEncoder().encode(JSON.stringify(entry.value)),
    );
    for (const secret of secrets) {
      assert.ok(!raw.includes(secret) && !JSON.stringify(entry.key).includes(secret));
    }
  }
  const logged = JSON.stringify(gateway.events);
  for (const secret of secrets) assert.ok(!logged.includes(secret));
  assert.ok(gateway.events.some(({ event }) => event === "mcp_auth_upstream_connection_established"));
});

Deno.test("the metadata's exact resource and a scope of the challenge are sent; explicit scopes win (UP-11, UP-12)", async () => {
  {
    await using scene = await upstreamScene({
      script: { challengeScope: "read write", metadata: { scopes_supported: ["read", "offline_access"] } },
    });
    await connected(scene);
    const [{ params } = { params: new URLSearchParams() }] = scene.upstream.at("/authorize");
    assert.equal(params.get("scope"), "read write offline_access");
    assert.equal(params.get("prompt"), "consent");
  }
  await using scene = await upstreamScene({
    policy: { scopes: ["only"] },
    script: { challengeScope: "read write", metadata: { scopes_supported: ["read", "offline_access"] } },
  });
  await connected(scene);
  const [{ params } = { params: new URLSearchParams() }] = scene.upstream.at("/authorize");
  assert.equal(params.get("scope"), "only");
  assert.equal(params.get("prompt"), null);
});

Deno.test("a connect link works for its user, in any browser of theirs; another user gets 403 and nothing is bound (UP-15, EL-07)", async () => {
  await using scene = await upstreamScene();
  const alice = await signedIn(scene, "alice");
  const bob = await signedIn(scene, "bob");
  const url = (await call(scene, alice)).body.error?.data?.authUrl ?? "";
  assert.equal((await bob.browser.get(url)).status, 403);
  // Nor by posting to it what only Alice's page offers.
  const { pathname, searchParams } = new URL(url);
  const account = await bob.browser.get(`${scene.gateway.origin}/account`);
  const csrf = account.forms[0]?.preset.find(([name]) => name === "csrf_token")?.[1] ?? "";
  const forged = await scene.gateway.fetch(pathname, {
    method: "POST",
    body: new URLSearchParams({ csrf_token: csrf, pending: searchParams.get("pending") ?? "" }),
    headers: {
      cookie: bob.browser.cookies.header(new URL(url), { initiator: null, method: "POST" }) ?? "",
      origin: scene.gateway.origin,
      "sec-fetch-site": "same-origin",
    },
  });
  await forged.body?.cancel();
  assert.equal(forged.status, 403);
  assert.equal(scene.upstream.at("/authorize").length, 0);
  // Looking does nothing; the button does.
  const page = await alice.browser.get(url);
  assert.equal(page.status, 200);
  assert.equal(scene.upstream.at("/authorize").length, 0);
  const back = await alice.browser.submit(page, { decision: "connect" });
  assert.equal(back.url.pathname, "/account");
  assert.equal(textOf(await call(scene, alice)), "account");
  assert.equal((await call(scene, bob)).body.error?.code, -32042);
});

Deno.test("a link in a browser without a session asks to sign in first, and then connects that user (UP-15)", async () => {
  await using scene = await upstreamScene();
  const alice = await signedIn(scene, "alice");
  const url = (await call(scene, alice)).body.error?.data?.authUrl ?? "";
  const fresh = browserOf(scene.gateway);
  const login = await fresh.get(url);
  assert.ok(login.url.pathname.endsWith("/oauth/dev-login"));
  const page = await fresh.submit(login, { user: "alice" });
  await fresh.submit(page, { decision: "connect" });
  assert.equal(textOf(await call(scene, alice)), "account");
});

Deno.test("a callback is refused in another browser, for another user, at another time and twice (UP-13, UP-15)", async () => {
  await using scene = await upstreamScene();
  const { gateway, upstream } = scene;
  const callbackOf = async (user: Awaited<ReturnType<typeof signedIn>>) => {
    const account = await user.browser.get(`${gateway.origin}/account`);
    const left = await user.browser.submit(account, { action: "connect" }, {
      stopAt: (url) => url.pathname.endsWith("/callback"),
    });
    assert.ok(left.left, left.html);
    return left.url;
  };
  const alice = await signedIn(scene, "alice");
  const bob = await signedIn(scene, "bob");
  const exchanges = () => upstream.at("/token").length;

  const ofAlice = await callbackOf(alice);
  assert.equal((await bob.browser.get(ofAlice)).status, 403);
  assert.equal((await browserOf(gateway).get(ofAlice)).status, 403);
  // Alice in another browser: the flow was begun in the first.
  const second = await signedIn(scene, "alice");
  assert.equal((await second.browser.get(ofAlice)).status, 403);
  assert.equal(exchanges(), 0);
  assert.equal((await alice.browser.get(ofAlice)).url.pathname, "/account");
  assert.equal(exchanges(), 1);
  assert.equal((await alice.browser.get(ofAlice)).status, 403);

  const [one, other] = [await callbackOf(bob), await callbackOf(await signedIn(scene, "carol"))];
  // Bob's answer with Carol's state.
  const mixed = new URL(one);
  mixed.searchParams.set("state", other.searchParams.get("state") ?? "");
  assert.equal((await bob.browser.get(mixed)).status, 403);
  scene.clock.advance({ seconds: 901 });
  assert.equal((await bob.browser.get(one)).status, 403);
  assert.equal(exchanges(), 1);
});

Deno.test("a connect that Alice began binds nobody who is signed in to her browser when the answer comes (UP-15)", async () => {
  await using scene = await upstreamScene();
  const { gateway, upstream } = scene;
  const browser = browserOf(gateway);
  const setup = await setupOf(scene, browser, "alice");
  const left = await browser.submit(setup, { decision: "connect" }, {
    stopAt: (url) => url.pathname.endsWith("/callback"),
  });
  const login = await browser.submit(setup, { decision: "switch" });
  const ofBob = await browser.submit(login, { user: "bob" });
  assert.match(ofBob.html, /bob/);
  assert.equal((await browser.get(left.url)).status, 403);
  assert.equal(upstream.at("/token").length, 0);
  // Nor is the answer good at another connection's callback.
  const elsewhere = new URL(left.url);
  elsewhere.pathname = "/auth/connections/other/callback";
  assert.equal((await browser.get(elsewhere)).status, 404);
});

Deno.test("`iss` of the answer: missing, another, and not announced (UP-14)", async () => {
  const outcomes = [
    { announced: true, iss: undefined, connects: true },
    { announced: true, iss: null, connects: false },
    { announced: true, iss: "https://attacker.example", connects: false },
    { announced: false, iss: null, connects: true },
    { announced: false, iss: "https://attacker.example", connects: false },
    { announced: false, iss: undefined, connects: true },
  ] as const;
  for (const { announced, iss, connects: works } of outcomes) {
    await using scene = await upstreamScene({
      script: {
        metadata: announced ? {} : { authorization_response_iss_parameter_supported: null },
        response: iss === undefined ? {} : { iss },
      },
    });
    const browser = browserOf(scene.gateway);
    const setup = await setupOf(scene, browser);
    const back = await browser.submit(setup, { decision: "connect" });
    assert.equal(back.status, works ? 200 : 400, `${announced} ${iss}`);
    assert.equal(scene.upstream.at("/token").length, works ? 1 : 0);
    // An error of the wrong server is no more believed than its code, and nothing of it is shown.
    assert.ok(!back.html.includes("attacker"));
  }
});

Deno.test("what the upstream refuses is a page that leads back, and the connect is used up (UP-13)", async () => {
  await using scene = await upstreamScene({ script: { deny: "access_denied" } });
  const browser = browserOf(scene.gateway);
  const back = await browser.submit(await setupOf(scene, browser), { decision: "connect" });
  assert.equal(back.status, 403);
  assert.ok(back.links.some((link) => link.pathname.endsWith("/oauth/setup")), back.html);
  const left = [];
  for await (const entry of scene.gateway.services.store.list(connects)) left.push(entry);
  assert.equal(left.length, 0);
  scene.upstream.script.deny = null;
  const setup = await browser.get(back.links.find((link) => link.pathname.endsWith("/oauth/setup")) ?? "");
  assert.equal((await browser.submit(setup, { decision: "connect" })).url.pathname, "/oauth/setup");
});

Deno.test("two users never share a credential (UP-10, UP-17)", async () => {
  await using scene = await upstreamScene();
  scene.upstream.script.account = "account of alice";
  const alice = await connected(scene, "alice");
  scene.upstream.script.account = "account of bob";
  const bob = await connected(scene, "bob");
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) => call(scene, index % 2 === 0 ? alice : bob)),
  );
  for (const [index, answer] of answers.entries()) {
    assert.equal(textOf(answer), index % 2 === 0 ? "account of alice" : "account of bob");
  }
  // One registration serves both.
  assert.equal(scene.upstream.at("/register").length, 1);
});

Deno.test("rows of two users that are swapped in the store open for neither (UP-17)", async () => {
  await using scene = await upstreamScene();
  const alice = await connected(scene, "alice");
  const bob = await connected(scene, "bob");
  const rows: Deno.KvEntry<unknown>[] = [];
  for await (const entry of scene.gateway.kv.list({ prefix: ["connection"] })) rows.push(entry);
  const [one, other] = rows;
  assert.ok(one !== undefined && other !== undefined && rows.length === 2);
  await scene.gateway.kv.set(one.key, other.value);
  await scene.gateway.kv.set(other.key, one.value);
  scene.clock.advance({ seconds: 10 });
  for (const user of [alice, bob]) {
    const before = scene.upstream.calls.length;
    const { status, body } = await call(scene, user);
    assert.ok(status >= 500 || body.error !== undefined, JSON.stringify(body));
    assert.equal(scene.upstream.calls.length, before);
  }
});

Deno.test("disconnect forgets the credential here and revokes it there; the next call asks to connect (UP-22)", async () => {
  await using scene = await upstreamScene();
  const alice = await connected(scene);
  assert.equal(textOf(await call(scene, alice)), "account");
  const account = await alice.browser.get(`${scene.gateway.origin}/account`);
  const after = await alice.browser.submit(account, { action: "disconnect" });
  assert.equal(after.url.pathname, "/account");
  assert.equal(scene.upstream.at("/revoke").length, 1);
  const { body } = await call(scene, alice);
  assert.equal(body.error?.data?.state, "authenticating");
  const left = [];
  for await (const entry of scene.gateway.services.store.list(connections)) left.push(entry);
  assert.equal(left.length, 0);
});

Deno.test("an upstream whose registration forgot us asks to connect again, with one new registration (UP-09)", async () => {
  await using scene = await upstreamScene({ script: { tokenSeconds: 60 } });
  const alice = await connected(scene);
  scene.upstream.forgetClients();
  scene.clock.advance({ seconds: 120 });
  const { body } = await call(scene, alice);
  assert.equal(body.error?.data?.state, "reconsent_required");
  const page = await alice.browser.get(body.error?.data?.authUrl ?? "");
  await alice.browser.submit(page, { decision: "connect" });
  assert.equal(scene.upstream.at("/register").length, 2);
  assert.equal(textOf(await call(scene, alice)), "account");
});

Deno.test("a registration that died before the code was exchanged is replaced at the next try (UP-09)", async () => {
  await using scene = await upstreamScene();
  const browser = browserOf(scene.gateway);
  const setup = await setupOf(scene, browser);
  const left = await browser.submit(setup, { decision: "connect" }, {
    stopAt: (url) => url.pathname.endsWith("/callback"),
  });
  scene.upstream.forgetClients();
  const page = await browser.get(left.url, { from: setup });
  assert.equal(page.status, 502);
  const again = await browser.get(page.links.find((link) => link.pathname.endsWith("/oauth/setup")) ?? "");
  const back = await browser.submit(again, { decision: "connect" });
  assert.equal(back.url.pathname, "/oauth/setup");
  assert.equal(scene.upstream.at("/register").length, 2);
});
