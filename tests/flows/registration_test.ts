/** Dynamic client registration (RFC 7591, RFC 7592) as real clients use it. */
import assert from "node:assert/strict";
import {
  authorizeUrl,
  obtainCode,
  obtainTokens,
  postForm,
  postJson,
  redeem,
  redemption,
  refresh,
  registerClient,
} from "../support/oauth_flow.ts";
import { assertOAuthError, assertPage400 } from "../security/answers.ts";
import { watchedGateway } from "../security/watched_gateway.ts";

const redirect_uris = ["https://client.example/callback"];

Deno.test("a minimal registration is answered in full and without empty members (AS-44, AS-45)", async () => {
  await using gateway = await watchedGateway();
  const response = await postJson(gateway, "/oauth/register", { redirect_uris });
  assert.equal(response.status, 201);
  assert.equal(response.headers.get("cache-control"), "no-store");
  const registration = await response.json();
  assert.deepEqual(registration.redirect_uris, redirect_uris);
  assert.deepEqual(registration.grant_types, ["authorization_code", "refresh_token"]);
  assert.deepEqual(registration.response_types, ["code"]);
  assert.equal(registration.token_endpoint_auth_method, "client_secret_basic");
  assert.equal(registration.client_secret_expires_at, 0);
  assert.equal(registration.client_id_issued_at, Math.floor(gateway.clock.now() / 1000));
  for (const [name, value] of Object.entries(registration)) {
    assert.ok(value !== null && value !== "" && !(Array.isArray(value) && value.length === 0), name);
  }
  const open = await registerClient(gateway);
  assert.equal("client_secret" in open.registration, false);
  assert.equal("client_secret_expires_at" in open.registration, false);
});

Deno.test("registration errors are the RFC's, and unknown members and scopes are no errors (AS-46)", async () => {
  await using gateway = await watchedGateway();
  const before = await gateway.contents();
  const refused: [unknown, string][] = [
    [{}, "invalid_redirect_uri"],
    [{ redirect_uris: [] }, "invalid_redirect_uri"],
    [{ redirect_uris: ["http://evil.test/cb"] }, "invalid_redirect_uri"],
    [{ redirect_uris, grant_types: ["implicit"] }, "invalid_client_metadata"],
    [{ redirect_uris, response_types: ["token"] }, "invalid_client_metadata"],
    [{ redirect_uris, token_endpoint_auth_method: "client_secret_jwt" }, "invalid_client_metadata"],
    [[], "invalid_client_metadata"],
    ["text", "invalid_client_metadata"],
  ];
  for (const [body, error] of refused) {
    await assertOAuthError(await postJson(gateway, "/oauth/register", body), error, {
      what: JSON.stringify(body),
    });
  }
  assert.deepEqual(await gateway.contents(), before);
  const client = await registerClient(gateway, {
    resource: "https://elsewhere.example",
    foo: { bar: 1 },
    scope: "openid unknown",
    client_uri: "",
    contacts: null,
  });
  assert.equal("foo" in client.registration, false);
  const tokens = await obtainTokens(gateway, client, { changes: { scope: "mcp:tools" } });
  assert.equal(tokens.scope, "mcp:tools", "what was registered as scope limits nothing");
});

Deno.test("redirect schemes: https, loopback http, and the native ones on the list (AS-19, AS-47)", async () => {
  await using gateway = await watchedGateway();
  for (
    const uri of [
      "cursor://anysphere.cursor-mcp/oauth/callback",
      "https://www.cursor.com/agents/mcp/oauth/callback",
      "http://localhost:8787/callback",
      "http://127.0.0.1:33418/",
      "http://[::1]:3000/cb",
      "vscode://vscode.github-authentication/did-authenticate",
      "https://claude.ai/api/mcp/auth_callback",
    ]
  ) {
    for (const application_type of ["native", "web", undefined]) {
      await registerClient(gateway, { redirect_uris: [uri], application_type });
    }
  }
  gateway.clock.advance({ seconds: 61 });
  for (
    const uri of [
      "javascript:alert(1)",
      "JavaScript://client.example/%0aalert(1)",
      "data:text/html,x",
      "file:///etc/passwd",
      "blob:https://client.example/x",
      "vbscript:x",
      "about:blank",
      "evil://cb",
      "http://client.example/cb",
      "https://user:password@client.example/cb",
      "https://client.example/cb#fragment",
      `${gateway.origin}/oauth/callback`,
    ]
  ) {
    const response = await postJson(gateway, "/oauth/register", { redirect_uris: [uri] });
    await assertOAuthError(response, "invalid_redirect_uri", { what: uri });
  }
});

Deno.test("a client that stated no method may come with its secret or with PKCE alone (AS-48)", async () => {
  await using gateway = await watchedGateway();
  const silent = await registerClient(gateway, { token_endpoint_auth_method: undefined });
  assert.ok(silent.clientSecret);
  const withSecret = await redeem(gateway, silent, await obtainCode(gateway, silent));
  assert.equal(withSecret.status, 200);
  const code = await obtainCode(gateway, silent);
  const form = redemption(silent, code, { client_secret: null });
  assert.equal((await postForm(gateway, "/oauth/token", form)).status, 200);
  const wrong = await redeem(gateway, silent, await obtainCode(gateway, silent), { client_secret: "wrong" });
  await assertOAuthError(wrong, "invalid_client", { status: 401 });
});

Deno.test("registrations are limited by address, and expire when they are not used (AS-49)", async () => {
  await using gateway = await watchedGateway();
  const post = (peer: string) =>
    gateway.fetch("/oauth/register", {
      method: "POST",
      body: JSON.stringify({ redirect_uris, token_endpoint_auth_method: "none" }),
      headers: { "content-type": "application/json", "x-forwarded-for": crypto.randomUUID() },
      peer,
    });
  const statuses: number[] = [];
  for (let count = 0; count < 100; count++) statuses.push((await post("203.0.113.9")).status);
  assert.deepEqual(statuses, [...Array(60).fill(201), ...Array(40).fill(429)]);
  assert.ok(Number((await post("203.0.113.9")).headers.get("retry-after")) > 0);
  assert.equal((await post("203.0.113.10")).status, 201);
  gateway.clock.advance({ seconds: 61 });
  const used = await registerClient(gateway);
  const unused = await registerClient(gateway, { client_name: "Never used" });
  const first = await obtainTokens(gateway, used);
  gateway.clock.advance({ days: 29 });
  const second = await (await refresh(gateway, used, first.refresh_token)).json();
  gateway.clock.advance({ days: 29 });
  await (await refresh(gateway, used, second.refresh_token)).body?.cancel();
  gateway.clock.advance({ days: 33 });
  assert.equal((await gateway.fetch(authorizeUrl(gateway, used))).status, 303);
  await assertPage400(await gateway.fetch(authorizeUrl(gateway, unused)));
});

Deno.test("a registration is read and deleted with its own token only (AS-50)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const other = await registerClient(gateway, { client_name: "Another" });
  const uri = String(client.registration.registration_client_uri);
  assert.equal(new URL(uri).origin, gateway.origin);
  const authorization = `Bearer ${client.registration.registration_access_token}`;
  const foreign = `Bearer ${other.registration.registration_access_token}`;
  for (const method of ["GET", "DELETE"]) {
    const bare = await gateway.fetch(uri, { method });
    await assertOAuthError(bare, "invalid_token", { status: 401 });
    const wrong = await gateway.fetch(uri, { method, headers: { authorization: foreign } });
    await assertOAuthError(wrong, "invalid_token", { status: 401 });
    const unknown = await gateway.fetch(`${uri}x`, { method, headers: { authorization } });
    await assertOAuthError(unknown, "invalid_token", { status: 401 });
  }
  const read = await gateway.fetch(uri, { headers: { authorization } });
  assert.equal(read.status, 200);
  assert.equal((await read.json()).client_id, client.clientId);
  assert.equal((await gateway.fetch(uri, { method: "DELETE", headers: { authorization } })).status, 204);
  await assertOAuthError(await gateway.fetch(uri, { headers: { authorization } }), "invalid_token", {
    status: 401,
  });
});

Deno.test("a client that is gone is told so as it can understand it (AS-51)", async () => {
  await using gateway = await watchedGateway();
  const client = { ...await registerClient(gateway), clientId: "gone" };
  await assertOAuthError(await redeem(gateway, client, "ac_x"), "invalid_client", { status: 401 });
  await assertOAuthError(await refresh(gateway, client, "rt_x"), "invalid_client", { status: 401 });
  const page = await assertPage400(await gateway.fetch(authorizeUrl(gateway, client)));
  assert.match(page, /remove the server and add it again/);
});
