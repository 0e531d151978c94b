/** A body that has to be read before it is handed on: an event stream through its filter, or an answer as a whole. */
import type { EventStream } from "./event_stream.ts";
import type { EventStreamFilter } from "./event_stream_filter.ts";

/** Large enough for the event that answers a request; small enough to be held for as long as a stream is idle. */
const CHUNK_BYTES = 8_192;

/** Passes a stream through a filter; it is read only as fast as the client reads. */
export function filteredStream(
  upstream: ReadableStream<Uint8Array<ArrayBuffer>>,
  filter: EventStreamFilter,
): EventStream {
  const reader = readerOf(upstream);
  const end = () => void reader.cancel().catch(ignore);
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      // Until there is something to hand on: an event may come in many pieces.
      while (true) {
        const { done, value } = await reader.read();
        const ready = done ? filter.end() : filter.push(value);
        if (ready.length > 0) controller.enqueue(ready);
        if (done || filter.over) {
          if (!done) end();
          return controller.close();
        }
        if (ready.length > 0) return;
      }
    },
    cancel: end,
  }, { highWaterMark: 0 });
  return { body, end };
}

/** Reads with a buffer of our own size, where the stream allows that: it is held for as long as the stream is idle. */
function readerOf(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): Pick<ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>, "read" | "cancel"> {
  const reader = byobReaderOf(stream);
  // One that JavaScript feeds holds no more than it is asked for.
  if (reader === null) return stream.getReader();
  return {
    async read() {
      const { done, value } = await reader.read(new Uint8Array(CHUNK_BYTES));
      return done || value === undefined ? { done: true } : { done: false, value };
    },
    cancel: () => reader.cancel(),
  };
}

/** The answer is longer than what may be held in memory. */
export class AnswerTooLargeError extends Error {
  override readonly name = "AnswerTooLargeError";
}

/**
 * What says that it is at most so long is read into a buffer of just that length, in bytes. `text()` takes, zeroes and frees 64 KiB for it,
 * which costs as much as all the rest of a filter.
 */
const READ_EXACTLY_BYTES = 256 * 1024;

/** The whole answer as text. @throws {AnswerTooLargeError} beyond `maxBytes`, having read no more than that. */
export function readAnswer(answer: Response, maxBytes: number): Promise<string> {
  const stated = answer.headers.get("content-length");
  // What comes is exactly as long: answers are never asked for, nor read, in a compressed form.
  const length = stated === null ? Number.POSITIVE_INFINITY : Number(stated);
  if (!(length <= maxBytes)) return readAtMost(answer, maxBytes);
  const reader = length > 0 && length <= READ_EXACTLY_BYTES ? byobReaderOf(answer.body) : null;
  return reader === null ? answer.text() : readExactly(reader, length);
}

/** `null` for a stream that JavaScript feeds. */
function byobReaderOf(stream: ReadableStream<Uint8Array> | null): ReadableStreamBYOBReader | null {
  try {
    return stream?.getReader({ mode: "byob" }) ?? null;
  } catch {
    return null;
  }
}

async function readExactly(reader: ReadableStreamBYOBReader, length: number): Promise<string> {
  let bytes = new Uint8Array(length);
  for (let filled = 0; filled < length;) {
    const { value } = await reader.read(bytes.subarray(filled));
    if (value === undefined || value.byteLength === 0) {
      throw new TypeError("The answer is shorter than it says.");
    }
    filled += value.byteLength;
    // The buffer itself went to the stream and has come back as another.
    bytes = new Uint8Array(value.buffer);
  }
  // Nothing is left to come; to wait for the end would be one more turn.
  reader.cancel().catch(ignore);
  return decoder.decode(bytes);
}

const decoder = new TextDecoder();

async function readAtMost(answer: Response, maxBytes: number): Promise<string> {
  if (answer.body === null) return "";
  if (Number(answer.headers.get("content-length")) > maxBytes) {
    await answer.body.cancel();
    throw new AnswerTooLargeError();
  }
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  for await (const chunk of answer.body) {
    size += chunk.byteLength;
    // Leaving the loop cancels the stream.
    if (size > maxBytes) throw new AnswerTooLargeError();
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** Cancelling what has failed already fails the same way; whoever reads the stream has been told. */
function ignore(): void {}
