/** 2026-07-28 through the gateway: what it checks, what it leaves to the upstream, and what it must not add. */
import assert from "node:assert/strict";
import { mcpProxy } from "../../mod.ts";
import { freePort } from "../support/child_process.ts";
import { callMcp, obtainTokens, registerClient } from "../support/oauth_flow.ts";
import { modernMessage } from "../support/modern_message.ts";
import { network, serveHarness } from "../support/raw_http.ts";
import { type WatchedGateway, watchedGateway, type WatchedOptions } from "../security/watched_gateway.ts";
import { type WatchedRoute, withRoute } from "../security/watched_route.ts";

async function errorOf(answer: Response): Promise<readonly [status: number, code: unknown, id: unknown]> {
  const { error, id } = await answer.json();
  return [answer.status, error?.code, id];
}

Deno.test("headers that are missing or differ from the body are refused before the upstream is asked (TR-09, TR-10, B13 201)", async () => {
  await withRoute({}, async ({ gateway, call }) => {
    const { message, headers } = modernMessage("tools/call", { name: "bar" });
    assert.deepEqual(
      await errorOf(await call({ message, headers: { ...headers, "mcp-name": "foo" } })),
      [400, -32020, 5],
    );
    for (const missing of Object.keys(headers)) {
      const others = Object.fromEntries(Object.entries(headers).filter(([name]) => name !== missing));
      assert.deepEqual(await errorOf(await call({ message, headers: others })), [400, -32020, 5], missing);
    }
    assert.deepEqual(
      await errorOf(await call({ message, headers: { ...headers, "mcp-name": "=?base64?YmFy?= " } })),
      [200, undefined, 5],
      "encoded, and white space around it is none of the value",
    );
    assert.equal(gateway.upstreamRequests.length, 1);
    const encoded = `=?base64?${new TextEncoder().encode("größe/日本").toBase64()}?=`;
    const named = modernMessage("prompts/get", { name: "größe/日本" });
    const answer = await call({ ...named, headers: { ...named.headers, "mcp-name": encoded } });
    assert.equal(answer.status, 200);
    assert.equal(gateway.upstreamRequests.at(-1)?.request.headers.get("mcp-name"), encoded);
  });
});

Deno.test("what the body claims about the caller decides nothing (B13 201)", async () => {
  await withRoute({}, async ({ gateway, call }) => {
    const { message, headers } = modernMessage("tools/call", { name: "echo" });
    const claims = { role: "admin", subject: "root", "sallyport/user": "root", userId: "root" };
    const params = { ...message.params, _meta: { ...(message.params._meta as object), ...claims } }; // an object: made above
    assert.equal((await call({ message: { ...message, params }, headers })).status, 200);
    const [plain, claiming] = await subjects(gateway, call);
    assert.notEqual(plain, undefined);
    assert.equal(claiming, plain);
  });
});

async function subjects(gateway: WatchedGateway, call: WatchedRoute["call"]): Promise<unknown[]> {
  await call(modernMessage("tools/call", { name: "echo" }));
  return gateway.events.filter(({ event }) => event === "mcp_capability_invoked")
    .map(({ subjectId }) => subjectId);
}

Deno.test("a request without its client's capabilities is -32602, a notification needs nothing (TR-06, TR-12)", async () => {
  await withRoute({}, async ({ gateway, call }) => {
    const { message, headers } = modernMessage("tools/list");
    const _meta = { "io.modelcontextprotocol/protocolVersion": "2026-07-28" };
    assert.deepEqual(await errorOf(await call({ message: { ...message, params: { _meta } }, headers })), [
      400,
      -32602,
      5,
    ]);
    assert.equal(gateway.upstreamRequests.length, 0);
    const notification = modernMessage("notifications/cancelled", { requestId: 1 }, { id: null });
    const answer = await call({ message: notification.message });
    assert.deepEqual([answer.status, await answer.text()], [202, ""]);
  });
});

Deno.test("a version that the upstream does not speak is the upstream's to refuse (TR-13)", async () => {
  const upstream = async (request: Request) => {
    const { id, params } = await request.json();
    const requested = params._meta["io.modelcontextprotocol/protocolVersion"];
    const error = {
      code: -32022,
      message: `Unsupported protocol version: ${requested}`,
      data: { supported: ["2026-07-28"], requested },
    };
    return Response.json({ jsonrpc: "2.0", id, error }, { status: 400 });
  };
  await withRoute({ upstream }, async ({ call }) => {
    for (const version of ["1900-01-01", "2027-01-01", "tomorrow"]) {
      const answer = await call(modernMessage("server/discover", {}, { version }));
      assert.equal(answer.status, 400);
      const { error } = await answer.json();
      assert.equal(error.code, -32022);
      assert.deepEqual(error.data, { supported: ["2026-07-28"], requested: version });
    }
  });
});

Deno.test("an upstream's 4xx stays what it is, with its body: a client tells the era by it (TR-07, TR-14)", async () => {
  const answers: [number, string, string][] = [
    [
      400,
      "application/json",
      '{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Server not initialized"}}',
    ],
    [
      400,
      "application/json",
      '{"jsonrpc":"2.0","id":5,"error":{"code":-32022,"message":"m","data":{"supported":["2025-11-25"]}}}',
    ],
    [400, "text/plain", "Bad Request: no valid session id"],
    [
      404,
      "application/json",
      '{"jsonrpc":"2.0","id":5,"error":{"code":-32601,"message":"Method not found"}}',
    ],
    [404, "text/html", "<h1>Not here</h1>"],
    [405, "application/json", '{"error":"method"}'],
    [406, "text/plain", "not acceptable"],
    [409, "text/plain", ""],
    [415, "text/plain", "unsupported"],
    [422, "application/json", '{"detail":[]}'],
    [429, "text/plain", "slow down"],
  ];
  let next = 0;
  const upstream = () => {
    const [status, type, body] = answers[next] ?? [500, "", ""];
    return new Response(body, { status, headers: { "content-type": type, "retry-after": "7" } });
  };
  await withRoute({ upstream }, async ({ call }) => {
    for (; next < answers.length; next++) {
      const answer = await call(modernMessage("server/discover"));
      const [status, type, body] = answers[next] ?? [];
      assert.deepEqual([answer.status, answer.headers.get("content-type"), await answer.text()], [
        status,
        type,
        body,
      ]);
      assert.equal(answer.headers.get("retry-after"), "7");
    }
  });
});

Deno.test("results pass byte for byte: discovery, result types nobody knows, cache hints, extensions (TR-15, TR-19)", async () => {
  const results = [
    '{"resultType": "complete", "supportedVersions":["2026-07-28", "2030-01-01"],"capabilities":{"extensions":{"x/y":{}}},' +
    '"serverInfo":{"name":"u","version":"1"},"ttlMs": 60000,"cacheScope":"public"}',
    '{"tools":[],"ttlMs":1e3,"cacheScope":"private"}',
    '{"resultType":"task","task":{"taskId":"t-1"}}',
    '{"resultType":"com.example/odd","\\u0061":1.0,"b":[ ]}',
  ];
  let next = 0;
  const upstream = () =>
    new Response(`{"jsonrpc":"2.0","id":5,\n "result":${results[next]}}`, {
      headers: { "content-type": "application/json" },
    });
  await withRoute({ upstream }, async ({ call }) => {
    for (; next < results.length; next++) {
      const answer = await call(modernMessage(next === 0 ? "server/discover" : "tools/list"));
      assert.equal(await answer.text(), `{"jsonrpc":"2.0","id":5,\n "result":${results[next]}}`);
    }
  });
});

Deno.test("a modern request has no session: none goes upstream, none comes back, nothing is replayed (TR-16)", async () => {
  const upstream = (request: Request) =>
    request.method === "POST"
      ? Response.json({ jsonrpc: "2.0", id: 5, result: {} }, { headers: { "mcp-session-id": "minted" } })
      : new Response("POST only", { status: 405, headers: { allow: "POST" } });
  await withRoute({ upstream }, async ({ gateway, call }) => {
    const { message, headers } = modernMessage("tools/list");
    for (const sessionId of ["forged", "sp1.a.b.c"]) {
      const strange = { ...headers, "mcp-session-id": sessionId, "last-event-id": "7" };
      const answer = await call({ message, headers: strange });
      assert.deepEqual([answer.status, answer.headers.get("mcp-session-id")], [200, null]);
      const seen = gateway.upstreamRequests.at(-1)?.request.headers;
      assert.deepEqual([seen?.get("mcp-session-id"), seen?.get("last-event-id")], [null, null]);
    }
    // The same upstream may have sessions for older clients: theirs do come back.
    assert.match((await call({})).headers.get("mcp-session-id") ?? "", /^sp1/);
    for (const method of ["GET", "DELETE"]) {
      const answer = await call({ method, headers: { "mcp-protocol-version": "2026-07-28" } });
      assert.deepEqual([answer.status, answer.headers.get("allow"), await answer.text()], [
        405,
        "POST",
        "POST only",
      ]);
    }
  });
});

Deno.test("a subscription's stream is relayed as it is: acknowledgement first, in order, with its result at the end (TR-18)", async () => {
  const event = (message: Record<string, unknown>) => `event: message\ndata: ${JSON.stringify(message)}\n\n`;
  const stream = [
    event({
      jsonrpc: "2.0",
      method: "notifications/subscriptions/acknowledged",
      params: { subscriptionId: "s-1" },
    }),
    ": keep-alive\n\n",
    event({ jsonrpc: "2.0", method: "notifications/tools/list_changed", params: { subscriptionId: "s-1" } }),
    event({ jsonrpc: "2.0", method: "notifications/resources/updated", params: { uri: "x:1" } }),
    event({ jsonrpc: "2.0", id: "s-1", result: { resultType: "complete" } }),
  ].join("");
  const upstream = () => new Response(stream, { headers: { "content-type": "text/event-stream" } });
  const port = freePort();
  await using gateway = await watchedGateway({ upstream, origin: `http://127.0.0.1:${port}` });
  await using _ = serveHarness(gateway, port);
  const { access_token } = await obtainTokens(gateway, await registerClient(gateway));
  const listen = modernMessage("subscriptions/listen", { notifications: { toolsListChanged: true } }, {
    id: "s-1",
  });
  const answer = await callMcp(network(gateway.origin), "/alpha", access_token, listen);
  assert.equal(answer.status, 200);
  assert.equal(await answer.text(), stream);
});

Deno.test("the gateway's own errors keep to what 2026-07-28 defines, or are outside JSON-RPC's range (TR-22)", async () => {
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const options: WatchedOptions = {
    paths: ["/alpha", "/down", "/silent", "/refusing"],
    expect5xx: [502, 504],
    config: (upstream) => ({
      limits: { bodyBytes: 4000, jsonDepth: 8 },
      routes: [
        mcpProxy("/alpha", { operationId: "alpha", upstream }),
        mcpProxy("/down", { operationId: "down", upstream: "http://127.0.0.1:1/mcp" }),
        mcpProxy("/silent", {
          operationId: "silent",
          upstream: `http://127.0.0.1:${silent.addr.port}/mcp`,
          timeouts: { responseMs: 1000 },
        }),
        mcpProxy("/refusing", { operationId: "refusing", upstream: `${upstream}/refuse` }),
      ],
    }),
    upstream: (request) =>
      request.url.endsWith("/refuse") ? new Response(null, { status: 401 }) : Response.json({}),
  };
  await using gateway = await watchedGateway(options);
  const client = await registerClient(gateway);
  const { message, headers } = modernMessage("tools/call", { name: "echo" });
  const faults: [path: string, request: Parameters<typeof callMcp>[3], status: number][] = [
    ["/alpha", { message: "{", headers }, 400],
    ["/alpha", { message: "[]", headers }, 400],
    ["/alpha", { message: [message], headers }, 400],
    ["/alpha", { message: { ...message, id: null }, headers }, 400],
    ["/alpha", { message: { ...message, params: { a: [[[[[[[[[]]]]]]]]] } }, headers }, 400],
    ["/alpha", { message: { ...message, pad: "x".repeat(4000) }, headers }, 413],
    ["/alpha", { message, headers: { ...headers, "content-type": "text/plain" } }, 415],
    ["/alpha", { message, headers: { ...headers, accept: "text/html" } }, 406],
    ["/alpha", { message, headers: { ...headers, origin: "https://evil.test" } }, 403],
    ["/alpha", { message, headers: { ...headers, "mcp-name": "other" } }, 400],
    ["/alpha", { message: { ...message, params: {} }, headers }, 400],
    ["/alpha", { method: "PUT", headers }, 405],
    ["/down", { message, headers }, 502],
    ["/silent", { message, headers }, 504],
    ["/refusing", { message, headers }, 502],
  ];
  const tokens = new Map<string, string>();
  for (const [path, request, status] of faults) {
    const what = `${path} ${status}`;
    const token = tokens.get(path) ??
      (await obtainTokens(gateway, client, { changes: { resource: gateway.origin + path } })).access_token;
    tokens.set(path, token);
    const answer = await callMcp(gateway, path, token, request);
    assert.equal(answer.status, status, what);
    const { error } = await answer.json();
    const defined = [-32700, -32600, -32601, -32602, -32603, -32020, -32021, -32022].includes(error.code);
    assert.ok(defined || error.code > -32000, `${what}: ${error.code}`);
  }
});
