/** Attack corpus B12: bearer tokens at the routes. Access tokens are opaque here, so cases about JWTs have their opaque equivalent. */
import assert from "node:assert/strict";
import { tokenId } from "../../lib/crypto/secret_token.ts";
import { createServices } from "../../lib/services.ts";
import { accessTokens } from "../../lib/store/schema.ts";
import { callMcp, obtainCode, obtainTokens, registerClient } from "../support/oauth_flow.ts";
import { rawRequest, serveHarness } from "../support/raw_http.ts";
import { newKeyRing } from "../support/services.ts";
import { assertChallenge, plantToken } from "./answers.ts";
import { watchedGateway } from "./watched_gateway.ts";

Deno.test("without a token the challenge is bare and names this route's metadata (B12 176, RS-04)", async () => {
  await using gateway = await watchedGateway();
  for (const path of ["/alpha", "/beta"]) {
    const header = await assertChallenge(await callMcp(gateway, path, null), gateway.origin + path, null);
    assert.equal(
      header,
      `Bearer resource_metadata="${gateway.origin}/.well-known/oauth-protected-resource${path}", scope="mcp:tools"`,
    );
  }
  assert.equal(gateway.upstreamRequests.length, 0);
});

Deno.test("a token counts in the Authorization header only (B12 177, RS-09)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const { access_token } = await obtainTokens(gateway, client);
  const url = `${gateway.origin}/alpha`;
  const inQuery = `/alpha?access_token=${access_token}`;
  await assertChallenge(await callMcp(gateway, inQuery, null), url, null);
  const twice = await callMcp(gateway, inQuery, access_token);
  assert.equal(twice.status, 400);
  assert.match(twice.headers.get("www-authenticate") ?? "", /error="invalid_request"/);
  for (const query of ["?access%5Ftoken=x", "?a=1&access_token"]) {
    assert.equal((await callMcp(gateway, `/alpha${query}`, access_token)).status, 400, query);
  }
  const form = {
    message: `access_token=${access_token}`,
    headers: { "content-type": "application/x-www-form-urlencoded" },
  };
  await assertChallenge(await callMcp(gateway, "/alpha", null, form), url, null);
  assert.equal(gateway.upstreamRequests.length, 0);
});

Deno.test("a token is for one route, however another is spelled (B12 178, RS-08)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const { access_token } = await obtainTokens(gateway, client);
  const refused = await callMcp(gateway, "/beta", access_token);
  await assertChallenge(refused, `${gateway.origin}/beta`, "invalid_token");
  await using server = serveHarness(gateway);
  const ask = (path: string) =>
    rawRequest(server.port, `POST ${path}`, [
      "Host: 127.0.0.1:9000",
      "Content-Type: application/json",
      `Authorization: Bearer ${access_token}`,
    ], '{"jsonrpc":"2.0","id":1,"method":"ping"}');
  for (
    const path of [
      "/alpha/../beta",
      "/alpha/%2e%2e/beta",
      "/alpha%2f..%2fbeta",
      "/beta%2f..%2falpha",
      "/ALPHA",
      "//beta",
      "//alpha",
      "/alpha/",
      "/alpha;/beta",
      "/alpha\\..\\beta",
      "/%61lpha",
      "/alpha%00",
    ]
  ) {
    const { status } = await ask(path);
    assert.ok(status === 400 || status === 401 || status === 404, `${status} ${path}`);
  }
  assert.equal(gateway.upstreamRequests.length, 0);
  assert.equal((await ask("/alpha")).status, 200);
});

Deno.test("no other secret passes for an access token (B12 179)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway, { token_endpoint_auth_method: "client_secret_post" });
  const browser = gateway.browser();
  const code = await obtainCode(gateway, client, { browser });
  const { refresh_token } = await obtainTokens(gateway, client, { browser });
  const cookies = browser.cookies.header(new URL(gateway.origin), { initiator: null, method: "GET" }) ?? "";
  const jwt = [
    { alg: "none", typ: "JWT" },
    {
      iss: gateway.origin,
      aud: `${gateway.origin}/alpha`,
      sub: "alice",
      scope: "mcp:tools",
      exp: 9_999_999_999,
    },
  ].map((part) => btoa(JSON.stringify(part)).replaceAll("=", "")).join(".");
  const secrets = [
    refresh_token,
    code,
    client.clientSecret ?? "",
    String(client.registration.registration_access_token),
    ...cookies.split("; ").map((cookie) => cookie.slice(cookie.indexOf("=") + 1)),
    `${jwt}.`,
    `${jwt}.c2lnbmF0dXJl`,
  ];
  for (const secret of secrets) {
    assert.ok(secret.length > 10);
    await assertChallenge(
      await callMcp(gateway, "/alpha", secret),
      `${gateway.origin}/alpha`,
      "invalid_token",
    );
  }
  assert.equal(gateway.upstreamRequests.length, 0);
});

Deno.test("what is no good bearer header never falls through to anonymous (B12 180)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const { access_token: token } = await obtainTokens(gateway, client);
  for (
    const authorization of [
      "Bearer sk-random",
      "Bearer",
      "Bearer ",
      "Bearer null",
      "Bearer undefined",
      `Basic ${btoa(`user:${token}`)}`,
      `DPoP ${token}`,
      `Bearer${token}`,
      `Bearer ${token}, Bearer ${token}`,
      `Bearer ${token},`,
      `Bearer "${token}"`,
      `Bearer ${token} extra`,
      `Bearer at_${"A".repeat(43)}`,
      `Bearer ${token.toLowerCase()}`,
      `Bearer ${token}=`,
      token,
      `Bearer ${"a".repeat(20_000)}`,
    ]
  ) {
    const response = await callMcp(gateway, "/alpha", null, { headers: { authorization } });
    await assertChallenge(response, `${gateway.origin}/alpha`, "invalid_token", authorization.slice(0, 60));
  }
  await using server = serveHarness(gateway);
  for (const second of [`Bearer ${token}`, "Basic x"]) {
    const headers = ["Host: 127.0.0.1:9000", `Authorization: Bearer ${token}`, `Authorization: ${second}`];
    const { status } = await rawRequest(server.port, "POST /alpha", headers, "{}");
    assert.ok(status === 400 || status === 401, `${status} ${second}`);
  }
  assert.equal(gateway.upstreamRequests.length, 0);
  const right = await callMcp(gateway, "/alpha", null, { headers: { authorization: `bearer ${token}` } });
  assert.equal(right.status, 200);
});

Deno.test("a token ends on the second, and one flipped character ends it too (B12 181)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const { access_token } = await obtainTokens(gateway, client);
  for (let index = 0; index < access_token.length; index++) {
    const flipped = access_token[index] === "A" ? "B" : "A";
    const token = access_token.slice(0, index) + flipped + access_token.slice(index + 1);
    assert.equal((await callMcp(gateway, "/alpha", token)).status, 401, `character ${index}`);
  }
  gateway.clock.advance({ ms: 899_999 });
  assert.equal((await callMcp(gateway, "/alpha", access_token)).status, 200);
  gateway.clock.advance({ ms: 1 });
  const refused = await callMcp(gateway, "/alpha", access_token);
  await assertChallenge(refused, `${gateway.origin}/alpha`, "invalid_token");
  assert.equal(gateway.upstreamRequests.length, 1);
});

Deno.test("tokens outlive a change of keys, sessions of a withdrawn key do not (B12 182)", async () => {
  await using gateway = await watchedGateway({ upstream: sessionUpstream });
  const client = await registerClient(gateway);
  const { access_token } = await obtainTokens(gateway, client);
  const opened = await callMcp(gateway, "/alpha", access_token);
  const headers = { "mcp-session-id": opened.headers.get("mcp-session-id") ?? "" };
  const { clock, random, events } = gateway.services;
  const keyRing = newKeyRing("next");
  const services = createServices({ clock, random, events, kv: gateway.kv, keyRing });
  await using server = serveHarness({ services, gateway: gateway.gateway });
  const ask = (more: readonly string[]) =>
    rawRequest(server.port, "POST /alpha", [
      "Host: 127.0.0.1:9000",
      "Content-Type: application/json",
      `Authorization: Bearer ${access_token}`,
      ...more,
    ], '{"jsonrpc":"2.0","id":1,"method":"ping"}');
  assert.equal((await ask([])).status, 200);
  assert.equal((await ask([`Mcp-Session-Id: ${headers["mcp-session-id"]}`])).status, 404);
  assert.equal((await callMcp(gateway, "/alpha", access_token, { headers })).status, 200);
});

Deno.test("a token's row that lacks a binding, or its grant, is no token (B12 183)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const { access_token } = await obtainTokens(gateway, client);
  const row = await gateway.kv.get<Uint8Array>([accessTokens.name, tokenId(access_token)]);
  const whole = JSON.parse(new TextDecoder().decode(row.value?.subarray(1)));
  const call = async (record: Readonly<Record<string, unknown>>) =>
    (await callMcp(gateway, "/alpha", await plantToken(gateway, record))).status;
  assert.equal(await call(whole), 200);
  assert.equal(await call({ ...whole, grantId: "another" }), 401);
  for (const missing of Object.keys(whole)) {
    assert.equal(await call({ ...whole, [missing]: undefined }), 401, missing);
  }
});

Deno.test("there is one scope and no token without it (B12 184, RS-07)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  for (const scope of [null, "", "offline_access", "mcp:read", "mcp:tools"]) {
    const tokens = await obtainTokens(gateway, client, { changes: { scope } });
    assert.equal(tokens.scope, "mcp:tools");
    assert.equal((await callMcp(gateway, "/alpha", tokens.access_token)).status, 200);
  }
});

function sessionUpstream(request: Request): Response {
  const headers = request.headers.has("mcp-session-id") ? {} : { "mcp-session-id": "upstream-session" };
  return Response.json({ jsonrpc: "2.0", id: 1, result: {} }, { headers });
}
