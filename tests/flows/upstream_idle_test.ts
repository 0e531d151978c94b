/** `timeouts.idleMs`: an answer whose upstream falls silent is cut, and nothing else is. */
import assert from "node:assert/strict";
import { rawHost, writeAll } from "../support/document_host.ts";
import { assertUnavailable, chunk, JSON_HEAD, listening, SSE_HEAD } from "../support/faulty_upstream.ts";
import { within, writtenStream } from "../support/written_stream.ts";

Deno.test("idleMs cuts an answer whose upstream falls silent: streams and JSON, with an event, and the slot is free (F22, F23, TR-03)", async () => {
  const timeouts = { idleMs: 300 };
  for (
    const [what, bytes] of [
      ["JSON", `${JSON_HEAD}Content-Length: 1000\r\n\r\n{"jsonrpc":"2.0",`],
      ["nothing", SSE_HEAD],
      ["an event", `${SSE_HEAD}${chunk("data: one\n\n")}`],
    ] as const
  ) {
    let left = 0;
    await using host = rawHost(async (connection) => {
      await connection.read(new Uint8Array(4096));
      await writeAll(connection, bytes);
      try {
        while (await connection.read(new Uint8Array(64)) !== null);
      } finally {
        left++;
      }
    });
    await listening(
      { upstream: `http://127.0.0.1:${host.port}/mcp`, timeouts },
      async ({ call, eventually }) => {
        for (let again = 1; again <= 3; again++) {
          const startedAt = performance.now();
          const response = await call({ signal: AbortSignal.timeout(5000) });
          assert.equal(response.status, 200, what);
          await assert.rejects(within(3000, response.text(), what), what);
          assert.ok(performance.now() - startedAt >= 300, what);
          await untilTrue(() => left === again, `${what}: the upstream is let go`);
        }
        const { reasonCode, operationId, requestId } = await eventually("mcp_upstream_unreachable");
        assert.deepEqual([reasonCode, operationId, typeof requestId], ["upstream_idle", "alpha", "string"]);
      },
    );
  }
});

Deno.test("a stream that a filter reads is cut by idleMs, too, and an answer that it has to read is 502 (F22)", async () => {
  for (
    const bytes of [
      `${SSE_HEAD}${chunk("data: one\n\n")}`,
      `${JSON_HEAD}Content-Length: 1000\r\n\r\n{"jsonrpc"`,
    ]
  ) {
    await using host = rawHost(async (connection) => {
      await connection.read(new Uint8Array(4096));
      await writeAll(connection, bytes);
      while (await connection.read(new Uint8Array(64)) !== null);
    });
    const upstream = `http://127.0.0.1:${host.port}/mcp`;
    await listening({ upstream, timeouts: { idleMs: 300 }, filtered: true }, async ({ call, eventually }) => {
      const response = await call({ signal: AbortSignal.timeout(5000) });
      if (response.status === 502) await assertUnavailable(response, 502, bytes);
      else await assert.rejects(within(3000, response.text(), bytes), bytes);
      assert.equal((await eventually("mcp_upstream_unreachable")).operationId, "alpha");
    });
  }
});

Deno.test("idleMs leaves alone what keeps talking, byte for byte, and ends with its client and its upstream (TR-03, TR-17)", async () => {
  let stream = writtenStream();
  const upstream = () => (stream = writtenStream()).answer();
  await listening({ upstream, timeouts: { idleMs: 500 } }, async ({ call }) => {
    const response = await call();
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    let sent = ": open\n\n";
    for (let event = 0; event < 12; event++) {
      const part = `id: ${event}\r\ndata: ünï ${"x".repeat(event * 900)}\n\n`;
      stream.send(part);
      sent += part;
      while (text.length < sent.length) text += (await within(2000, reader.read(), "an event")).value ?? "";
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.equal(text, sent);
    stream.end();
    assert.equal((await within(2000, reader.read(), "the end")).done, true);
    const client = new AbortController();
    const second = await call({ signal: client.signal });
    assert.equal(second.status, 200, "the ended stream made room");
    await second.body?.getReader().read();
    client.abort();
    await within(1000, stream.cancelled, "the upstream of a client that left");
  });
});

Deno.test("without idleMs a silent stream stays open, and nothing is added to it (TR-03)", async () => {
  const stream = writtenStream();
  await listening({ upstream: stream.answer }, async ({ call }) => {
    const client = new AbortController();
    const response = await call({ signal: client.signal });
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    assert.equal((await reader.read()).value, ": open\n\n");
    const next = reader.read();
    assert.equal(await Promise.race([next, pause(1200, "silent")]), "silent");
    stream.send("data: after\n\n");
    assert.equal((await within(2000, next, "the next event")).value, "data: after\n\n");
    client.abort();
    await within(1000, stream.cancelled, "the upstream");
  });
});

function pause<T>(ms: number, value: T): Promise<T> {
  return new Promise((resolve) => setTimeout(resolve, ms, value));
}

async function untilTrue(condition: () => boolean, what: string): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (condition()) return;
    await pause(10, null);
  }
  assert.fail(what);
}
