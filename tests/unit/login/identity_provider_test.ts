/** The gateway as a relying party, below the router: its request, what it believes of an answer, and how it fails. */
import assert from "node:assert/strict";
import { IdentityProvider } from "../../../lib/login/identity_provider.ts";
import { LoginError } from "../../../lib/login/login_error.ts";
import type { OidcSettings } from "../../../lib/login/oidc_settings.ts";
import { Secret } from "../../../lib/runtime/secret.ts";
import type { LoginRecord } from "../../../lib/store/schema.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { CHALLENGE, VERIFIER } from "../../support/oauth_flow.ts";
import { type ProviderScript, startScriptedProvider } from "../../support/scripted_provider.ts";

const REDIRECT = "https://gw.test/oauth/callback";
const LOGIN: LoginRecord = {
  loginId: "login",
  browserHash: "hash",
  csrfToken: "csrf",
  returnTo: "/account",
  loginHint: null,
  origin: "https://gw.test",
  nonce: "nonce-0",
  codeVerifier: VERIFIER,
  expiresAt: 0,
};

function scene(script: ProviderScript = {}, changes: Partial<OidcSettings> = {}) {
  const clock = new FakeClock();
  const idp = startScriptedProvider({ clock, script });
  const settings: OidcSettings = {
    issuer: idp.issuer,
    jwksUrl: idp.jwksUrl,
    idTokenAudience: idp.clientId,
    authorizationUrl: idp.authorizationUrl,
    tokenUrl: idp.tokenUrl,
    clientId: idp.clientId,
    clientSecret: new Secret(idp.clientSecret),
    scope: "openid",
    audience: null,
    pkce: "S256",
    remoteTimeoutMs: 1_000,
    authorizationParameters: [],
    tokenEndpointAuthMethod: null,
    identitySource: { kind: "id_token" },
    ...changes,
  };
  const provider = new IdentityProvider(settings, { clock });
  const request = { loginId: "login-0", redirectUri: REDIRECT, prompt: null };
  return {
    idp,
    clock,
    provider,
    request,
    /** From the request to the answer's parameters. */
    async answer(login: LoginRecord = LOGIN) {
      const response = await fetch(await provider.authorizationUrl(login, request), { redirect: "manual" });
      await response.body?.cancel();
      return new URL(response.headers.get("location") ?? "").searchParams;
    },
    [Symbol.asyncDispose]: () => idp.close(),
  };
}

async function failure(promise: Promise<unknown>): Promise<[string, string]> {
  const error = await promise.then(() => null, (thrown) => thrown);
  assert.ok(error instanceof LoginError, String(error));
  return [error.kind, error.reason];
}

Deno.test("`authorizationUrl()` keeps the configured query and adds the request's own", async () => {
  await using stage = scene({}, {
    authorizationUrl: "https://idp.test/authorize?tenant=a&prompt=none",
    audience: "https://api.test",
  });
  const login = { ...LOGIN, loginHint: "a&b=c" };
  const url = new URL(await stage.provider.authorizationUrl(login, { ...stage.request, prompt: "login" }));
  assert.deepEqual(Object.fromEntries(url.searchParams), {
    tenant: "a",
    prompt: "login",
    response_type: "code",
    client_id: stage.idp.clientId,
    redirect_uri: REDIRECT,
    scope: "openid",
    state: "login-0",
    nonce: "nonce-0",
    code_challenge: CHALLENGE,
    code_challenge_method: "S256",
    audience: "https://api.test",
    login_hint: "a&b=c",
  });
});

Deno.test("`signIn()` returns who it is, with the assertion and the refresh token", async () => {
  await using stage = scene({ tokenResponse: { refresh_token: "refresh" } });
  const response = await stage.provider.checkResponse(await stage.answer(), "login-0");
  const signedIn = await stage.provider.signIn(response, LOGIN, REDIRECT);
  assert.equal(signedIn.identity.subject, "alice");
  assert.equal(signedIn.refreshToken, "refresh");
  assert.equal(signedIn.idToken?.split(".").length, 3);
  assert.equal(signedIn.claims.nonce, "nonce-0");
});

Deno.test("`checkResponse()` tells no, not now and forged apart (B7 107, 109)", async () => {
  await using stage = scene();
  const right = await stage.answer();
  const check = (change: (params: URLSearchParams) => void) => {
    const params = new URLSearchParams(right);
    change(params);
    return failure(stage.provider.checkResponse(params, "login-0"));
  };
  const error = (name: string) => (params: URLSearchParams) => {
    params.delete("code");
    params.set("error", name);
  };
  assert.deepEqual(await check(error("access_denied")), ["denied", "provider_denied"]);
  assert.deepEqual(await check(error("login_required")), ["denied", "provider_denied"]);
  assert.deepEqual(await check(error("server_error")), ["unavailable", "provider_error"]);
  assert.deepEqual(await check(error("temporarily_unavailable")), ["unavailable", "provider_error"]);
  const forged = "authorization_response_refused";
  for (
    const change of [
      (params: URLSearchParams) => params.set("iss", "https://evil.test"),
      (params: URLSearchParams) => params.delete("iss"),
      (params: URLSearchParams) => params.append("iss", params.get("iss") ?? ""),
      (params: URLSearchParams) => params.set("state", "another"),
      (params: URLSearchParams) => params.delete("state"),
      (params: URLSearchParams) => params.set("response", "jarm"),
    ]
  ) assert.deepEqual(await check(change), ["forged", forged]);
  const codeless = ["forged", "authorization_response_without_code"];
  assert.deepEqual(await check((params) => params.delete("code")), codeless);
  assert.deepEqual(await check((params) => params.set("code", "")), codeless);
  assert.deepEqual(await check((params) => params.append("code", "b")), codeless);
  assert.equal(stage.idp.tokenRequests.length, 0);
});

Deno.test("a provider that does not send `iss`, and does not say so, need not send it; a wrong one counts all the same", async () => {
  await using stage = scene({
    metadata: { authorization_response_iss_parameter_supported: undefined },
    authorizationResponse: { iss: undefined },
  });
  const params = await stage.answer();
  assert.equal(params.get("iss"), null);
  await stage.provider.checkResponse(params, "login-0");
  params.set("iss", "https://evil.test");
  assert.equal((await failure(stage.provider.checkResponse(params, "login-0")))[0], "forged");
});

Deno.test("`signIn()` says whether the provider is gone, or not to be believed", async () => {
  for (
    const [script, kind, reason] of [
      [{ token: { hang: "answer" } }, "unavailable", "provider_unreachable"],
      [{ token: { hang: "body" } }, "unavailable", "provider_unreachable"],
      [{ token: { redirectTo: "http://127.0.0.1:9/" } }, "unavailable", "provider_unreachable"],
      [{ token: { paddingBytes: 262_144 } }, "unavailable", "provider_unreachable"],
      [{ token: { status: 503 } }, "unavailable", "provider_error"],
      [{ token: { status: 429 } }, "unavailable", "provider_error"],
      [{ token: { status: 400 } }, "refused", "code_exchange_refused"],
      [{ token: { status: 201 } }, "refused", "code_exchange_refused"],
      [{ token: { body: "null" } }, "refused", "token_response_malformed"],
      [{ token: { body: "<html>" } }, "refused", "token_response_malformed"],
      [{ idToken: null }, "refused", "id_token_missing"],
      [{ signature: "broken" }, "refused", "id_token_err_jws_signature_verification_failed"],
      [{ jwks: { status: 500 } }, "unavailable", "provider_keys_unavailable"],
    ] as const
  ) {
    await using stage = scene(script);
    const response = await stage.provider.checkResponse(await stage.answer(), "login-0");
    assert.deepEqual(await failure(stage.provider.signIn(response, LOGIN, REDIRECT)), [kind, reason]);
  }
});

Deno.test("what the provider said, and our secret, are in no error's text (B16 254)", async () => {
  await using stage = scene({
    token: { status: 400, body: { error: "invalid_grant", error_description: "theirs-canary" } },
  });
  const response = await stage.provider.checkResponse(await stage.answer(), "login-0");
  const error: unknown = await stage.provider.signIn(response, LOGIN, REDIRECT).catch((thrown) => thrown);
  const text = `${error} ${JSON.stringify(error)} ${Deno.inspect(error)} ${Deno.inspect(stage.provider)}`;
  assert.doesNotMatch(text, /theirs-canary/);
  assert.ok(!text.includes(stage.idp.clientSecret) && !text.includes(VERIFIER));
});

Deno.test("after five silences nobody is sent to wait, and a single login cannot cause that (B17 266)", async () => {
  await using stage = scene({ token: { hang: "answer" } });
  const attempt = async () =>
    await failure(
      stage.provider.signIn(
        await stage.provider.checkResponse(await stage.answer(), "login-0"),
        LOGIN,
        REDIRECT,
      ),
    );
  await Promise.all(
    Array.from({ length: 5 }, async () => assert.equal((await attempt())[1], "provider_unreachable")),
  );
  const started = performance.now();
  assert.deepEqual(await attempt(), ["unavailable", "provider_not_asked"]);
  assert.ok(performance.now() - started < 800);
  stage.clock.advance({ seconds: 5 });
  stage.idp.script = { token: { status: 500 } };
  for (let time = 0; time < 10; time++) assert.equal((await attempt())[1], "provider_error");
});

Deno.test("`endSessionUrl()` adds to the endpoint's own query, or says that there is none", async () => {
  await using stage = scene({ metadata: { end_session_endpoint: "https://idp.test/end?x=1" } });
  const url = new URL(await stage.provider.endSessionUrl("https://gw.test/") ?? "");
  assert.deepEqual(Object.fromEntries(url.searchParams), {
    x: "1",
    client_id: stage.idp.clientId,
    post_logout_redirect_uri: "https://gw.test/",
  });
  await using other = scene();
  assert.equal(await other.provider.endSessionUrl("https://gw.test/"), null);
});
