/** The scripted identity provider, with a whole gateway in front: sound it lets users in, and every bend of it is really there. */
import assert from "node:assert/strict";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { mcpOAuth } from "../../mod.ts";
import { FakeClock } from "./fake_clock.ts";
import { startHarness } from "./harness.ts";
import { CHALLENGE, registerClient } from "./oauth_flow.ts";
import {
  type EndpointScript,
  type ProviderScript,
  type ScriptedProviderOptions,
  startScriptedProvider,
} from "./scripted_provider.ts";
import { browserBeyond, oauthOptionsFor } from "./test_provider.ts";

/** Signs in at a provider bent by `script`, and tells where the browser ended and why. */
async function signInWith(script: ProviderScript, options: ScriptedProviderOptions = {}) {
  const clock = new FakeClock();
  await using idp = startScriptedProvider({ clock, script, ...options });
  const base = oauthOptionsFor(idp);
  const browserLogin = { ...base.browserLogin, remoteTimeoutMs: 300 };
  await using gateway = await startHarness({
    clock,
    paths: ["/alpha"],
    config: () => ({ oauth: mcpOAuth({ ...base, browserLogin }) }),
  });
  const { clientId, redirectUri } = await registerClient(gateway);
  const url = new URL("/oauth/authorize", gateway.origin);
  url.search = new URLSearchParams({
    response_type: "code",
    client_id: clientId,
    redirect_uri: redirectUri,
    code_challenge: CHALLENGE,
    code_challenge_method: "S256",
  }).toString();
  const page = await browserBeyond(gateway).get(url);
  const refused = gateway.events.find((event) => event.event === "mcp_auth_login_refused");
  return { path: page.url.pathname, status: page.status, html: page.html, reason: refused?.reasonCode, idp };
}

for (const alg of ["ES256", "RS256"] as const) {
  Deno.test(`the scripted provider, left alone, signs alice in with ${alg}`, async () => {
    const { path, html, idp } = await signInWith({}, { alg });
    assert.equal(path, "/oauth/setup", html);
    assert.match(html, /alice/);
    assert.equal(idp.tokenRequests.length, 1);
    assert.equal(idp.authorizationRequests[0]?.get("code_challenge_method"), "S256");
  });
}

/** With what the log must say, so that the bend that was meant is the one that was refused. */
const REFUSED: Readonly<Record<string, readonly [ProviderScript, RegExp]>> = {
  "alg none": [{ signature: "none" }, /alg/],
  "HS256 with the public key": [{ signature: "hmac-public-key" }, /alg/],
  "HS256 with the client secret": [{ signature: "hmac-client-secret" }, /alg/],
  "a stranger's key under the right id": [{ signature: "other-key" }, /signature/],
  "a stranger's key under its own id": [{ signature: "unknown-key" }, /no_matching_key/],
  "a stranger's key in the header": [{ signature: "embedded-key" }, /no_matching_key/],
  "a broken signature": [{ signature: "broken" }, /signature/],
  "no signature": [{ signature: "stripped" }, /signature/],
  "another alg in the header": [{ header: { alg: "PS256" } }, /no_matching_key/],
  "a critical header": [{ header: { crit: ["b64"], b64: false } }, /id_token/],
  "another issuer": [{ claims: { iss: "https://evil.example" } }, /claim|iss/],
  "another audience": [{ claims: { aud: "other" } }, /claim|aud/],
  "another authorized party": [{ claims: { azp: "other" } }, /authorized_party/],
  "another nonce": [{ claims: { nonce: "other" } }, /nonce/],
  "no nonce": [{ claims: { nonce: undefined } }, /nonce/],
  "no subject": [{ claims: ({ sub: _, ...claims }) => claims }, /claim|sub/],
  "an expired token": [
    { claims: ({ iat, ...claims }) => ({ ...claims, iat, exp: Number(iat) - 1_000 }) },
    /expired/,
  ],
  "no ID token": [{ idToken: null }, /id_token_missing/],
  "an ID token that is none": [{ idToken: "a.b.c" }, /jws_invalid/],
  "an empty key set": [{ keys: "empty" }, /no_matching_key/],
  "a symmetric key": [{ keys: "symmetric" }, /no_matching_key/],
  "a key set of somebody else": [{ keys: "other" }, /signature/],
  "another iss in the response": [
    { authorizationResponse: { iss: "https://evil.example" } },
    /authorization_response/,
  ],
  "a denial": [{ authorizationResponse: { code: undefined, error: "access_denied" } }, /denied/],
  "a token answer that is no JSON": [{ token: { body: "<html>" } }, /malformed/],
  "a refused code": [{ token: { status: 400, body: { error: "invalid_grant" } } }, /code_exchange/],
};

for (const [name, [script, says]] of Object.entries(REFUSED)) {
  Deno.test(`the scripted provider can do this, and nobody is signed in then: ${name}`, async () => {
    const { path, status, reason } = await signInWith(script);
    assert.equal(path, "/oauth/callback");
    // What the browser brought (400), what the provider decided (403), what it answered us (502).
    assert.ok([400, 403, 502].includes(status), String(status));
    assert.match(String(reason), says);
  });
}

Deno.test("the scripted provider can serve the right key without its id, or after 10,000 others", async () => {
  assert.equal((await signInWith({ keys: "without-kid", header: { kid: undefined } })).path, "/oauth/setup");
  // 10,000 keys are more than the gateway reads.
  assert.equal((await signInWith({ keys: "many" })).reason, "provider_keys_unavailable");
});

const ENDPOINTS: Readonly<Record<string, EndpointScript>> = {
  "never answers": { hang: "answer" },
  "stops in the middle": { hang: "body" },
  "answers too late": { delayMs: 600 },
  "redirects": { redirectTo: "http://127.0.0.1:9/elsewhere" },
  "answers 503": { status: 503 },
  "answers a megabyte": { paddingBytes: 1_048_576 },
};

for (const [name, endpoint] of Object.entries(ENDPOINTS)) {
  for (const at of ["token", "jwks"] as const) {
    Deno.test(`the scripted provider's ${at} endpoint ${name}, and nobody is signed in then`, async () => {
      const { path, status, reason } = await signInWith({ [at]: endpoint });
      assert.deepEqual([path, status], ["/oauth/callback", 502], String(reason));
    });
  }
}

Deno.test("the scripted provider bends its discovery document too, which the login can do without", async () => {
  const { path, idp } = await signInWith({ discovery: { status: 500 } });
  assert.equal(path, "/oauth/setup");
  assert.ok(idp.counts.discovery >= 1);
  const other = await signInWith({ metadata: { issuer: "https://evil.example" } });
  assert.equal(other.path, "/oauth/setup");
});

Deno.test("the scripted provider authenticates its client, and takes a code once", async () => {
  await using idp = startScriptedProvider();
  const redirect = "http://127.0.0.1:9000/oauth/callback";
  const query = new URLSearchParams({ client_id: idp.clientId, redirect_uri: redirect });
  const left = await fetch(`${idp.authorizationUrl}?${query}`, { redirect: "manual" });
  await left.body?.cancel();
  const code = new URL(left.headers.get("location") ?? "").searchParams.get("code") ?? "";
  const exchange = async (secret: string) => {
    const body = new URLSearchParams({
      grant_type: "authorization_code",
      code,
      redirect_uri: redirect,
      client_id: idp.clientId,
      client_secret: secret,
    });
    const response = await fetch(idp.tokenUrl, { method: "POST", body });
    return { status: response.status, answer: await response.json() };
  };
  assert.equal((await exchange("wrong")).status, 401);
  const { status, answer } = await exchange(idp.clientSecret);
  assert.equal(status, 200);
  assert.equal(decodeJwt(answer.id_token).sub, "alice");
  assert.equal((await exchange(idp.clientSecret)).status, 400);
});

Deno.test("the scripted provider signs other tokens, and rotates its key", async () => {
  await using idp = startScriptedProvider();
  const kidOf = () => decodeProtectedHeader(idp.sign({ sub: "bob" })).kid;
  const before = kidOf();
  idp.rotateKeys();
  const after = kidOf();
  assert.notEqual(after, before);
  const { keys } = await (await fetch(idp.jwksUrl)).json();
  assert.deepEqual(keys.map((key: { kid: string }) => key.kid), [after]);
});
