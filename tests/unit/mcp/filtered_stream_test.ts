/** Bodies that are read before they are handed on: no further than their reader, and no more than a bound. */
import assert from "node:assert/strict";
import { Allowance } from "../../../lib/mcp/capabilities.ts";
import { EventStreamFilter } from "../../../lib/mcp/event_stream_filter.ts";
import { AnswerTooLargeError, filteredStream, readAnswer } from "../../../lib/mcp/filtered_stream.ts";
import { ListCache } from "../../../lib/mcp/list_cache.ts";

const everything = new Allowance(
  { tools: null, prompts: null, resources: null, resourceTemplates: null },
  false,
);
const filter = () =>
  new EventStreamFilter({
    allowance: everything,
    cache: new ListCache(),
    lists: true,
    id: null,
    maxBytes: 1_000_000,
    onUnreadable: () => {},
  });

/** The whole answer as text, and what was wrong with it as it is. */
const textOf = (answer: Response, maxBytes: number) =>
  readAnswer(answer, {
    maxBytes,
    use: (read) => typeof read === "string" ? read : new TextDecoder().decode(read),
    fault: (error) => error instanceof Error ? error : new Error("no error", { cause: error }),
  });

/** A source that counts what is taken from it. */
function source(type?: "bytes") {
  const seen = { pulled: 0, cancelled: 0 };
  const event = new TextEncoder().encode('data: {"a":1}\n\n');
  const underlying = {
    pull(controller: ReadableStreamDefaultController<Uint8Array> | ReadableByteStreamController) {
      seen.pulled++;
      controller.enqueue(event.slice());
    },
    cancel: () => void seen.cancelled++,
  };
  const strategy = { highWaterMark: 0 };
  const body = type === "bytes"
    ? new ReadableStream({ ...underlying, type }, strategy)
    : new ReadableStream<Uint8Array>(underlying, strategy);
  return { seen, body: body as ReadableStream<Uint8Array<ArrayBuffer>> }; // both kinds give bytes
}

for (const type of ["bytes", undefined] as const) {
  Deno.test(`a filtered stream is read only as fast as its reader reads: ${type ?? "default"} (B13 204)`, async () => {
    const { seen, body } = source(type);
    const stream = filteredStream(body, filter());
    const reader = stream.body.getReader();
    for (let events = 1; events <= 3; events++) {
      assert.equal(new TextDecoder().decode((await reader.read()).value), 'data: {"a":1}\n\n');
      assert.equal(seen.pulled, events);
    }
    stream.end();
    assert.equal((await reader.read()).done, true);
    assert.equal(seen.cancelled, 1);
  });
}

Deno.test("an answer is read up to a bound, whatever it says of its length", async () => {
  const chunks = (count: number) =>
    ReadableStream.from(Array.from({ length: count }, () => new TextEncoder().encode("é".repeat(50))));
  assert.equal(await textOf(new Response(chunks(10)), 1_000), "é".repeat(500));
  await assert.rejects(textOf(new Response(chunks(11)), 1_000), AnswerTooLargeError);
  await assert.rejects(
    textOf(new Response(chunks(1), { headers: { "content-length": "1001" } }), 1_000),
    AnswerTooLargeError,
  );
  assert.equal(await textOf(new Response("é", { headers: { "content-length": "2" } }), 1_000), "é");
  assert.equal(await textOf(new Response(null), 1_000), "");
  assert.equal(
    await textOf(new Response("\ufeff{}"), 1_000),
    "{}",
    "a byte order mark is none of the text",
  );
});

/** An answer as the network gives it: in pieces, into the reader's own buffer. */
function answerInPieces(bytes: Uint8Array<ArrayBuffer>, pieceBytes: number, statedBytes: number): Response {
  let sent = 0;
  const body = new ReadableStream({
    type: "bytes",
    pull(controller) {
      controller.enqueue(bytes.slice(sent, sent + pieceBytes));
      sent += pieceBytes;
      if (sent < bytes.length) return;
      controller.close();
      // As the platform does: whoever reads still waits for a full buffer.
      controller.byobRequest?.respond(0);
    },
  });
  return new Response(body, { headers: { "content-length": String(statedBytes) } });
}

Deno.test("an answer that says its length is read as a whole, in whatever pieces it comes", async () => {
  const text = `\ufeff${"é🗝".repeat(100)}`;
  const bytes = new TextEncoder().encode(text);
  for (const pieceBytes of [1, 7, 300, bytes.length]) {
    const answer = answerInPieces(bytes, pieceBytes, bytes.length);
    assert.equal(await textOf(answer, 1_000_000), text.slice(1), String(pieceBytes));
  }
  const long = new Uint8Array(600_000).fill(0x61);
  assert.equal((await textOf(answerInPieces(long, 65_536, long.length), 1_000_000)).length, 600_000);
});

Deno.test("an answer that ends before its length is not taken for a whole one", async () => {
  const bytes = new TextEncoder().encode('{"jsonrpc":"2.0"}');
  await assert.rejects(textOf(answerInPieces(bytes, 5, bytes.length + 1), 1_000), TypeError);
});

Deno.test("answers that are read at the same time do not mix, in whichever buffer they lie", async () => {
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    const number = Number(new URL(request.url).pathname.slice(1));
    return new Response(`${number},`.repeat(1 + 97 * number % 9_000));
  });
  for (let round = 0; round < 3; round++) {
    await Promise.all(Array.from({ length: 200 }, async (_, number) => {
      const answer = await fetch(`http://127.0.0.1:${server.addr.port}/${number}`);
      assert.equal(await textOf(answer, 1_000_000), `${number},`.repeat(1 + 97 * number % 9_000));
    }));
  }
});
