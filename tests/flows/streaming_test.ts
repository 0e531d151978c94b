/** Event streams through a listening gateway: unbuffered, cancelled with their client, ended with their token, cut with their upstream. */
import assert from "node:assert/strict";
import { mcpProxy } from "../../mod.ts";
import { freePort } from "../support/child_process.ts";
import {
  callMcp,
  obtainTokens,
  postForm,
  registerClient,
  type TestClient,
  type TestTokens,
} from "../support/oauth_flow.ts";
import { rawRequest, type RawServer, serveHarness } from "../support/raw_http.ts";
import { within, writtenStream } from "../support/written_stream.ts";
import { type WatchedGateway, watchedGateway, type WatchedOptions } from "../security/watched_gateway.ts";

interface Listening {
  readonly gateway: WatchedGateway;
  readonly server: RawServer;
  readonly client: TestClient;
  readonly tokens: TestTokens;
  /** Over the network, with the token. */
  readonly call: (init?: RequestInit) => Promise<Response>;
}

/** A gateway on a port, with a token for `/alpha`. */
async function listening(options: WatchedOptions, test: (on: Listening) => Promise<void>): Promise<void> {
  const port = freePort();
  await using gateway = await watchedGateway({ origin: `http://127.0.0.1:${port}`, ...options });
  await using server = serveHarness(gateway, port);
  const client = await registerClient(gateway);
  const tokens = await obtainTokens(gateway, client);
  const call = (init: RequestInit = {}) =>
    fetch(`${gateway.origin}/alpha`, {
      method: "POST",
      body: init.method === "GET"
        ? null
        : '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"slow"}}',
      ...init,
      headers: {
        authorization: `Bearer ${tokens.access_token}`,
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
      },
    });
  await test({ gateway, server, client, tokens, call });
}

Deno.test("each event arrives within 100 ms of its sending, unchanged (TR-03)", async () => {
  const stream = writtenStream();
  await listening({ upstream: stream.answer }, async ({ call }) => {
    const response = await call();
    assert.equal(response.headers.get("x-accel-buffering"), "no");
    assert.equal(response.headers.get("cache-control"), "no-store");
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    assert.equal((await reader?.read())?.value, ": open\n\n");
    for (
      const event of [
        "data: 1\n\n",
        "id: 2\r\ndata: ünï\r\n\r\n",
        "data: half",
        "\ndata: more\n\n",
        `data: ${"x".repeat(30_000)}\n\n`,
      ]
    ) {
      const sentAt = performance.now();
      stream.send(event);
      let text = "";
      while (text.length < event.length) {
        text += (await within(2000, reader!.read(), event.slice(0, 20))).value ?? "";
      }
      assert.equal(text, event);
      assert.ok(performance.now() - sentAt < 100, `${performance.now() - sentAt} ms`);
    }
    stream.end();
    assert.equal((await reader?.read())?.done, true);
  });
});

Deno.test("a client that goes away cancels the upstream within a second (TR-17)", async () => {
  for (const method of ["POST", "GET"]) {
    const stream = writtenStream();
    await listening({ upstream: stream.answer }, async ({ gateway, call }) => {
      const controller = new AbortController();
      const response = await call({ method, signal: controller.signal });
      const reader = response.body?.getReader();
      await reader?.read();
      const leftAt = performance.now();
      controller.abort();
      await reader?.cancel().catch(() => {});
      assert.ok(await within(2000, stream.cancelled, method) - leftAt < 1000);
      await untilEvent(gateway, "mcp_capability_completed");
    });
  }
});

Deno.test("a client that goes away in the middle of an answer that is no stream cancels the upstream, too (TR-17)", async () => {
  const cancelled = Promise.withResolvers<void>();
  const upstream = () => {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode('{"jsonrpc":')),
      cancel: () => cancelled.resolve(),
    });
    return new Response(body, { headers: { "content-type": "application/json" } });
  };
  await listening({ upstream }, async ({ call }) => {
    const controller = new AbortController();
    const response = await call({ signal: controller.signal });
    const reader = response.body?.getReader();
    await reader?.read();
    controller.abort();
    await reader?.cancel().catch(() => {});
    await within(2000, cancelled.promise, "the upstream hears of it");
  });
});

for (
  const [when, ms, http2] of [
    ["at once", 0, false],
    ["at once, over HTTP/2", 0, true],
    ["later", 400, false],
    ["later, over HTTP/2", 400, true],
  ] as const
) {
  Deno.test(`a client that goes away before the upstream has answered cancels it, too: ${when} (TR-17)`, async () => {
    const arrived = Promise.withResolvers<void>();
    const aborted = Promise.withResolvers<number>();
    const upstream = (request: Request) => {
      request.signal.addEventListener("abort", () => aborted.resolve(performance.now()));
      arrived.resolve();
      return aborted.promise.then(() => new Response(null, { status: 204 }));
    };
    await listening({ upstream }, async ({ gateway, call }) => {
      using client = Deno.createHttpClient({ http1: !http2, http2 });
      const controller = new AbortController();
      const init: RequestInit & { client: Deno.HttpClient } = { signal: controller.signal, client };
      const answer = call(init);
      await arrived.promise;
      await new Promise((resolve) => setTimeout(resolve, ms));
      const leftAt = performance.now();
      controller.abort();
      await assert.rejects(answer);
      assert.ok(await within(2000, aborted.promise, "abort") - leftAt < 1000);
      await untilEvent(gateway, "mcp_capability_completed");
      assert.equal(gateway.events.at(-1)?.outcome, "cancelled");
    });
  });
}

Deno.test("an upstream that is cut in the middle of an event cuts the stream, and is no fault of ours (TR-03)", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const part = "data: first\n\ndata: hal";
  const cut = (async () => {
    const connection = await listener.accept();
    await connection.read(new Uint8Array(4096));
    const head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    await connection.write(new TextEncoder().encode(`${head}${part.length.toString(16)}\r\n${part}\r\n`));
    await new Promise((resolve) => setTimeout(resolve, 100));
    connection.close();
  })();
  const upstream = `http://127.0.0.1:${listener.addr.port}/mcp`;
  const config = () => ({ routes: [mcpProxy("/alpha", { operationId: "alpha", upstream })] });
  await listening({ config }, async ({ call, gateway, tokens }) => {
    const response = await call();
    let text = "";
    await assert.rejects(async () => {
      for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) text += chunk;
    }, "the client can tell a cut from an end");
    assert.equal(text, part);
    await cut;
    const after = await callMcp(gateway, "/alpha", tokens.access_token, { message: "{" });
    assert.equal(after.status, 400);
  });
});

Deno.test("a stream ends when its token is revoked, and when it expires (RS-14)", async () => {
  for (const how of ["refresh_token", "access_token", "expiry"] as const) {
    const stream = writtenStream();
    await listening({ upstream: stream.answer }, async ({ gateway, client, tokens, call }) => {
      const response = await call({ method: "GET" });
      const reader = response.body?.getReader();
      await reader?.read();
      const endedBy = performance.now();
      if (how === "expiry") gateway.clock.advance({ seconds: 900 });
      else await postForm(gateway, "/oauth/revoke", { token: tokens[how], client_id: client.clientId });
      await within(2000, stream.cancelled, how);
      await assert.rejects(async () => {
        while (!(await within(2000, reader!.read(), how)).done);
        throw new Error("ended");
      });
      assert.ok(performance.now() - endedBy < 1000, how);
    });
  }
});

Deno.test("a user may have so many streams, and one more is 429 (RS-14, TR-25)", async () => {
  const streams: ReturnType<typeof writtenStream>[] = [];
  const upstream = () => {
    const stream = writtenStream();
    streams.push(stream);
    return stream.answer();
  };
  await listening({ upstream, config: () => ({ limits: { streamsPerUser: 2 } }) }, async ({ call }) => {
    const open = [await call({ method: "GET" }), await call({ method: "GET" })];
    const refused = await call({ method: "GET" });
    assert.equal(refused.status, 429);
    assert.ok(Number(refused.headers.get("retry-after")) > 0);
    await refused.body?.cancel();
    await within(2000, streams[2]!.cancelled, "the third upstream stream");
    await open[0]?.body?.cancel();
    await within(2000, streams[0]!.cancelled, "the first upstream stream");
    const again = await call({ method: "GET" });
    assert.equal(again.status, 200);
    for (const response of [open[1], again]) await response?.body?.cancel();
  });
});

Deno.test("HEAD, PUT and PATCH are refused with what is allowed (B12 185, TR-25)", async () => {
  await listening({}, async ({ server, tokens, gateway }) => {
    for (const method of ["HEAD", "PUT", "PATCH", "TRACE", "FOO"]) {
      const response = await rawRequest(server.port, `${method} /alpha`, [
        `Host: ${new URL(gateway.origin).host}`,
        `Authorization: Bearer ${tokens.access_token}`,
      ]);
      assert.equal(response.status, 405, method);
      assert.equal(response.headers.get("allow"), "GET, POST, DELETE, OPTIONS");
      if (method === "HEAD") assert.equal(response.body, "");
    }
    assert.equal(gateway.upstreamRequests.length, 0);
  });
});

Deno.test("an upstream that is down is 502, one that never answers 504, both naming the route (TR-03)", async () => {
  const down = `http://127.0.0.1:${freePort()}/mcp`;
  const config = (silent: string) => ({
    routes: [
      mcpProxy("/alpha", { operationId: "down-route", upstream: down }),
      mcpProxy("/beta", { operationId: "silent-route", upstream: silent, timeouts: { responseMs: 1000 } }),
    ],
  });
  const aborted = Promise.withResolvers<void>();
  const upstream = async (request: Request) => {
    request.signal.addEventListener("abort", () => aborted.resolve());
    await aborted.promise;
    return new Response();
  };
  await using gateway = await watchedGateway({ upstream, config, expect5xx: [502, 504] });
  const client = await registerClient(gateway);
  for (
    const [path, status, name] of [["/alpha", 502, "down-route"], ["/beta", 504, "silent-route"]] as const
  ) {
    const changes = { resource: gateway.origin + path };
    const { access_token } = await obtainTokens(gateway, client, { changes });
    const startedAt = performance.now();
    const response = await callMcp(gateway, path, access_token);
    const took = performance.now() - startedAt;
    assert.equal(response.status, status);
    const body = await response.json();
    assert.deepEqual([body.jsonrpc, body.id, body.error.code], ["2.0", 1, 5020]);
    assert.ok(body.error.message.includes(`"${name}"`));
    assert.doesNotMatch(body.error.message, /127\.0\.0\.1|ECONN|os error/);
    if (status === 504) assert.ok(took >= 1000 && took < 1500, `${took} ms`);
  }
  await within(2000, aborted.promise, "the silent upstream is aborted");
});

async function untilEvent(gateway: WatchedGateway, name: string): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (gateway.events.some(({ event }) => event === name)) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail(`no event ${name}`);
}
