/** Signing in through an OpenID Connect provider: what it is asked, what is kept, and how much of it there can be. */
import assert from "node:assert/strict";
import { authorizations } from "../../lib/store/schema.ts";
import { userIdOf } from "../../lib/login/identity.ts";
import { users } from "../../lib/store/schema.ts";
import { leaveForProvider, loginScene, signedInUser, signIn } from "../security/login_scene.ts";
import { authorizeUrl } from "../support/oauth_flow.ts";

Deno.test("login_hint, and of prompt login and select_account, reach the provider; consent does not (AS-30)", async () => {
  await using scene = await loginScene();
  const sent = async (changes: Record<string, string>) => {
    const { searchParams } = await leaveForProvider(scene, scene.browser(), changes);
    return [searchParams.get("login_hint"), searchParams.get("prompt")];
  };
  assert.deepEqual(await sent({}), [null, null]);
  const hint = "alice+tag@example.test & more";
  assert.deepEqual(await sent({ login_hint: hint }), [hint, null]);
  assert.deepEqual(await sent({ prompt: "login" }), [null, "login"]);
  assert.deepEqual(await sent({ prompt: "select_account consent" }), [null, "select_account"]);
  assert.deepEqual(await sent({ prompt: "consent" }), [null, null]);
  assert.deepEqual(await sent({ prompt: "create weird" }), [null, null]);
});

Deno.test('`browserLogin.audience` and `pkce: "none"` reach the provider', async () => {
  await using scene = await loginScene({
    oauth: (options) => ({
      ...options,
      browserLogin: {
        ...options.browserLogin,
        audience: "https://api.test",
        pkce: "none",
        scope: "openid email",
      },
    }),
  });
  const browser = scene.browser();
  const { searchParams } = await leaveForProvider(scene, browser);
  assert.equal(searchParams.get("audience"), "https://api.test");
  assert.equal(searchParams.get("scope"), "openid email");
  assert.equal(searchParams.get("code_challenge"), null);
  assert.equal(signedInUser(await signIn(scene, browser)), "alice");
  assert.equal(scene.idp.tokenRequests[0]?.params.get("code_verifier"), null);
});

Deno.test("prompt=login wants a sign-in of its own: no older session answers it, not even after a cancelled one", async () => {
  await using scene = await loginScene();
  const { gateway, client, idp, clock } = scene;
  const browser = scene.browser();
  assert.equal(signedInUser(await signIn(scene, browser)), "alice");
  clock.advance({ seconds: 60 });
  for (const prompt of ["login", "select_account"]) {
    idp.script = { authorizationResponse: { code: undefined, error: "access_denied" } };
    const denied = await browser.get(authorizeUrl(gateway, client, { prompt }));
    assert.equal(denied.status, 403);
    const restarted = await browser.get(denied.links.find((url) => url.pathname === "/oauth/setup") ?? "", {
      from: denied,
      stopAt: (url) => url.origin === idp.origin,
    });
    assert.ok(restarted.left, "the old session does not do");
    assert.equal(restarted.url.searchParams.get("prompt"), prompt);
    idp.script = { subject: "bob" };
    assert.equal(signedInUser(await browser.get(restarted.url, { from: denied })), "bob");
    clock.advance({ seconds: 60 });
  }
});

Deno.test("a client that authenticates in the body only is sent the secret there (AS-30)", async () => {
  await using scene = await loginScene({
    script: { metadata: { token_endpoint_auth_methods_supported: ["client_secret_post"] } },
  });
  assert.equal(signedInUser(await signIn(scene)), "alice");
  const { params, headers } = scene.idp.tokenRequests[0] ?? {};
  assert.equal(params?.get("client_secret"), scene.idp.clientSecret);
  assert.equal(headers?.get("authorization"), null);
});

Deno.test("what is kept of a user is sealed, and what access rules need is there", async () => {
  await using scene = await loginScene({
    script: {
      claims: {
        roles: ["role-canary-4711"],
        groups: ["group-canary-4711"],
        name: "Alice Canary",
        "https://x/y": { z: 1 },
      },
      tokenResponse: { refresh_token: "provider-refresh-canary" },
    },
  });
  const { gateway, idp } = scene;
  assert.equal(signedInUser(await signIn(scene)), "Alice Canary");
  const user = await gateway.services.store.get(users, userIdOf({ issuer: idp.issuer, subject: "alice" }));
  assert.deepEqual(user?.value.claims.roles, ["role-canary-4711"]);
  assert.deepEqual(user?.value.claims["https://x/y"], { z: 1 });
  assert.equal(user?.value.providerRefreshToken, "provider-refresh-canary");
  assert.match(user?.value.idToken ?? "", /^ey/);
  assert.equal(user?.value.idTokenExpiresAt, scene.clock.now() + 300_000);
  const stored: string[] = [];
  for await (const { key, value } of gateway.kv.list({ prefix: [] })) {
    stored.push(JSON.stringify(key), new TextDecoder("latin1").decode(value as Uint8Array)); // every row is bytes
  }
  const all = stored.join("\n");
  for (
    const secret of [
      "canary-4711",
      "Alice Canary",
      "provider-refresh-canary",
      "alice@example.test",
      user?.value.idToken ?? "?",
    ]
  ) assert.ok(!all.includes(secret), secret);
});

Deno.test("claims that are too large do not keep anybody out, and are not kept", async () => {
  await using scene = await loginScene();
  const { gateway, idp } = scene;
  for (
    const [claims, kept] of [
      [{ groups: ["g".repeat(20_000)] }, true],
      [{ groups: ["g".repeat(33_000)] }, false],
      [{ groups: ["ü".repeat(20_000)] }, false],
    ] as const
  ) {
    idp.script = { claims, tokenResponse: { refresh_token: "r".repeat(100_000) } };
    assert.equal(signedInUser(await signIn(scene)), "alice");
    const user = await gateway.services.store.get(users, userIdOf({ issuer: idp.issuer, subject: "alice" }));
    assert.equal("groups" in (user?.value.claims ?? {}), kept);
    assert.equal(user?.value.providerRefreshToken, null);
    assert.equal(
      gateway.events.findLast(({ event }) => event === "mcp_auth_login_completed")?.reasonCode,
      "claims_too_large_to_keep",
    );
  }
});

Deno.test("logins begun and left are counted wherever they begin: a flood leaves 300 rows, not thousands (B17 258)", async () => {
  await using scene = await loginScene();
  const { gateway, client, clock } = scene;
  const rows = async () =>
    (await Array.fromAsync(gateway.kv.list({ prefix: ["login"] }, { limit: 2_000 }))).length;
  const answers = await Promise.all(Array.from({ length: 1_000 }, () => gateway.fetch("/account")));
  assert.equal(answers.filter(({ status }) => status === 303).length, 300);
  assert.ok(answers.every(({ status }) => status === 303 || status === 429));
  assert.equal(await rows(), 300);
  clock.advance({ seconds: 61 });
  // One transaction, and its page again and again without ever signing in.
  const first = await gateway.fetch(authorizeUrl(gateway, client));
  const cookie = first.headers.getSetCookie()[0]?.split(";")[0] ?? "";
  const [waiting] = await Array.fromAsync(gateway.services.store.list(authorizations));
  for (let time = 0; time < 400; time++) {
    await gateway.fetch(`/oauth/setup?transaction=${waiting?.value.transactionId}`, { headers: { cookie } });
  }
  assert.equal(await rows(), 600);
  // From another address an honest login still works.
  const honest = await gateway.fetch(authorizeUrl(gateway, client), { peer: "127.0.0.2" } as RequestInit);
  assert.equal(honest.status, 303);
});
