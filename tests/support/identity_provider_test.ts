/** The identity providers of the tests, each with a whole gateway in front: they let the right user in, and only when they should. */
import assert from "node:assert/strict";
import { mcpLogtoOAuth, mcpOAuth, type OAuthPolicy } from "../../mod.ts";
import { FakeClock } from "./fake_clock.ts";
import { type Harness, startHarness } from "./harness.ts";
import {
  startIdentityProvider,
  startSloppyIdentityProvider,
  type TestIdentityProvider,
} from "./identity_provider.ts";
import { CHALLENGE, REDIRECT_URI, registerClient } from "./oauth_flow.ts";
import { browserBeyond, oauthOptionsFor } from "./test_provider.ts";

const ORIGIN = "http://127.0.0.1:9000";
const CALLBACK = `${ORIGIN}/oauth/callback`;

function gatewayFor(oauth: OAuthPolicy): Promise<Harness> {
  return startHarness({
    origin: ORIGIN,
    // The providers live in real time.
    clock: new FakeClock(Date.now()),
    paths: ["/alpha"],
    config: () => ({ oauth }),
  });
}

async function authorizeUrl(gateway: Harness, extra: Record<string, string> = {}): Promise<URL> {
  const client = await registerClient(gateway);
  const url = new URL("/oauth/authorize", gateway.origin);
  url.search = new URLSearchParams({
    response_type: "code",
    client_id: client.clientId,
    redirect_uri: client.redirectUri,
    code_challenge: CHALLENGE,
    code_challenge_method: "S256",
    ...extra,
  }).toString();
  return url;
}

/** The gateway's consent page says who is signed in. */
async function signInAs(gateway: Harness, user: string) {
  const browser = browserBeyond(gateway);
  const form = await browser.get(await authorizeUrl(gateway, { login_hint: user }));
  const consent = await browser.submit(form, { user });
  assert.equal(consent.url.pathname, "/oauth/setup", consent.html);
  assert.match(consent.html, new RegExp(user));
  return await browser.submit(consent, { decision: "approve" }, {
    stopAt: (url) => url.href.startsWith(REDIRECT_URI),
  });
}

function logto(idp: TestIdentityProvider): OAuthPolicy {
  const { origin, clientId, clientSecret } = idp;
  return mcpLogtoOAuth({ logtoEndpoint: origin, clientId, clientSecret });
}

Deno.test("oidc-provider, laid out as Logto, signs users in through `mcpLogtoOAuth()` with ES384", async () => {
  await using idp = await startIdentityProvider({ redirectUris: [CALLBACK] });
  await using gateway = await gatewayFor(logto(idp));
  for (const user of ["alice", "bob"]) {
    const left = await signInAs(gateway, user);
    assert.ok(left.url.searchParams.has("code"), left.url.href);
  }
  assert.deepEqual([idp.tokenRequests, idp.errors], [2, []]);
  assert.ok(idp.keyRequests >= 1);
  assert.equal(idp.authorizationRequests[0]?.get("code_challenge_method"), "S256");
});

Deno.test("oidc-provider lets a user deny, and nobody is signed in then", async () => {
  await using idp = await startIdentityProvider({ redirectUris: [CALLBACK] });
  await using gateway = await gatewayFor(logto(idp));
  const browser = browserBeyond(gateway);
  const form = await browser.get(await authorizeUrl(gateway));
  const page = await browser.submit(form, { decision: "deny" });
  assert.equal(page.url.pathname, "/oauth/callback");
  assert.equal(page.url.searchParams.get("error"), "access_denied");
  assert.equal(page.status, 403);
  assert.equal(idp.tokenRequests, 0);
});

Deno.test("oidc-provider refuses a redirect URI that is not registered, on a page of its own", async () => {
  await using idp = await startIdentityProvider({ redirectUris: ["https://elsewhere.example/"] });
  await using gateway = await gatewayFor(logto(idp));
  const page = await browserBeyond(gateway).get(await authorizeUrl(gateway));
  assert.equal(page.status, 400);
  assert.deepEqual(page.forms, []);
});

Deno.test("oidc-provider signs with a new key after `rotateKeys()`, and knows its users still", async () => {
  await using idp = await startIdentityProvider({ redirectUris: [CALLBACK], prefix: "", alg: "RS256" });
  await using gateway = await gatewayFor(mcpOAuth(oauthOptionsFor(idp)));
  const kids = async () => {
    const { keys } = await (await fetch(idp.jwksUrl)).json();
    return keys.map((key: { kid: string }) => key.kid);
  };
  const before = await kids();
  await idp.rotateKeys({ keepOld: true });
  const both = await kids();
  assert.deepEqual(both.slice(1), before);
  await idp.rotateKeys();
  const after = await kids();
  assert.equal(after.length, 1);
  assert.ok(!both.includes(after[0]));
  // Begun before a rotation, ended after it.
  const browser = browserBeyond(gateway);
  const form = await browser.get(await authorizeUrl(gateway));
  await idp.rotateKeys();
  assert.equal((await browser.submit(form, { user: "bob" })).url.pathname, "/oauth/setup");
  assert.deepEqual(idp.errors, []);
});

Deno.test("the sloppy provider signs everybody in as johndoe", async () => {
  await using idp = await startSloppyIdentityProvider();
  await using gateway = await gatewayFor(mcpOAuth(oauthOptionsFor(idp)));
  const page = await browserBeyond(gateway).get(await authorizeUrl(gateway));
  assert.equal(page.url.pathname, "/oauth/setup", page.html);
  assert.match(page.html, /johndoe/);
  assert.equal(idp.tokenRequests, 1);
});
