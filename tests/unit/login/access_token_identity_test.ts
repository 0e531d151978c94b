/** Sign-in at a provider without ID tokens: what its access token has to say, and what a login sends there. */
import assert from "node:assert/strict";
import { createLocalJWKSet, exportJWK, generateKeyPair, SignJWT } from "jose";
import { verifyAccessTokenIdentity } from "../../../lib/login/access_token_identity.ts";
import { IdentityProvider } from "../../../lib/login/identity_provider.ts";
import { Secret } from "../../../lib/runtime/secret.ts";
import type { LoginRecord } from "../../../lib/store/schema.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { startScriptedProvider } from "../../support/scripted_provider.ts";

const ISSUER = "https://api.workos.test/user_management/client_1";
const ISSUERS = [ISSUER, "https://api.workos.test"];
const USER = {
  id: "user_1",
  email: "ada@example.test",
  email_verified: true,
  first_name: "Ada",
  last_name: "L.",
};

const clock = new FakeClock();
const { privateKey, publicKey } = await generateKeyPair("RS256");
const keys = createLocalJWKSet({ keys: [{ ...await exportJWK(publicKey), alg: "RS256", kid: "1" }] });

async function accessToken(changes: Record<string, unknown> = {}): Promise<string> {
  const now = Math.floor(clock.now() / 1000);
  const claims = { iss: ISSUER, sub: "user_1", sid: "session_1", iat: now, exp: now + 300, ...changes };
  return await new SignJWT(claims).setProtectedHeader({ alg: "RS256", kid: "1" }).sign(privateKey);
}

const verify = (answer: Record<string, unknown>) =>
  verifyAccessTokenIdentity(answer, keys, { issuer: ISSUER, issuers: ISSUERS, clock });

Deno.test("a signed access token and its profile name the user under the login's own issuer (AS-65)", async () => {
  for (const iss of ISSUERS) {
    const { identity } = await verify({ access_token: await accessToken({ iss }), user: USER });
    assert.deepEqual(identity, {
      issuer: ISSUER,
      subject: "user_1",
      name: "Ada L.",
      email: "ada@example.test",
      emailVerified: true,
    });
  }
  const { identity } = await verify({
    access_token: await accessToken(),
    user: { id: "user_1", email_verified: null },
  });
  assert.deepEqual([identity.name, identity.email, identity.emailVerified], [null, null, false]);
});

Deno.test("an access token that is not for this user, this issuer or this moment signs nobody in (B7 113, 115, 116)", async () => {
  const now = Math.floor(clock.now() / 1000);
  const refused: [string, Record<string, unknown>][] = [
    ["access_token_missing", { user: USER }],
    ["access_token_profile_differs", { access_token: await accessToken() }],
    ["access_token_profile_differs", { access_token: await accessToken(), user: { ...USER, id: "user_2" } }],
    ["access_token_impersonated", { access_token: await accessToken({ act: { sub: "admin" } }), user: USER }],
    ["access_token_impersonated", {
      access_token: await accessToken(),
      user: USER,
      impersonator: { email: "x" },
    }],
    ["id_token_err_jwt_claim_validation_failed_iss", {
      access_token: await accessToken({ iss: "https://evil.test" }),
      user: USER,
    }],
    ["id_token_err_jwt_expired", { access_token: await accessToken({ exp: now - 61 }), user: USER }],
    ["id_token_err_jwt_claim_validation_failed_iat", {
      access_token: await accessToken({ iat: now + 3600 }),
      user: USER,
    }],
    ["id_token_subject_malformed", { access_token: await accessToken({ sub: "" }), user: USER }],
    ["id_token_err_jws_signature_verification_failed", {
      access_token: `${(await accessToken()).slice(0, -4)}AAAA`,
      user: USER,
    }],
  ];
  for (const [reason, answer] of refused) await assert.rejects(() => verify(answer), { reason }, reason);
});

Deno.test("the login sends the provider's own parameters, and its credentials in the body", async () => {
  await using provider = startScriptedProvider();
  const relyingParty = new IdentityProvider({
    issuer: provider.issuer,
    jwksUrl: provider.jwksUrl,
    idTokenAudience: provider.clientId,
    authorizationUrl: provider.authorizationUrl,
    tokenUrl: provider.tokenUrl,
    clientId: provider.clientId,
    clientSecret: new Secret(provider.clientSecret),
    scope: "openid profile email",
    audience: null,
    pkce: "S256",
    remoteTimeoutMs: 5_000,
    authorizationParameters: [["provider", "authkit"]],
    tokenEndpointAuthMethod: "client_secret_post",
    identitySource: { kind: "access_token", issuers: [provider.issuer] },
  }, { clock: { now: () => Date.now() } });
  const login: LoginRecord = {
    loginId: "login",
    browserHash: "",
    csrfToken: "",
    returnTo: "/",
    loginHint: null,
    origin: "http://127.0.0.1:9000",
    nonce: "nonce",
    codeVerifier: "verifier-0123456789-0123456789-0123456789-abc",
    expiresAt: Number.MAX_SAFE_INTEGER,
  };
  const redirectUri = "http://127.0.0.1:9000/oauth/callback";
  const url = await relyingParty.authorizationUrl(login, { loginId: "state-1", redirectUri, prompt: null });
  assert.equal(new URL(url).searchParams.get("provider"), "authkit");
  const answer = await fetch(url, { redirect: "manual" });
  await answer.body?.cancel();
  const params = new URL(answer.headers.get("location") ?? "").searchParams;

  const now = Math.floor(Date.now() / 1000);
  const access_token = provider.sign({ iss: provider.issuer, sub: "user_1", iat: now, exp: now + 300 });
  provider.script = { idToken: null, tokenResponse: { access_token, user: USER } };
  const response = await relyingParty.checkResponse(params, "state-1");
  const signedIn = await relyingParty.signIn(response, login, redirectUri);
  assert.equal(signedIn.identity.subject, "user_1");
  assert.equal(signedIn.idToken, null);
  const [request] = provider.tokenRequests;
  assert.equal(request?.headers.get("authorization"), null);
  assert.equal(request?.params.get("client_secret"), provider.clientSecret);
});
