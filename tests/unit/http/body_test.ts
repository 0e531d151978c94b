/** Bodies up to a limit, with and without a stated length. */
import assert from "node:assert/strict";
import {
  BodyIncompleteError,
  BodyTimeoutError,
  BodyTooLargeError,
  NotUtf8Error,
  readBody,
  readText,
} from "../../../lib/http/body.ts";

const LIMIT = 1000;

/** Time that does not pass unless a test says so. */
const limits = { maxBytes: LIMIT, deadlines: { start: () => ({ stop() {} }) } };

/** A body in pieces without a length, and how much of it was taken. */
function streamed(pieces: number, size: number) {
  const taken = { pieces: 0, cancelled: false };
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (taken.pieces === pieces) return controller.close();
      taken.pieces++;
      controller.enqueue(new Uint8Array(size).fill(taken.pieces));
    },
    cancel() {
      taken.cancelled = true;
    },
  }, { highWaterMark: 0 });
  return { taken, request: new Request("http://gw.test/", { method: "POST", body }) };
}

function sized(length: number, stated = String(length)): Request {
  return new Request("http://gw.test/", {
    method: "POST",
    body: new Uint8Array(length).fill(7),
    headers: { "content-length": stated },
  });
}

Deno.test("a body with a length is read up to the limit and not beyond (B13 198)", async () => {
  assert.equal((await readBody(sized(LIMIT), limits)).length, LIMIT);
  assert.equal((await readBody(sized(0), limits)).length, 0);
  const large = sized(LIMIT + 1);
  await assert.rejects(() => readBody(large, limits), BodyTooLargeError);
  assert.equal(large.bodyUsed, false);
});

Deno.test("a length that is no one number is none: the body is counted as it comes (B13 198, 206)", async () => {
  for (const stated of ["5, 5", "5,5", "", "x", "1e9", "-1"]) {
    for (const read of [readBody, readText]) {
      assert.equal((await read(sized(LIMIT, stated), limits)).length, LIMIT, stated);
      await assert.rejects(() => read(sized(LIMIT + 1, stated), limits), BodyTooLargeError, stated);
    }
  }
});

Deno.test("a body without a length is read piece by piece, in order", async () => {
  const { request } = streamed(4, 250);
  const body = await readBody(request, limits);
  assert.deepEqual([...new Set(body)], [1, 2, 3, 4]);
  assert.equal(body.length, LIMIT);
});

Deno.test("an endless body without a length is left as soon as it exceeds the limit (B13 198)", async () => {
  const { taken, request } = streamed(Infinity, 300);
  await assert.rejects(() => readBody(request, limits), BodyTooLargeError);
  assert.equal(taken.cancelled, true);
  assert.ok(taken.pieces <= 5, `${taken.pieces} pieces taken`);
});

Deno.test("a request without a body has none", async () => {
  assert.equal((await readBody(new Request("http://gw.test/"), limits)).length, 0);
});

Deno.test("through a real server: chunked bodies are cut off, and contradicting lengths never arrive (B1 013)", async () => {
  const sizes: (number | string)[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    try {
      sizes.push((await readBody(request, limits)).length);
    } catch (error) {
      sizes.push(error instanceof Error ? error.name : "unknown");
      return new Response(null, { status: 413, headers: { connection: "close" } });
    }
    return new Response();
  });
  const chunk = (size: number) => `${size.toString(16)}\r\n${"x".repeat(size)}\r\n`;
  const send = async (headers: string, body: string) => {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: server.addr.port });
    await connection.write(
      new TextEncoder().encode(`POST / HTTP/1.1\r\nHost: gw.test\r\n${headers}\r\n\r\n${body}`),
    );
    const answer = new Uint8Array(1024);
    return new TextDecoder().decode(answer.subarray(0, await connection.read(answer) ?? 0)).slice(9, 12);
  };
  try {
    assert.equal(await send("Transfer-Encoding: chunked", `${chunk(600)}${chunk(400)}0\r\n\r\n`), "200");
    assert.equal(await send("Transfer-Encoding: chunked", `${chunk(600)}${chunk(401)}0\r\n\r\n`), "413");
    assert.deepEqual(sizes, [1000, "BodyTooLargeError"]);
    for (
      const headers of [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: five",
      ]
    ) assert.equal(await send(headers, `${chunk(2000)}0\r\n\r\n`), "400", headers);
    assert.equal(sizes.length, 2);
  } finally {
    await server.shutdown();
  }
});

Deno.test("text is UTF-8 or nothing, read at once and read in pieces (TR-01)", async () => {
  const limits = { maxBytes: 1_000_000, deadlines: { start: () => ({ stop() {} }) } };
  const large = (text: string) => text.repeat(200_000 / text.length);
  for (const text of ["a", "\u00fc", "\ufffd", large("\u00e9\u{1f511} "), large("ab")]) {
    const bytes = new TextEncoder().encode(text);
    for (const headers of [{}, { "content-length": String(bytes.length) }]) {
      const request = () => new Request("http://gw.test/", { method: "POST", body: bytes, headers });
      assert.equal(await readText(request(), limits), text);
      const spoiled = bytes.slice();
      spoiled[spoiled.length - 1] = 0xff;
      const bad = new Request("http://gw.test/", { method: "POST", body: spoiled, headers });
      await assert.rejects(() => readText(bad, limits), NotUtf8Error);
    }
  }
});

/** Deadlines of the test's own: when they were to come, and a way to let them. */
function heldDeadlines() {
  const running = new Set<() => void>();
  const asked: number[] = [];
  return {
    asked,
    running,
    expire: () => running.forEach((expire) => expire()),
    start(ms: number, expire: () => void) {
      asked.push(ms);
      running.add(expire);
      return { stop: () => void running.delete(expire) };
    },
  };
}

/** A body that begins and does not end. */
function begun(length: number | null) {
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new TextEncoder().encode("{")),
    cancel() {
      cancelled = true;
    },
  });
  const headers = length === null ? {} : { "content-length": String(length) };
  const request = new Request("http://gw.test/", { method: "POST", body, headers });
  return { request, wasCancelled: () => cancelled };
}

Deno.test("a body that does not come to its end is left in time, which grows with what it may be (B13 206)", async () => {
  const maxBytes = 4_194_304;
  for (const read of [readBody, readText]) {
    for (
      const [length, ms] of [[100, 30_002], [65_536, 31_000], [655_360, 40_000], [null, 94_000]] as const
    ) {
      const deadlines = heldDeadlines();
      const { request, wasCancelled } = begun(length);
      const reading = read(request, { maxBytes, deadlines });
      const settled = assert.rejects(reading, BodyTimeoutError);
      await new Promise((resolve) => setTimeout(resolve, 0));
      assert.deepEqual(deadlines.asked.map(Math.round), [ms]);
      deadlines.expire();
      await settled;
      assert.equal(wasCancelled(), length === null || length > 65_536, String(length));
    }
  }
});

Deno.test("a body in time leaves no deadline behind, whatever became of it (B13 206)", async () => {
  const deadlines = heldDeadlines();
  const limits = { maxBytes: LIMIT, deadlines };
  assert.equal(await readText(sized(7), limits), "\x07".repeat(7));
  assert.equal((await readBody(streamed(2, 10).request, limits)).length, 20);
  await assert.rejects(() => readBody(streamed(Infinity, 300).request, limits), BodyTooLargeError);
  await assert.rejects(() => readText(sized(LIMIT + 1), limits), BodyTooLargeError);
  for (const headers of [{}, { "content-length": "5" }]) {
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.error(new Error("gone")),
    });
    const request = new Request("http://gw.test/", { method: "POST", body, headers });
    await assert.rejects(() => readText(request, limits), BodyIncompleteError);
  }
  assert.equal(deadlines.running.size, 0);
});
