/** Attack corpus B12, beside the token: methods, bodies, sessions, and what answers strangers. */
import assert from "node:assert/strict";
import { callMcp, obtainTokens, registerClient } from "../support/oauth_flow.ts";
import { assertChallenge } from "./answers.ts";
import { watchedGateway } from "./watched_gateway.ts";

Deno.test("other methods and bodies are refused, after the token was asked for (B12 185, RS-05, TR-01)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const { access_token } = await obtainTokens(gateway, client);
  const upgrade = {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "x",
  };
  const json = "application/json";
  const requests: [string, Record<string, string>, number][] = [
    ["POST", { "content-type": "text/plain" }, 415],
    ["POST", { "content-type": "" }, 415],
    ["POST", { "content-type": "application/json;charset=utf-7" }, 415],
    ["POST", { "content-type": "application/jsonp" }, 415],
    ["POST", { "content-type": json, "content-encoding": "gzip" }, 415],
    ["PUT", { "content-type": json }, 405],
    ["PATCH", { "content-type": json }, 405],
    ["HEAD", {}, 405],
    ["QUERY", {}, 405],
    ["GET", upgrade, 400],
  ];
  for (const [method, headers, status] of requests) {
    const what = `${method} ${JSON.stringify(headers)}`;
    const refused = await callMcp(gateway, "/alpha", null, { method, headers });
    await assertChallenge(refused, `${gateway.origin}/alpha`, null, what);
    assert.equal((await callMcp(gateway, "/alpha", access_token, { method, headers })).status, status, what);
  }
  assert.equal(gateway.upstreamRequests.length, 0);
});

Deno.test("a session is its opener's: not another user's, client's or route's (B12 186, TR-26)", async () => {
  await using gateway = await watchedGateway({ users: ["alice", "bob"], upstream: sessionUpstream });
  const client = await registerClient(gateway);
  const other = await registerClient(gateway, { client_name: "Other" });
  const alice = await obtainTokens(gateway, client, { user: "alice" });
  const opened = await callMcp(gateway, "/alpha", alice.access_token);
  const sessionId = opened.headers.get("mcp-session-id") ?? "";
  const headers = { "mcp-session-id": sessionId };
  const strangers: [string, string][] = [
    ["/alpha", (await obtainTokens(gateway, client, { user: "bob" })).access_token],
    ["/alpha", (await obtainTokens(gateway, other, { user: "alice" })).access_token],
    [
      "/beta",
      (await obtainTokens(gateway, client, {
        user: "alice",
        changes: { resource: `${gateway.origin}/beta` },
      })).access_token,
    ],
  ];
  const before = gateway.upstreamRequests.length;
  for (const [path, token] of strangers) {
    for (const method of ["POST", "GET", "DELETE"]) {
      assert.equal(
        (await callMcp(gateway, path, token, { method, headers })).status,
        404,
        `${method} ${path}`,
      );
    }
  }
  for (
    const forged of ["upstream-session", `${sessionId}x`, sessionId.slice(0, -1), "", "sp1.a.b.c", "\u00e9"]
  ) {
    const tampered = { "mcp-session-id": forged };
    assert.equal(
      (await callMcp(gateway, "/alpha", alice.access_token, { headers: tampered })).status,
      404,
      forged,
    );
  }
  assert.equal(gateway.upstreamRequests.length, before);
  assert.equal((await callMcp(gateway, "/alpha", alice.access_token, { headers })).status, 200);
  const seen = gateway.upstreamRequests.at(-1)?.request.headers.get("mcp-session-id");
  assert.equal(seen, "upstream-session");
});

Deno.test("what answers strangers tells nothing about anybody (B12 187)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const { access_token } = await obtainTokens(gateway, client);
  await callMcp(gateway, "/alpha", access_token);
  for (const path of ["/healthz", "/readyz"]) {
    assert.equal(await (await gateway.fetch(path)).text(), '{"status":"ok"}');
  }
  for (
    const path of [
      "/metrics",
      "/debug",
      "/debug/pprof",
      "/admin",
      "/status",
      "/sessions",
      "/.env",
      "/alpha/metrics",
    ]
  ) {
    const response = await gateway.fetch(path);
    assert.equal(response.status, 404, path);
    assert.doesNotMatch(await response.text(), /alpha|beta|alice/);
  }
});

function sessionUpstream(request: Request): Response {
  const headers = request.headers.has("mcp-session-id") ? {} : { "mcp-session-id": "upstream-session" };
  return Response.json({ jsonrpc: "2.0", id: 1, result: {} }, { headers });
}
