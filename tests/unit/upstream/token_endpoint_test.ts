/** Requests to token endpoints, each authentication as its RFC says, and what answers are worth. */
import assert from "node:assert/strict";
import { decodeJwt, decodeProtectedHeader } from "jose";
import {
  checkAuthorizationResponse,
  exchangeCode,
  refreshTokens,
  revokeToken,
  TokenRefusedError,
} from "../../../lib/upstream/token_endpoint.ts";
import type { UpstreamClient } from "../../../lib/store/upstream_schema.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import {
  CALLBACK,
  CLIENT,
  connectRecord,
  ISSUER,
  network,
  server,
  tokenEndpoint,
  UPSTREAM,
} from "./stage.ts";

const good = { access_token: "token", token_type: "Bearer" };
const clock = new FakeClock();

/** Refreshes once against `answer`. */
async function refreshed(
  answer: () => Response,
  client: UpstreamClient = CLIENT,
  changes: { readonly resource?: string | null; readonly scope?: readonly string[] | null } = {},
) {
  const net = network(answer);
  const { resource = UPSTREAM, scope = null } = changes;
  const tokens = await refreshTokens(tokenEndpoint(net, clock), {
    server: server(),
    client,
    resource,
    refreshToken: "refresh",
    scope,
  });
  return { tokens, sent: net.sent[0] };
}

Deno.test("a code goes out once, with verifier, redirect URI and the exact resource (UP-11)", async () => {
  const net = network(() => Response.json({ ...good, expires_in: 60, refresh_token: "next", scope: "a" }));
  const record = connectRecord({ resource: "https://up.test" });
  const response = checkAuthorizationResponse(
    new URLSearchParams({ code: "c", state: "s", iss: ISSUER }),
    record,
    "s",
  );
  const tokens = await exchangeCode(tokenEndpoint(net, clock), record, response);
  assert.deepEqual(tokens, { accessToken: "token", refreshToken: "next", scope: ["a"], expiresIn: 60 });
  assert.deepEqual(net.urls(), [`${ISSUER}/token`]);
  assert.deepEqual(Object.fromEntries(net.sent[0]?.form ?? []), {
    grant_type: "authorization_code",
    code: "c",
    redirect_uri: CALLBACK,
    code_verifier: record.codeVerifier,
    client_id: "client",
    resource: "https://up.test",
  });
});

Deno.test("a refresh names the resource, or nothing where there is none (UP-11)", async () => {
  const { sent } = await refreshed(() => Response.json(good));
  assert.deepEqual([sent?.form.get("grant_type"), sent?.form.get("resource")], ["refresh_token", UPSTREAM]);
  assert.equal(
    (await refreshed(() => Response.json(good), CLIENT, { resource: null })).sent?.form.has("resource"),
    false,
  );
});

Deno.test("an ID token in the answer, of whatever kind, costs nobody the tokens: it is for users' logins, and nobody reads it (UP-18)", async () => {
  const part = (value: unknown) => btoa(JSON.stringify(value)).replaceAll("=", "");
  const idTokens = [
    // Signed as the metadata does not say, of an issuer that it spells otherwise, over by now.
    `${part({ alg: "ES384" })}.${part({ iss: `${ISSUER}/`, aud: "x", sub: "s", iat: 1, exp: 2 })}.c2ln`,
    // Encrypted.
    `${part({ alg: "RSA-OAEP", enc: "A256GCM" })}.a.b.c.d`,
    "",
    null,
  ];
  for (const idToken of idTokens) {
    const answer = () => Response.json({ ...good, refresh_token: "next", id_token: idToken });
    const { tokens } = await refreshed(answer);
    assert.deepEqual([tokens.accessToken, tokens.refreshToken], ["token", "next"]);
    const net = network(answer);
    const params = new URLSearchParams({ code: "c", state: "s", iss: ISSUER });
    const response = checkAuthorizationResponse(params, connectRecord(), "s");
    const first = await exchangeCode(tokenEndpoint(net, clock), connectRecord(), response);
    assert.equal(first.refreshToken, "next");
  }
});

Deno.test("members that are null are members that are not there (UP-18)", async () => {
  const { tokens } = await refreshed(() =>
    Response.json({ ...good, refresh_token: null, scope: null, expires_in: null, id_token: null })
  );
  assert.deepEqual(tokens, { accessToken: "token", refreshToken: null, scope: null, expiresIn: null });
});

Deno.test("Basic, post, none and private_key_jwt, each alone and in its form (UP-21)", async () => {
  const clientId = "client:id/ü";
  const clientSecret = "s+c %r:t";
  const as = async (authMethod: UpstreamClient["authMethod"]) =>
    (await refreshed(() => Response.json(good), { clientId, clientSecret, authMethod })).sent;
  const basic = await as("client_secret_basic");
  // RFC 6749 §2.3.1: both parts are form-encoded first.
  assert.equal(basic?.headers.get("authorization"), `Basic ${btoa("client%3Aid%2F%C3%BC:s%2Bc+%25r%3At")}`);
  assert.deepEqual([basic?.form.get("client_secret"), basic?.form.get("client_id")], [null, null]);
  const post = await as("client_secret_post");
  assert.deepEqual([post?.form.get("client_id"), post?.form.get("client_secret")], [clientId, clientSecret]);
  assert.equal(post?.headers.get("authorization"), null);
  const none = await as("none");
  assert.deepEqual([none?.form.get("client_id"), none?.form.has("client_secret")], [clientId, false]);
  const signed = await as("private_key_jwt");
  const assertion = signed?.form.get("client_assertion") ?? "";
  assert.deepEqual(decodeProtectedHeader(assertion), { alg: "ES256", kid: "kid" });
  const claims = decodeJwt(assertion);
  assert.deepEqual([claims.iss, claims.sub, claims.aud], [clientId, clientId, ISSUER]);
  assert.ok(typeof claims.jti === "string" && Number(claims.exp) - Number(claims.iat) <= 300);
  assert.deepEqual([signed?.form.has("client_secret"), signed?.headers.get("authorization")], [false, null]);
});

Deno.test("`iss` by the recorded server: required where it is announced, right where it is sent, on errors too (UP-14)", () => {
  const check = (params: Record<string, string>, sendsIss = true) =>
    checkAuthorizationResponse(
      new URLSearchParams(params),
      connectRecord({ server: server({ sendsIss }) }),
      "s",
    );
  const forged = { kind: "forged" };
  assert.ok(check({ code: "c", state: "s", iss: ISSUER }));
  assert.ok(check({ code: "c", state: "s" }, false));
  assert.ok(check({ code: "c", state: "s", iss: ISSUER }, false));
  assert.throws(() => check({ code: "c", state: "s" }), forged);
  for (const iss of [`${ISSUER}/`, "https://evil.test", ""]) {
    assert.throws(() => check({ code: "c", state: "s", iss }), forged);
    assert.throws(() => check({ code: "c", state: "s", iss }, false), forged);
    assert.throws(() => check({ error: "access_denied", state: "s", iss }), forged);
  }
  const answers = [
    ["access_denied", "denied", "upstream_access_denied"],
    ["consent_required", "denied", "upstream_consent_required"],
    ["server_error", "unavailable", "upstream_server_error"],
    ["invalid_scope", "refused", "upstream_invalid_scope"],
    ["constructor", "denied", "upstream_constructor"],
    ["<b>call us</b>", "denied", "upstream_denied"],
  ] as const;
  for (const [error, kind, reason] of answers) {
    assert.throws(() => check({ error, state: "s", iss: ISSUER }), { kind, reason });
  }
  for (const state of ["", "x"]) assert.throws(() => check({ code: "c", state, iss: ISSUER }), forged);
  const twice = new URLSearchParams({ code: "c", state: "s", iss: ISSUER });
  twice.append("iss", ISSUER);
  assert.throws(() => checkAuthorizationResponse(twice, connectRecord(), "s"), forged);
});

Deno.test("what could not go into a header is no token; lifetimes and scopes are kept within what is sane and asked (B14 234)", async () => {
  for (const access_token of ["a b", "a\r\nb", "", "ü", "x".repeat(16_385)]) {
    await assert.rejects(refreshed(() => Response.json({ ...good, access_token })), { kind: "refused" });
  }
  assert.equal(
    (await refreshed(() => Response.json({ ...good, access_token: "x".repeat(16_384) }))).tokens.accessToken
      .length,
    16_384,
  );
  assert.equal(
    (await refreshed(() => Response.json({ ...good, expires_in: 1e12 }))).tokens.expiresIn,
    366 * 86_400,
  );
  assert.equal((await refreshed(() => Response.json(good))).tokens.expiresIn, null);
  const scoped = () => Response.json({ ...good, scope: "a,b c" });
  assert.deepEqual((await refreshed(scoped)).tokens.scope, ["a", "b", "c"]);
  assert.deepEqual((await refreshed(scoped, CLIENT, { scope: ["a", "x"] })).tokens.scope, ["a"]);
  assert.equal((await refreshed(() => Response.json(good), CLIENT, { scope: ["a"] })).tokens.scope, null);
});

Deno.test("the server's own refusal is told by its code; everything else is an outage or an answer that is none (UP-18)", async () => {
  for (
    const [status, body] of [[400, { error: "invalid_grant" }], [401, { error: "invalid_client" }]] as const
  ) {
    await assert.rejects(refreshed(() => Response.json(body, { status })), (error: Error) => {
      assert.ok(error instanceof TokenRefusedError);
      assert.equal(error.code, body.error);
      return true;
    });
  }
  const challenged = () =>
    Response.json({ error: "invalid_client" }, { status: 401, headers: { "www-authenticate": "Basic" } });
  await assert.rejects(refreshed(challenged), { name: "TokenRefusedError", code: "invalid_client" });
  for (const status of [429, 500, 503]) {
    await assert.rejects(refreshed(() => Response.json({ error: "invalid_grant" }, { status })), {
      kind: "unavailable",
    });
  }
  assert.equal(new TokenRefusedError('x"\r\n').code, "malformed");
  assert.equal(new TokenRefusedError("temporarily_unavailable").code, "temporarily_unavailable");
});

Deno.test("revoking is asked for where it can be, and its failure is nobody's (UP-22)", async () => {
  const revoke = async (
    answer: () => Response | Promise<Response>,
    revocationEndpoint: string | null = `${ISSUER}/revoke`,
  ) => {
    const net = network(answer);
    const done = await revokeToken(tokenEndpoint(net, clock), {
      server: server({ revocationEndpoint }),
      client: CLIENT,
    }, "refresh");
    return { done, sent: net.sent };
  };
  const { done, sent } = await revoke(() => new Response(null));
  assert.deepEqual([done, sent[0]?.url, sent[0]?.form.get("token")], [true, `${ISSUER}/revoke`, "refresh"]);
  assert.equal((await revoke(() => new Response(null, { status: 503 }))).done, false);
  assert.equal((await revoke(() => Promise.reject(new TypeError("down")))).done, false);
  const nowhere = await revoke(() => new Response(null), null);
  assert.deepEqual([nowhere.done, nowhere.sent.length], [false, 0]);
});
