/** Streamable HTTP through the gateway, message by message: what is accepted, refused and relayed. */
import assert from "node:assert/strict";
import { mcpProxy } from "../../mod.ts";
import { callMcp, obtainTokens, registerClient } from "../support/oauth_flow.ts";
import { watchedGateway } from "../security/watched_gateway.ts";
import { withRoute } from "../security/watched_route.ts";

Deno.test("a body is one JSON-RPC message in JSON and UTF-8, of a bounded size (TR-01)", async () => {
  await withRoute({ config: () => ({ limits: { bodyBytes: 10_000 } }) }, async ({ gateway, call }) => {
    const refused: [Parameters<typeof callMcp>[3], number, number][] = [
      [{ headers: { "content-type": "text/plain" } }, 415, -32600],
      [{ headers: { "content-type": "application/json; charset=latin1" } }, 415, -32600],
      [{ message: "{" }, 400, -32700],
      [{ message: "" }, 400, -32700],
      [{ message: '{"jsonrpc":"2.0","id":1,"method":"ping"}{}' }, 400, -32700],
      [{ message: '"text"' }, 400, -32600],
      [{ message: "[]" }, 400, -32600],
      [{ message: "null" }, 400, -32600],
      [{ message: '{"id":1,"method":"ping"}' }, 400, -32600],
      [{ message: '{"jsonrpc":"2.0","id":1}' }, 400, -32600],
      [{ message: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "x".repeat(10_000) }) }, 413, -32600],
    ];
    for (const [request, status, code] of refused) {
      const response = await call(request);
      assert.equal(response.status, status, JSON.stringify(request).slice(0, 80));
      const body = await response.json();
      assert.deepEqual([body.jsonrpc, body.error.code, body.id], ["2.0", code, null]);
    }
    assert.equal(gateway.upstreamRequests.length, 0);
    const exact = '{"jsonrpc": "2.0",\n "id": 1, "method": "ping", "params": {"a": "\\u00e9", "b": 1.0}}';
    assert.equal(
      (await call({ message: exact, headers: { "content-type": "Application/JSON; charset=UTF-8" } })).status,
      200,
    );
    assert.equal(gateway.upstreamRequests[0]?.body, exact, "byte for byte");
  });
});

Deno.test("malformed UTF-8 is a parse error (TR-01)", async () => {
  await using gateway = await watchedGateway();
  const { access_token } = await obtainTokens(gateway, await registerClient(gateway));
  const text = new TextEncoder().encode('{"jsonrpc":"2.0","id":1,"method":"?"}');
  text[text.indexOf("?".charCodeAt(0))] = 0xff;
  const response = await gateway.fetch("/alpha", {
    method: "POST",
    body: text,
    headers: { "content-type": "application/json", authorization: `Bearer ${access_token}` },
  });
  assert.equal(response.status, 400);
  assert.equal((await response.json()).error.code, -32700);
  assert.equal(gateway.upstreamRequests.length, 0);
});

Deno.test("Accept lists both types; wildcards and none count as both (TR-02)", async () => {
  await withRoute({}, async ({ call }) => {
    for (
      const accept of [
        "application/json, text/event-stream",
        "text/event-stream;q=0.9,application/json",
        "*/*",
        "application/*, text/*",
      ]
    ) {
      assert.equal((await call({ headers: { accept } })).status, 200, accept);
    }
    for (const accept of ["application/json", "text/event-stream", "text/html", "image/*"]) {
      assert.equal((await call({ headers: { accept } })).status, 406, accept);
    }
    for (const accept of ["application/json", "text/html"]) {
      assert.equal((await call({ method: "GET", headers: { accept } })).status, 406, accept);
    }
  });
});

Deno.test("notifications and answers of the client are relayed and acknowledged as the upstream does (TR-06, TR-28)", async () => {
  await withRoute({}, async ({ gateway, call }) => {
    const messages = [
      { jsonrpc: "2.0", method: "notifications/initialized" },
      { jsonrpc: "2.0", id: "from-the-server", result: { action: "accept" } },
      { jsonrpc: "2.0", id: 7, error: { code: -1, message: "no" } },
    ];
    const acknowledged = await call({ message: messages[0] });
    assert.equal(acknowledged.status, 202);
    assert.equal(await acknowledged.text(), "");
    // This upstream answers whatever has an id with 200.
    for (const message of messages.slice(1)) assert.equal((await call({ message })).status, 200);
    assert.deepEqual(gateway.upstreamRequests.map(({ body }) => JSON.parse(body)), messages);
  });
});

Deno.test("the protocol version is the upstream's to judge, and its 400 comes back (TR-24)", async () => {
  const upstream = (request: Request) =>
    request.headers.get("mcp-protocol-version") === "1900-01-01"
      ? Response.json({ jsonrpc: "2.0", id: null, error: { code: -32000, message: "Unsupported version" } }, {
        status: 400,
      })
      : Response.json({
        jsonrpc: "2.0",
        id: 1,
        result: { seen: request.headers.get("mcp-protocol-version") },
      });
  await withRoute({ upstream }, async ({ call }) => {
    const bad = await call({ headers: { "mcp-protocol-version": "1900-01-01" } });
    assert.equal(bad.status, 400);
    assert.equal((await bad.json()).error.message, "Unsupported version");
    const good = await call({ headers: { "mcp-protocol-version": "2025-06-18" } });
    assert.equal((await good.json()).result.seen, "2025-06-18");
    const absent = await call({});
    assert.equal((await absent.json()).result.seen, null);
  });
});

Deno.test("the query string is forwarded unless the route says otherwise, and never decides anything (TR-04)", async () => {
  await using gateway = await watchedGateway();
  const { access_token } = await obtainTokens(gateway, await registerClient(gateway));
  await callMcp(gateway, "/alpha?tenant=a%2Fb&x=1&x=2", access_token);
  assert.equal(new URL(gateway.upstreamRequests[0]?.request.url ?? "").search, "?tenant=a%2Fb&x=1&x=2");
  await using closed = await watchedGateway({
    config: (upstream) => ({
      routes: [mcpProxy("/alpha", { operationId: "alpha", upstream, forwardSearch: false })],
    }),
  });
  const other = await obtainTokens(closed, await registerClient(closed));
  await callMcp(closed, "/alpha?tenant=a", other.access_token);
  assert.equal(new URL(closed.upstreamRequests[0]?.request.url ?? "").search, "");
});

Deno.test("an answer is not for caches and carries no type that a browser would guess (TR-03)", async () => {
  await withRoute({}, async ({ call }) => {
    const response = await call({});
    assert.equal(response.headers.get("cache-control"), "no-store");
    assert.equal(response.headers.get("x-content-type-options"), "nosniff");
  });
});
