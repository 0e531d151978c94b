/** A route as a resource server: challenges, origins, and what never crosses it. */
import assert from "node:assert/strict";
import { extractWWWAuthenticateParams } from "@modelcontextprotocol/client";
import { callMcp, obtainTokens, postForm, registerClient } from "../support/oauth_flow.ts";
import { assertChallenge, publicGateway } from "../security/answers.ts";
import { watchedGateway } from "../security/watched_gateway.ts";

Deno.test("without a token every method and message is 401, before anything else is looked at (RS-04, RS-05)", async () => {
  await using gateway = await watchedGateway();
  const url = `${gateway.origin}/alpha`;
  for (const method of ["initialize", "server/discover", "tools/call", "notifications/initialized"]) {
    const message = { jsonrpc: "2.0", ...(method.startsWith("notifications") ? {} : { id: 1 }), method };
    await assertChallenge(await callMcp(gateway, "/alpha", null, { message }), url, null, method);
  }
  for (const method of ["GET", "DELETE", "PUT"]) {
    await assertChallenge(await callMcp(gateway, "/alpha", null, { method }), url, null, method);
  }
  for (const message of ["{", "x".repeat(5_000_000)]) {
    await assertChallenge(await callMcp(gateway, "/alpha", null, { message }), url, null);
    await assertChallenge(await callMcp(gateway, "/alpha", "bad", { message }), url, "invalid_token");
  }
  assert.equal(gateway.upstreamRequests.length, 0);
});

Deno.test("the challenge is one line that the SDK's parser reads (RS-06)", async () => {
  await using gateway = await watchedGateway();
  for (const [token, error] of [[null, undefined], ["at_bad", "invalid_token"]] as const) {
    const response = await callMcp(gateway, "/alpha", token);
    const lines = [...response.headers].filter(([name]) => name === "www-authenticate");
    assert.equal(lines.length, 1);
    assert.match(lines[0]?.[1] ?? "", /^Bearer (?:[a-z_]+="[^"\\]*"(?:, |$))+$/);
    const read = extractWWWAuthenticateParams(response);
    assert.equal(
      String(read.resourceMetadataUrl),
      `${gateway.origin}/.well-known/oauth-protected-resource/alpha`,
    );
    assert.equal(read.scope, "mcp:tools");
    assert.equal(read.error, error);
  }
});

Deno.test("neither the token nor a cookie nor a proof goes upstream, nor anything else unlisted (RS-10, TR-04)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const { access_token } = await obtainTokens(gateway, client);
  const headers = {
    cookie: "sallyport_session=x; other=y",
    dpop: "proof",
    "proxy-authorization": "Basic x",
    "x-upstream-authorization": "Bearer chosen-by-the-client",
    "x-api-key": "chosen-by-the-client",
    "x-forwarded-for": "203.0.113.9",
    "x-forwarded-host": "evil.test",
    forwarded: "for=203.0.113.9",
    connection: "mcp-name, accept",
    te: "trailers",
    origin: gateway.origin,
    referer: "https://evil.test/",
    "mcp-method": "tools/call",
    "mcp-name": "echo",
    "mcp-param-colour": "=?base64?Ymx1ZQ==?=",
    "mcp-protocol-version": "2026-07-28",
    "last-event-id": "7",
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  };
  const message = {
    jsonrpc: "2.0",
    id: 1,
    method: "tools/call",
    params: {
      name: "echo",
      _meta: {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
      },
    },
  };
  const response = await callMcp(gateway, "/alpha", access_token, { headers, message });
  assert.equal(response.status, 200);
  const seen = gateway.upstreamRequests[0]?.request.headers ?? new Headers();
  const crossed = [...seen.keys()].filter((name) =>
    !["host", "content-length", "accept-encoding", "user-agent"].includes(name)
  );
  assert.deepEqual(crossed.sort(), [
    "accept",
    "accept-language",
    "content-type",
    "mcp-method",
    "mcp-name",
    "mcp-param-colour",
    "mcp-protocol-version",
    "traceparent",
  ]);
  assert.equal(seen.get("mcp-param-colour"), headers["mcp-param-colour"]);
  assert.match(seen.get("host") ?? "", /^127\.0\.0\.1:\d+$/);
});

Deno.test("of the upstream's headers only the listed come back (TR-04)", async () => {
  await using gateway = await watchedGateway({
    upstream: () =>
      Response.json({ jsonrpc: "2.0", id: 1, result: {} }, {
        headers: {
          "set-cookie": "sallyport_session=fixed",
          "www-authenticate": 'Bearer resource_metadata="https://evil.test"',
          "access-control-allow-origin": "*",
          "access-control-allow-credentials": "true",
          location: "https://evil.test",
          refresh: "0; url=https://evil.test",
          server: "upstream/1",
          "x-powered-by": "upstream",
          "clear-site-data": '"*"',
          "strict-transport-security": "max-age=1",
        },
      }),
  });
  const client = await registerClient(gateway);
  const { access_token } = await obtainTokens(gateway, client);
  const response = await callMcp(gateway, "/alpha", access_token);
  assert.deepEqual([...response.headers.keys()].sort(), [
    "cache-control",
    "content-type",
    "x-content-type-options",
  ]);
});

Deno.test("pages of foreign origins may not call a route (RS-11)", async () => {
  await using loopback = await watchedGateway();
  const { access_token } = await obtainTokens(loopback, await registerClient(loopback));
  const ask = async (gateway: typeof loopback, origin: string | null) => {
    const headers: Record<string, string> = origin === null ? {} : { origin };
    return (await callMcp(gateway, "/alpha", access_token, { headers })).status;
  };
  for (
    const origin of [null, loopback.origin, "http://localhost:6274", "http://[::1]:5173", "https://localhost"]
  ) {
    assert.equal(await ask(loopback, origin), 200, String(origin));
  }
  for (
    const origin of [
      "http://evil.test",
      "null",
      "http://127.0.0.1.evil.test",
      "http://localhost.evil.test",
      "*",
      "",
    ]
  ) {
    assert.equal(await ask(loopback, origin), 403, origin);
  }
  const refused = await callMcp(loopback, "/alpha", null, { headers: { origin: "http://evil.test" } });
  assert.equal(refused.headers.get("access-control-allow-origin"), null);
  assert.equal((await refused.json()).jsonrpc, "2.0");
  await using hosted = await watchedGateway(publicGateway({ corsOrigins: ["https://app.example"] }));
  for (
    const [origin, status] of [["https://app.example", 401], ["https://gw.test", 401], [null, 401]] as const
  ) {
    assert.equal(await ask(hosted, origin), status, String(origin));
  }
  for (
    const origin of [
      "http://localhost:6274",
      "http://gw.test",
      "https://app.example:8443",
      "https://APP.example.",
    ]
  ) {
    assert.equal(await ask(hosted, origin), 403, origin);
  }
});

Deno.test("an allowed page's preflight and answers are readable (RS-12)", async () => {
  await using gateway = await watchedGateway(publicGateway({ corsOrigins: ["https://app.example"] }));
  const wanted =
    "authorization,content-type,accept,mcp-protocol-version,mcp-method,mcp-name,mcp-session-id,last-event-id";
  const preflight = await gateway.fetch("/alpha", {
    method: "OPTIONS",
    headers: {
      origin: "https://app.example",
      "access-control-request-method": "POST",
      "access-control-request-headers": `${wanted},mcp-param-colour,x-other`,
    },
  });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers.get("access-control-allow-origin"), "https://app.example");
  assert.equal(preflight.headers.get("access-control-allow-credentials"), null);
  const allowed = (preflight.headers.get("access-control-allow-headers") ?? "").toLowerCase().split(", ");
  assert.deepEqual(allowed.sort(), [...wanted.split(","), "mcp-param-colour"].sort());
  const methods = (preflight.headers.get("access-control-allow-methods") ?? "").split(", ").sort();
  assert.deepEqual(methods, ["DELETE", "GET", "OPTIONS", "POST"]);
  const refused = await callMcp(gateway, "/alpha", null, { headers: { origin: "https://app.example" } });
  assert.equal(refused.headers.get("access-control-allow-origin"), "https://app.example");
  assert.match(refused.headers.get("vary") ?? "", /Origin/);
  const exposed = refused.headers.get("access-control-expose-headers") ?? "";
  for (const name of ["WWW-Authenticate", "Mcp-Session-Id", "MCP-Protocol-Version"]) {
    assert.match(exposed, new RegExp(name));
  }
  const plain = await gateway.fetch("/alpha", { method: "OPTIONS" });
  assert.equal(plain.status, 204);
  const foreign = await gateway.fetch("/alpha", {
    method: "OPTIONS",
    headers: { origin: "https://evil.test" },
  });
  assert.equal(foreign.status, 403);
});

Deno.test("an error that an allowed page provokes is readable for it, too (RS-12)", async () => {
  await using gateway = await watchedGateway();
  const { access_token } = await obtainTokens(gateway, await registerClient(gateway));
  const origin = "http://localhost:6274";
  for (const message of ["{", '{"jsonrpc":"1.0"}']) {
    const refused = await callMcp(gateway, "/alpha", access_token, { message, headers: { origin } });
    assert.equal(refused.status, 400);
    assert.equal(refused.headers.get("access-control-allow-origin"), origin);
  }
});

Deno.test("the upstream's 401 and 403 never reach the client (RS-13)", async () => {
  const challenge = 'Bearer resource_metadata="https://evil.test/.well-known/oauth-protected-resource"';
  for (const status of [401, 403]) {
    await using gateway = await watchedGateway({
      expect5xx: [502],
      upstream: () =>
        new Response("canary-of-the-upstream", { status, headers: { "www-authenticate": challenge } }),
    });
    const { access_token } = await obtainTokens(gateway, await registerClient(gateway));
    const response = await callMcp(gateway, "/alpha", access_token);
    const text = await response.text();
    assert.equal(response.status, 502);
    assert.equal(response.headers.get("www-authenticate"), null);
    assert.doesNotMatch(text, /evil\.test|canary/);
    assert.match(text, /alpha/);
    assert.equal(JSON.parse(text).id, 1);
  }
});

Deno.test("revocation is looked up for every request (RS-14)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const { access_token, refresh_token } = await obtainTokens(gateway, client);
  for (let count = 0; count < 3; count++) {
    assert.equal((await callMcp(gateway, "/alpha", access_token)).status, 200);
  }
  await postForm(gateway, "/oauth/revoke", { token: refresh_token, client_id: client.clientId });
  const refused = await callMcp(gateway, "/alpha", access_token);
  await assertChallenge(refused, `${gateway.origin}/alpha`, "invalid_token");
});
