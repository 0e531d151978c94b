/** One request to a real upstream: what arrives there, how long it may take, and where a redirect may lead. */
import assert from "node:assert/strict";
import { ClientGoneError, forward, type Upstream, type UpstreamRequest } from "../../../lib/mcp/forward.ts";
import { JsonRpcError } from "../../../lib/mcp/json_rpc.ts";
import { Deadlines } from "../../../lib/runtime/deadlines.ts";

interface Arrived {
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
  readonly body: string;
}

/** An upstream of the test's own; `answer` is asked after the request was noted. */
function upstreamServer(answer: (request: Request, url: URL) => Response | Promise<Response>) {
  const arrived: Arrived[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { method, url, headers } = request;
    arrived.push({ method, url, headers, body: await request.text() });
    return await answer(request, new URL(url));
  });
  return {
    arrived,
    origin: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

const upstreamAt = (url: string, changes: Partial<Upstream> = {}): Upstream => ({
  operationId: "alpha",
  url,
  blank: new Request(url),
  address: null,
  followRedirects: false,
  responseMs: 5_000,
  client: null,
  ...changes,
});

async function send(
  upstream: Upstream,
  changes: Partial<UpstreamRequest> = {},
): Promise<Response> {
  const deadlines = new Deadlines();
  const ownHeaders = { "authorization": "Bearer upstream-credential" };
  try {
    return await forward(upstream, {
      method: "POST",
      search: "",
      body: '{"id":7}',
      id: 7,
      controller: new AbortController(),
      ...changes,
      headers: { ...changes.headers ?? { "content-type": "application/json" }, ...ownHeaders },
      ownHeaders,
    }, deadlines);
  } finally {
    deadlines.close();
  }
}

function isUnavailable(status: number, reason: string) {
  return (error: unknown) => {
    assert.ok(error instanceof JsonRpcError, String(error));
    assert.deepEqual([error.status, error.reason, error.id, error.code], [status, reason, 7, 5020]);
    assert.ok(!/127\.0\.0\.1|credential/.test(error.message), error.message);
    return true;
  };
}

Deno.test("the request arrives as it was built, and the answer comes back unread", async () => {
  await using upstream = upstreamServer(() =>
    new Response("answer", { status: 202, headers: { "x-a": "b" } })
  );
  const answer = await send(upstreamAt(`${upstream.origin}/mcp`), { search: "?a=1&b=%2F" });
  assert.deepEqual([answer.status, answer.headers.get("x-a"), answer.bodyUsed], [202, "b", false]);
  assert.equal(await answer.text(), "answer");
  const [got] = upstream.arrived;
  assert.deepEqual([got?.method, got?.url, got?.body], [
    "POST",
    `${upstream.origin}/mcp?a=1&b=%2F`,
    '{"id":7}',
  ]);
  assert.equal(got?.headers.get("authorization"), "Bearer upstream-credential");
});

Deno.test("the query of the request is added to the upstream's own", async () => {
  await using upstream = upstreamServer(() => new Response());
  for (
    const [path, search, expected] of [
      ["/mcp?tenant=1", "?a=2", "/mcp?tenant=1&a=2"],
      ["/mcp?tenant=1", "", "/mcp?tenant=1"],
      ["/mcp", "?", "/mcp?"],
    ] as const
  ) {
    await (await send(upstreamAt(upstream.origin + path), { search })).body?.cancel();
    assert.equal(upstream.arrived.at(-1)?.url, upstream.origin + expected);
  }
});

Deno.test("an upstream that cannot be reached is 502 for the client, without its address", async () => {
  const gone = upstreamServer(() => new Response());
  await gone[Symbol.asyncDispose]();
  await assert.rejects(() => send(upstreamAt(gone.origin)), isUnavailable(502, "upstream_unreachable"));
  await assert.rejects(
    () => send(upstreamAt("http://name-that-does-not-exist.invalid/")),
    isUnavailable(502, "upstream_unreachable"),
  );
});

Deno.test("an upstream that does not answer in time is 504, and its request is ended", async () => {
  const ended = Promise.withResolvers<void>();
  await using upstream = upstreamServer((request) =>
    new Promise((resolve) =>
      request.signal.addEventListener("abort", () => {
        ended.resolve();
        resolve(new Response());
      })
    )
  );
  const startedAt = performance.now();
  await assert.rejects(
    () => send(upstreamAt(upstream.origin, { responseMs: 50 })),
    isUnavailable(504, "upstream_timeout"),
  );
  assert.ok(performance.now() - startedAt < 2_000);
  await ended.promise;
});

Deno.test("the time limit is for the headers: a body may take longer", async () => {
  await using upstream = upstreamServer(() =>
    new Response(
      new ReadableStream({
        async start(controller) {
          controller.enqueue(new TextEncoder().encode("a"));
          await new Promise((resolve) => setTimeout(resolve, 300));
          controller.enqueue(new TextEncoder().encode("b"));
          controller.close();
        },
      }),
    )
  );
  const answer = await send(upstreamAt(upstream.origin, { responseMs: 100 }));
  assert.equal(await answer.text(), "ab");
});

Deno.test("a client that goes away ends the upstream request, and is no fault (TR-17, B13 205)", async () => {
  const ended = Promise.withResolvers<void>();
  await using upstream = upstreamServer((request) =>
    new Promise((resolve) =>
      request.signal.addEventListener("abort", () => {
        ended.resolve();
        resolve(new Response());
      })
    )
  );
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 50);
  await assert.rejects(() => send(upstreamAt(upstream.origin), { controller }), ClientGoneError);
  await ended.promise;
});

Deno.test("a redirect is not followed unless the route says so (B13 193)", async () => {
  await using upstream = upstreamServer((_, { pathname }) =>
    new Response(null, { status: 307, headers: { location: `${pathname}x` } })
  );
  await assert.rejects(
    () => send(upstreamAt(`${upstream.origin}/mcp`)),
    isUnavailable(502, "upstream_redirected"),
  );
  assert.equal(upstream.arrived.length, 1);
});

Deno.test("a followed redirect keeps method, body and, at the same origin, the credential", async () => {
  for (const status of [307, 308]) {
    await using upstream = upstreamServer((_, { pathname }) =>
      pathname === "/mcp"
        ? new Response(null, { status, headers: { location: "/moved?x=1" } })
        : new Response("ok")
    );
    const answer = await send(upstreamAt(`${upstream.origin}/mcp`, { followRedirects: true }));
    assert.equal(await answer.text(), "ok");
    const moved = upstream.arrived[1];
    assert.deepEqual([moved?.method, moved?.url, moved?.body], [
      "POST",
      `${upstream.origin}/moved?x=1`,
      '{"id":7}',
    ]);
    assert.equal(moved?.headers.get("authorization"), "Bearer upstream-credential");
  }
});

Deno.test("credential and session stay at home when a redirect leads elsewhere, and are not lost on the way back (B13 193)", async () => {
  await using elsewhere = upstreamServer(() => Response.redirect(`${home.origin}/back`, 307));
  await using home = upstreamServer((_, { pathname }) =>
    pathname === "/mcp"
      ? new Response(null, { status: 307, headers: { location: `${elsewhere.origin}/there` } })
      : new Response("ok")
  );
  const answer = await send(upstreamAt(`${home.origin}/mcp`, { followRedirects: true }), {
    headers: { "content-type": "application/json", "mcp-session-id": "s", "last-event-id": "5" },
  });
  assert.equal(await answer.text(), "ok");
  assert.equal(elsewhere.arrived.length, 1);
  for (const name of ["authorization", "mcp-session-id", "last-event-id"]) {
    assert.equal(elsewhere.arrived[0]?.headers.get(name), null, name);
    assert.notEqual(home.arrived[1]?.headers.get(name), null, name);
  }
  assert.equal(elsewhere.arrived[0]?.headers.get("content-type"), "application/json");
  assert.equal(home.arrived[1]?.headers.get("authorization"), "Bearer upstream-credential");
});

Deno.test("redirects that would change the request, lead nowhere or never end are refused", async () => {
  for (
    const [status, location] of [
      [301, "/x"],
      [302, "/x"],
      [303, "/x"],
      [307, null],
      [307, "http://["],
      [307, "ftp://127.0.0.1/"],
      [307, "javascript:alert(1)"],
      [308, "/mcp"],
    ] as const
  ) {
    await using upstream = upstreamServer(() =>
      new Response(null, { status, headers: location === null ? {} : { location } })
    );
    await assert.rejects(
      () => send(upstreamAt(`${upstream.origin}/mcp`, { followRedirects: true })),
      isUnavailable(502, "upstream_redirected"),
      `${status} ${location}`,
    );
    assert.ok(upstream.arrived.length <= 6, `${upstream.arrived.length} requests`);
  }
});

Deno.test("304 is an answer and no redirect", async () => {
  await using upstream = upstreamServer(() => new Response(null, { status: 304 }));
  assert.equal((await send(upstreamAt(upstream.origin), { method: "GET", body: null })).status, 304);
});
