/** An upstream that fails in the middle of things: what the client gets, that it is never a result, and that nothing stays behind. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { watchedGateway } from "../security/watched_gateway.ts";
import { freePort } from "../support/child_process.ts";
import { rawAnswer, rawHost, writeAll } from "../support/document_host.ts";
import { assertUnavailable, chunk, JSON_HEAD, listening, SSE_HEAD } from "../support/faulty_upstream.ts";
import { callMcp, obtainTokens, registerClient } from "../support/oauth_flow.ts";
import { within } from "../support/written_stream.ts";

/** Upstreams that end before there is an answer. */
const BEFORE: Readonly<Record<string, ((connection: Deno.TcpConn) => Promise<void>) | null>> = {
  "refuses the connection": null,
  "closes without a word": (connection) => connection.read(new Uint8Array(4096)).then(() => {}),
  "closes in the middle of the headers": rawAnswer("HTTP/1.1 200 OK\r\nContent-Ty"),
  "answers no HTTP": rawAnswer("SSH-2.0-OpenSSH_9.9\r\n\r\n"),
  "answers two lengths": rawAnswer(`${JSON_HEAD}Content-Length: 2\r\nContent-Length: 4\r\n\r\n{}xx`),
};

Deno.test("an upstream that is gone before it answers is 502 with an error and never a result (F21)", async () => {
  for (const [what, talk] of Object.entries(BEFORE)) {
    await using host = talk === null ? null : rawHost(talk);
    const upstream = `http://127.0.0.1:${host?.port ?? freePort()}/mcp`;
    await listening({ upstream }, async ({ call, eventually }) => {
      await assertUnavailable(await call(), 502, what);
      assert.equal((await eventually("mcp_upstream_unreachable")).reasonCode, "upstream_unreachable", what);
    });
  }
});

/** Answers that nobody could make anything of. */
const UNUSABLE: readonly (readonly [reason: string, head: string])[] = [
  ["upstream_status_unknown", "HTTP/1.1 600 Odd\r\n"],
  ["upstream_status_unknown", "HTTP/1.1 999 Odd\r\nContent-Type: text/event-stream\r\n"],
  ["upstream_answer_packed", `${JSON_HEAD}Content-Encoding: deflate\r\n`],
  ["upstream_answer_packed", "HTTP/1.1 400 Bad\r\nContent-Encoding: identity, gzip\r\n"],
];

Deno.test("a status that is none, and packed bytes that nobody asked for, are 502, told once, and the upstream is let go (F21)", async () => {
  for (const [reason, head] of UNUSABLE) {
    const left = Promise.withResolvers<void>();
    await using host = rawHost(async (connection) => {
      await connection.read(new Uint8Array(4096));
      // More is announced than comes: the answer stays open until somebody lets go of it.
      await writeAll(connection, `${head}Content-Length: 100\r\n\r\n{}`);
      try {
        while (await connection.read(new Uint8Array(64)) !== null);
      } finally {
        left.resolve();
      }
    });
    await listening({ upstream: `http://127.0.0.1:${host.port}/mcp` }, async ({ call, gateway }) => {
      const response = await call();
      assert.equal(response.status, 502, head);
      assert.equal((await response.json()).error.code, 5020);
      await within(1000, left.promise, `the upstream of ${head}`);
      const told = gateway.events.filter(({ event }) => event === "mcp_capability_completed");
      assert.deepEqual(told.map(({ status, reasonCode }) => [status, reasonCode]), [[502, reason]]);
    });
  }
});

Deno.test("who leaves while a filter reads the answer has cancelled; it is no fault of the upstream's (TR-17)", async () => {
  const begun = Promise.withResolvers<void>();
  await using host = rawHost(async (connection) => {
    await connection.read(new Uint8Array(4096));
    // So much fits into no buffer on the way: once it is written, the gateway reads.
    await writeAll(connection, `${JSON_HEAD}Content-Length: 8000000\r\n\r\n${" ".repeat(7_900_000)}`);
    begun.resolve();
    while (await connection.read(new Uint8Array(64)) !== null);
  });
  const upstream = `http://127.0.0.1:${host.port}/mcp`;
  await listening({ upstream, filtered: true }, async ({ call, eventually, gateway }) => {
    const client = new AbortController();
    const list = '{"jsonrpc":"2.0","id":1,"method":"resources/directory"}';
    const answer = call({ signal: client.signal, body: list });
    await begun.promise;
    client.abort();
    await assert.rejects(answer);
    assert.equal((await eventually("mcp_capability_completed")).outcome, "cancelled");
    assert.ok(!gateway.events.some(({ event }) => event === "mcp_upstream_unreachable"));
  });
});

Deno.test("a name that does not exist, and TLS that is none, are 502 (F21)", async () => {
  await using plain = rawHost(rawAnswer(`${JSON_HEAD}Content-Length: 2\r\n\r\n{}`));
  for (const upstream of ["http://no-such-name.invalid/mcp", `https://127.0.0.1:${plain.port}/mcp`]) {
    await listening({ upstream }, async ({ call }) => assertUnavailable(await call(), 502, upstream));
  }
});

/** Upstreams that end in the middle of an answer: what they send, and how they leave. */
const MIDDLE: readonly (readonly [string, string])[] = [
  ["a JSON body shorter than its length", `${JSON_HEAD}Content-Length: 1000\r\n\r\n{"jsonrpc":"2.0","id":1,`],
  [
    "a chunked JSON body without its end",
    `${JSON_HEAD}Transfer-Encoding: chunked\r\n\r\n${chunk('{"jsonrpc"')}`,
  ],
  ["a stream in the middle of an event", `${SSE_HEAD}${chunk("data: one\n\ndata: tw")}`],
  ["a stream in the middle of a chunk", `${SSE_HEAD}${chunk("data: one\n\n")}ff\r\ndata: tw`],
];

Deno.test("an answer that breaks off is cut, so that no client takes a part for the whole, and its slot is free (F23)", async () => {
  for (const [what, bytes] of MIDDLE) {
    await using host = rawHost(rawAnswer(bytes));
    await listening({ upstream: `http://127.0.0.1:${host.port}/mcp` }, async ({ call, raw }) => {
      for (let again = 0; again < 3; again++) {
        const response = await call();
        assert.equal(response.status, 200, what);
        await assert.rejects(within(3000, response.text(), what), what);
      }
      const { text, closed } = await raw();
      assert.ok(closed, what);
      assert.ok(!text.endsWith("0\r\n\r\n"), `${what}: the body looks whole: ${text.slice(-40)}`);
    });
  }
});

Deno.test("an answer that begins and then says nothing ends with its client, at both ends (F23, TR-17)", async () => {
  for (const head of [`${JSON_HEAD}Content-Length: 1000\r\n\r\n`, `${JSON_HEAD}\r\n{`, SSE_HEAD]) {
    const left = Promise.withResolvers<void>();
    await using host = rawHost(async (connection) => {
      await connection.read(new Uint8Array(4096));
      await writeAll(connection, head);
      try {
        while (await connection.read(new Uint8Array(64)) !== null);
      } finally {
        left.resolve();
      }
    });
    await listening({ upstream: `http://127.0.0.1:${host.port}/mcp` }, async ({ call }) => {
      const client = new AbortController();
      const response = await call({ signal: client.signal });
      assert.equal(response.status, 200);
      client.abort();
      await assert.rejects(response.text());
      await within(1000, left.promise, `the upstream of ${JSON.stringify(head.slice(17))}`);
    });
  }
});

Deno.test("a connection that is reset in the middle of an event cuts the stream (F23)", async () => {
  const server = createServer((socket) => {
    socket.once("data", () => {
      socket.write(`${SSE_HEAD}${chunk("data: one\n\ndata: tw")}`, () => socket.resetAndDestroy());
    });
    socket.on("error", () => {});
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // A listening TCP server has an address with a port.
  const { port } = server.address() as AddressInfo;
  try {
    await listening({ upstream: `http://127.0.0.1:${port}/mcp` }, async ({ call }) => {
      for (let again = 0; again < 3; again++) {
        // Whether the reset overtakes the headers is up to the network.
        const response = await call();
        if (response.status === 502) await assertUnavailable(response, 502, "reset");
        else await assert.rejects(within(3000, response.text(), "reset"));
      }
    });
  } finally {
    server.close();
    await once(server, "close");
  }
});

Deno.test("an upstream that hangs hinders no other route, and no other user of its own (F21)", async () => {
  const hanging: Promise<Response>[] = [];
  const upstream = async (request: Request) => {
    if ((await request.clone().text()).includes("hang")) {
      await new Promise((resolve) => setTimeout(resolve, 1500));
    }
    return Response.json({ jsonrpc: "2.0", id: 1, result: {} });
  };
  await using gateway = await watchedGateway({ upstream, users: ["alice", "bob"] });
  const client = await registerClient(gateway);
  const tokenFor = async (user: string, path: string) =>
    (await obtainTokens(gateway, client, { user, changes: { resource: gateway.origin + path } }))
      .access_token;
  const [hers, his, elsewhere] = [
    await tokenFor("alice", "/alpha"),
    await tokenFor("bob", "/alpha"),
    await tokenFor("alice", "/beta"),
  ];
  const hang = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "hang" } };
  for (let count = 0; count < 100; count++) hanging.push(callMcp(gateway, "/alpha", hers, { message: hang }));
  const startedAt = performance.now();
  assert.equal((await callMcp(gateway, "/alpha", his)).status, 200);
  assert.equal((await callMcp(gateway, "/beta", elsewhere)).status, 200);
  assert.ok(performance.now() - startedAt < 1000, `${performance.now() - startedAt} ms`);
  for (const response of await Promise.all(hanging)) assert.equal(response.status, 200);
});
