/** Bodies up to a limit, with and without a stated length. */
import assert from "node:assert/strict";
import { BodyTooLargeError, readBody } from "../../../lib/http/body.ts";

const LIMIT = 1000;

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
  assert.equal((await readBody(sized(LIMIT), LIMIT)).length, LIMIT);
  assert.equal((await readBody(sized(0), LIMIT)).length, 0);
  const large = sized(LIMIT + 1);
  await assert.rejects(() => readBody(large, LIMIT), BodyTooLargeError);
  assert.equal(large.bodyUsed, false);
});

Deno.test("a body without a length is read piece by piece, in order", async () => {
  const { request } = streamed(4, 250);
  const body = await readBody(request, LIMIT);
  assert.deepEqual([...new Set(body)], [1, 2, 3, 4]);
  assert.equal(body.length, LIMIT);
});

Deno.test("an endless body without a length is left as soon as it exceeds the limit (B13 198)", async () => {
  const { taken, request } = streamed(Infinity, 300);
  await assert.rejects(() => readBody(request, LIMIT), BodyTooLargeError);
  assert.equal(taken.cancelled, true);
  assert.ok(taken.pieces <= 5, `${taken.pieces} pieces taken`);
});

Deno.test("a request without a body has none", async () => {
  assert.equal((await readBody(new Request("http://gw.test/"), LIMIT)).length, 0);
});

Deno.test("through a real server: chunked bodies are cut off, and contradicting lengths never arrive (B1 013)", async () => {
  const sizes: (number | string)[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    try {
      sizes.push((await readBody(request, LIMIT)).length);
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
