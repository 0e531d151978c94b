/** Attack corpus B13: event streams of a hostile upstream, and clients that come and go. */
import assert from "node:assert/strict";
import { rawHost, writeAll } from "../support/document_host.ts";
import { growsLess, MIB } from "../support/memory.ts";
import { until } from "../support/until.ts";
import { within } from "../support/written_stream.ts";
import { CHUNKED, chunks, pouring, STREAM, streamScene, tinyEvents } from "./stream_scene.ts";

Deno.test("an endless stream to a client that does not read stops at the upstream, with bounded memory (B13 204)", async () => {
  const { host, sent } = pouring(CHUNKED, chunks(`data: ${"x".repeat(60_000)}\n\n`, 1));
  await using _host = host;
  await streamScene({ port: host.port }, async ({ open }) => {
    await growsLess(64 * MIB, async () => {
      const { bytes, left } = sent;
      const client = new AbortController();
      const response = await open({ signal: client.signal });
      let last = -1;
      // What the sockets on the way hold is finite: at some point nothing is taken any more.
      for (let still = 0; still < 5; still = sent.bytes === last ? still + 1 : 0) {
        last = sent.bytes;
        assert.ok(sent.bytes - bytes < 64 * MIB, `the upstream could send ${sent.bytes} bytes to nobody`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      assert.equal(sent.left, left);
      client.abort();
      await assert.rejects(response.text());
      await untilTrue(() => sent.left === left + 1, "the upstream is let go");
    });
  });
});

Deno.test("an event of half a gigabyte without a line break passes in bounded memory (B13 204)", async () => {
  const piece = "x".repeat(65_536);
  const { host, sent } = pouring(CHUNKED, chunks(piece, 16), 512);
  await using _host = host;
  await streamScene({ port: host.port }, async ({ open }) => {
    // Measured when half of it has passed: what was kept would be there.
    await growsLess(128 * MIB, async () => {
      const client = new AbortController();
      const response = await open({ signal: client.signal });
      let size = 0;
      for await (const part of response.body ?? []) {
        size += part.length;
        if (size >= 256 * MIB) break;
      }
      assert.ok(size >= 256 * MIB);
      client.abort();
    });
    const { left } = sent;
    let size = 0;
    for await (const part of (await open()).body ?? []) size += part.length;
    assert.equal(size, 512 * MIB);
    await untilTrue(() => sent.left > left, "the upstream is let go");
  });
});

Deno.test("a hundred thousand tiny events pass, each of them, in bounded memory (B13 204)", async () => {
  await tinyEvents(100_000);
});

Deno.test("bytes that mean something to somebody pass as they are: NUL, odd line ends, no UTF-8 (B13 204)", async () => {
  const bytes = Uint8Array.from([
    ...new TextEncoder().encode("id: 1\0\r\ndata: a\rdata: b\u2028\n\nretry: 1e400\n\n: \ufeff\n\n"),
    0xff,
    0xfe,
    0xc3,
    0x0a,
  ]);
  const upstream = () => new Response(bytes, { headers: { "content-type": "text/event-stream" } });
  await streamScene({ upstream }, async ({ open }) => {
    assert.deepEqual(await (await open()).bytes(), bytes);
  });
});

Deno.test("headers that never end, or are too many or too long, are 502 or 504 in time and in bounded memory (B13 204)", async () => {
  const line = new TextEncoder().encode(`X-Pad: ${"x".repeat(1000)}\r\n`);
  const slow = rawHost(async (connection) => {
    await connection.read(new Uint8Array(4096));
    await writeAll(connection, STREAM);
    for (;;) {
      await writeAll(connection, "X-Slow: x\r\n");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });
  const endless = pouring(STREAM, line).host;
  const one = pouring(`${STREAM}X-Long: `, new TextEncoder().encode("x".repeat(65_536))).host;
  const informational =
    pouring("", new TextEncoder().encode("HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n")).host;
  for (const [what, host] of Object.entries({ slow, endless, one, informational })) {
    await using upstream = host;
    await streamScene({ port: upstream.port, responseMs: 1000, expect5xx: [502, 504] }, async ({ open }) => {
      await growsLess(64 * MIB, async () => {
        const startedAt = performance.now();
        const response = await within(5000, open(), what);
        assert.ok(response.status === 502 || response.status === 504, `${what}: ${response.status}`);
        assert.equal((await response.json()).error.code, 5020);
        assert.ok(performance.now() - startedAt < 3000, what);
      });
    });
  }
});

/** Streams of the test's own: those that are open at the upstream, and how long the longest took to be cancelled. */
function openStreams() {
  const open = new Set<ReadableStreamDefaultController<Uint8Array>>();
  return {
    open,
    upstream: () => {
      let mine: ReadableStreamDefaultController<Uint8Array>;
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          mine = controller;
          open.add(mine);
          mine.enqueue(new TextEncoder().encode(": open\n\n"));
        },
        cancel: () => void open.delete(mine),
      });
      return new Response(body, { headers: { "content-type": "text/event-stream" } });
    },
  };
}

Deno.test("a thousand clients that leave in the middle of their streams leave nothing behind, each within a second (B13 205, TR-17, F26)", async () => {
  const { open: atUpstream, upstream } = openStreams();
  await streamScene({ upstream, config: () => ({ limits: { streamsPerUser: 25 } }) }, async ({ open }) => {
    const leave = async () => {
      const client = new AbortController();
      const response = await open({ signal: client.signal });
      assert.equal(response.status, 200, "the streams before have made room");
      await response.body?.getReader().read();
      client.abort();
    };
    let slowest = 0;
    const round = async () => {
      await Promise.all(Array.from({ length: 25 }, leave));
      const leftAt = performance.now();
      await untilTrue(() => atUpstream.size === 0, `${atUpstream.size} streams are still open`);
      slowest = Math.max(slowest, performance.now() - leftAt);
      // The gateway has noticed when it has told so.
      await new Promise((resolve) => setTimeout(resolve, 20));
    };
    await round();
    await growsLess(64 * MIB, async () => {
      for (let turn = 0; turn < 40; turn++) await round();
    });
    assert.ok(slowest < 1000, `${slowest} ms`);
  });
});

Deno.test("one user's streams are bounded, all users' together too, and others are not affected (B17 262, RS-14)", async () => {
  const { open: atUpstream, upstream } = openStreams();
  const config = () => ({ limits: { streams: 30, streamsPerUser: 20 } });
  await streamScene({ upstream, config }, async ({ gateway, open, call }) => {
    const clients = new AbortController();
    const attempts = async (user: string, count: number) => {
      const answers = await Promise.all(
        Array.from({ length: count }, () => open({ user, signal: clients.signal })),
      );
      for (const { status, headers, body } of answers) {
        assert.ok(status === 200 || status === 429);
        if (status === 429) {
          assert.ok(Number(headers.get("retry-after")) > 0);
          await body?.cancel();
        }
      }
      return answers.filter(({ status }) => status === 200).length;
    };
    assert.equal(await attempts("alice", 200), 20);
    assert.equal(await attempts("bob", 50), 10, "what is left of all");
    await untilTrue(() => atUpstream.size === 30, "the refused ones are not kept open at the upstream");
    const refused = gateway.events.filter(({ event }) => event === "http_rate_limited");
    assert.equal(refused.length, 220);
    assert.ok(refused.every(({ reasonCode }) => reasonCode === "too_many_streams"));
    // The upstream has had a call by the time it answers with a stream: who would repeat it has to know.
    const answer = await call();
    const { id, error } = await answer.json();
    assert.deepEqual([answer.status, id, error.code], [429, 7, 4290]);
    assert.match(error.message, /may have been carried out/);
    clients.abort();
    await untilTrue(() => atUpstream.size === 0, "all are let go");
  });
});

async function untilTrue(condition: () => boolean, what: string): Promise<void> {
  await until(what, condition, { seconds: 20 });
}
