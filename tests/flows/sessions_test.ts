/** Legacy MCP sessions through the gateway: relayed, bound to their opener, resumed, ended. */
import assert from "node:assert/strict";
import { freePort } from "../support/child_process.ts";
import { startHarness } from "../support/harness.ts";
import { callMcp, obtainTokens, registerClient } from "../support/oauth_flow.ts";
import { network, serveHarness } from "../support/raw_http.ts";
import { within, writtenStream } from "../support/written_stream.ts";
import { type WatchedGateway, watchedGateway, type WatchedOptions } from "../security/watched_gateway.ts";

const sse = { "content-type": "text/event-stream" };
const initialize = { jsonrpc: "2.0", id: 1, method: "initialize", params: { protocolVersion: "2025-11-25" } };

interface Session {
  readonly gateway: WatchedGateway;
  readonly sessionId: string;
  /** Over the network, since streams are handed to the socket without passing through JavaScript. */
  readonly call: (request?: Parameters<typeof callMcp>[3]) => Promise<Response>;
}

/** Opens a session at a listening gateway. */
async function withSession(
  options: WatchedOptions,
  test: (session: Session) => Promise<void>,
): Promise<void> {
  const port = freePort();
  await using gateway = await watchedGateway({ origin: `http://127.0.0.1:${port}`, ...options });
  await using _ = serveHarness(gateway, port);
  const { access_token: token } = await obtainTokens(gateway, await registerClient(gateway));
  const opened = await callMcp(network(gateway.origin), "/alpha", token, { message: initialize });
  assert.equal(opened.status, 200);
  const sessionId = opened.headers.get("mcp-session-id") ?? "";
  await test({
    gateway,
    sessionId,
    call: (request = {}) =>
      callMcp(network(gateway.origin), "/alpha", token, {
        ...request,
        headers: { "mcp-session-id": sessionId, ...request.headers },
      }),
  });
}

/** An upstream that keeps one session and answers GET with what `stream` says. */
function sessionUpstream(stream: (request: Request) => string): (request: Request) => Promise<Response> {
  let open = false;
  return async (request) => {
    const sessionId = request.headers.get("mcp-session-id");
    if (request.method === "POST" && sessionId === null) {
      const message = await request.json();
      if (message.method !== "initialize") return new Response("Session id required", { status: 400 });
      open = true;
      const headers = { "mcp-session-id": "upstream-session-1" };
      return Response.json({ jsonrpc: "2.0", id: 1, result: { protocolVersion: "2025-11-25" } }, { headers });
    }
    if (!open || sessionId !== "upstream-session-1") return new Response("No such session", { status: 404 });
    if (request.method === "DELETE") {
      open = false;
      return new Response(null, { status: 204 });
    }
    if (request.method === "GET") return new Response(stream(request), { headers: sse });
    const message = await request.json();
    if (!("method" in message) || !("id" in message)) return new Response(null, { status: 202 });
    return Response.json({ jsonrpc: "2.0", id: message.id, result: {} });
  };
}

Deno.test("the client's session id is its own: visible ASCII, and not the upstream's (TR-26)", async () => {
  await withSession({ upstream: sessionUpstream(() => "") }, async ({ gateway, sessionId, call }) => {
    assert.match(sessionId, /^[\x21-\x7e]+$/);
    assert.notEqual(sessionId, "upstream-session-1");
    assert.equal((await call()).status, 200);
    assert.equal(
      gateway.upstreamRequests.at(-1)?.request.headers.get("mcp-session-id"),
      "upstream-session-1",
    );
    const another = await call({ headers: { "mcp-session-id": "upstream-session-1" } });
    assert.equal(another.status, 404);
    assert.equal((await another.json()).id, 1);
  });
});

Deno.test("an upstream that repeats the session's id in every answer: the client keeps the id that it was given (TR-26)", async () => {
  await using gateway = await startHarness({
    upstream: async (request) => {
      const { id } = await request.json();
      return Response.json({ jsonrpc: "2.0", id, result: {} }, { headers: { "mcp-session-id": "up.1" } });
    },
  });
  const { access_token: token } = await obtainTokens(gateway, await registerClient(gateway));
  const opened = await callMcp(gateway, "/alpha", token, {
    message: { ...initialize, params: { ...initialize.params, capabilities: {} } },
  });
  await opened.body?.cancel();
  const own = opened.headers.get("mcp-session-id") ?? "";
  assert.notEqual(own, "");
  const answer = await callMcp(gateway, "/alpha", token, { headers: { "mcp-session-id": own } });
  await answer.body?.cancel();
  assert.equal(answer.headers.get("mcp-session-id"), own);
});

Deno.test("what the upstream says of a session comes back: required 400, gone 404, DELETE ends it (TR-26)", async () => {
  await withSession({ upstream: sessionUpstream(() => "") }, async ({ gateway, sessionId, call }) => {
    const { access_token } = await obtainTokens(gateway, await registerClient(gateway));
    assert.equal((await callMcp(gateway, "/alpha", access_token)).status, 400);
    assert.equal((await call({ method: "DELETE" })).status, 204);
    assert.equal((await call()).status, 404);
    assert.ok(sessionId.length < 1024);
  });
});

Deno.test("a session id with bytes outside visible ASCII is not relayed to the client (TR-26)", async () => {
  await using gateway = await watchedGateway({
    upstream: () =>
      Response.json({ jsonrpc: "2.0", id: 1, result: {} }, {
        headers: { "mcp-session-id": "bad id \u00e9" },
      }),
  });
  const { access_token } = await obtainTokens(gateway, await registerClient(gateway));
  const opened = await callMcp(gateway, "/alpha", access_token, { message: initialize });
  assert.equal(opened.status, 200);
  assert.equal(opened.headers.get("mcp-session-id"), null);
});

Deno.test("GET opens the server's own stream, or is refused as the upstream refuses it (TR-25, Q-22)", async () => {
  await withSession({ upstream: sessionUpstream(() => "data: hello\n\n") }, async ({ call }) => {
    const stream = await call({ method: "GET" });
    assert.equal(stream.status, 200);
    assert.match(stream.headers.get("content-type") ?? "", /^text\/event-stream/);
    assert.equal(stream.headers.get("x-accel-buffering"), "no");
    assert.equal(stream.headers.get("cache-control"), "no-store");
    assert.equal(await stream.text(), "data: hello\n\n");
  });
  await using plain = await watchedGateway();
  const { access_token } = await obtainTokens(plain, await registerClient(plain));
  assert.equal((await callMcp(plain, "/alpha", access_token, { method: "GET" })).status, 405);
});

Deno.test("a stream is resumed at the upstream by Last-Event-ID, byte for byte (TR-27)", async () => {
  const replay = (request: Request) =>
    `id: 8\ndata: after ${request.headers.get("last-event-id")}\n\n: note\n\n`;
  await withSession({ upstream: sessionUpstream(replay) }, async ({ call }) => {
    const resumed = await call({ method: "GET", headers: { "last-event-id": "stream-1/7" } });
    assert.equal(await resumed.text(), "id: 8\ndata: after stream-1/7\n\n: note\n\n");
  });
});

Deno.test("a request of the server reaches the client, and the client's answer the server (TR-28)", async () => {
  const elicitation =
    '{"jsonrpc":"2.0","id":"s-1","method":"elicitation/create","params":{"message":"Name?"}}';
  const upstream = sessionUpstream(() => `event: message\ndata: ${elicitation}\n\n`);
  await withSession({ upstream }, async ({ gateway, call }) => {
    const stream = await (await call({ method: "GET" })).text();
    assert.ok(stream.includes(elicitation));
    const message = { jsonrpc: "2.0", id: "s-1", result: { action: "accept", content: { name: "x" } } };
    const answered = await call({ message });
    assert.equal(answered.status, 202);
    assert.equal(await answered.text(), "");
    assert.deepEqual(JSON.parse(gateway.upstreamRequests.at(-1)?.body ?? ""), message);
  });
});

Deno.test("notifications/cancelled is relayed like any other (TR-29)", async () => {
  await withSession({ upstream: sessionUpstream(() => "") }, async ({ gateway, call }) => {
    const message = { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 5 } };
    assert.equal((await call({ message })).status, 202);
    assert.deepEqual(JSON.parse(gateway.upstreamRequests.at(-1)?.body ?? ""), message);
  });
});

Deno.test("another user with the session's id gets 404 for everything, and the opener's stream lives on (B12 186, TR-26, TR-27)", async () => {
  const stream = writtenStream();
  const upstream = (request: Request) => {
    if (request.method === "GET") return stream.answer();
    const headers = { "mcp-session-id": "upstream-session-1" };
    return Response.json({ jsonrpc: "2.0", id: 1, result: {} }, { headers });
  };
  const port = freePort();
  await using gateway = await watchedGateway({
    upstream,
    users: ["alice", "bob"],
    origin: `http://127.0.0.1:${port}`,
  });
  await using _ = serveHarness(gateway, port);
  const client = await registerClient(gateway);
  const alice = (await obtainTokens(gateway, client, { user: "alice" })).access_token;
  const bob = (await obtainTokens(gateway, client, { user: "bob" })).access_token;
  const wire = network(gateway.origin);
  // A stream that opens where none may would not end.
  const unread = {
    fetch: (path: string | URL, init?: RequestInit) => fetch(new URL(path, gateway.origin), init),
  };
  const opened = await callMcp(wire, "/alpha", alice, { message: initialize });
  const session = { "mcp-session-id": opened.headers.get("mcp-session-id") ?? "" };
  const aborted = new AbortController();
  const alices = await fetch(`${gateway.origin}/alpha`, {
    headers: { authorization: `Bearer ${alice}`, accept: "text/event-stream", ...session },
    signal: aborted.signal,
  });
  assert.equal(alices.status, 200);
  const reader = alices.body?.pipeThrough(new TextDecoderStream()).getReader();
  assert.ok(reader);
  assert.equal((await within(5000, reader.read(), "the stream opens")).value, ": open\n\n");
  const before = gateway.upstreamRequests.length;
  const attempts: Parameters<typeof callMcp>[3][] = [
    { method: "GET" },
    { method: "GET", headers: { "last-event-id": "1" } },
    { method: "DELETE" },
    {},
    { message: { jsonrpc: "2.0", id: "s-1", result: { action: "accept" } } },
    { message: { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1 } } },
    { message: initialize },
  ];
  for (const attempt of attempts) {
    const asked = callMcp(unread, "/alpha", bob, {
      ...attempt,
      headers: { ...attempt?.headers, ...session },
    });
    const answer = await within(5000, asked, "an answer");
    await answer.body?.cancel();
    assert.equal(answer.status, 404, JSON.stringify(attempt));
    stream.send(`data: after ${JSON.stringify(attempt)}\n\n`);
    const event: ReadableStreamReadResult<string> = await within(5000, reader.read(), "the next event");
    assert.equal(event.value, `data: after ${JSON.stringify(attempt)}\n\n`);
  }
  assert.equal(gateway.upstreamRequests.length, before);
  assert.equal((await callMcp(wire, "/alpha", alice, { headers: session })).status, 200);
  aborted.abort();
  await reader.cancel().catch(() => {});
  await within(5000, stream.cancelled, "the upstream hears that its client has left");
});

Deno.test("events are replayed within a session only: without one, nothing says whose they are (TR-27)", async () => {
  await using gateway = await watchedGateway();
  const { access_token } = await obtainTokens(gateway, await registerClient(gateway));
  const answer = await callMcp(gateway, "/alpha", access_token, {
    method: "GET",
    headers: { "last-event-id": "a-strangers" },
  });
  assert.equal(answer.status, 405);
  assert.equal(gateway.upstreamRequests[0]?.request.headers.get("last-event-id"), null);
});
