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
 * What says that it is at most so long, in bytes, is read in one piece into a buffer that has room for it. `text()` takes, zeroes and frees 64 KiB for it,
 * which costs as much as all the rest of a filter.
 */
const READ_EXACTLY_BYTES = 256 * 1024;

/** What is done with a whole answer. */
export interface AnswerReading<Result> {
  /** Of a longer one no more is read. */
  readonly maxBytes: number;
  /** Gets it as text or as bytes, which are lent for as long as it runs. */
  readonly use: (answer: string | Uint8Array) => Result;
  /** What is thrown when it cannot be read; it is told an {@linkcode AnswerTooLargeError}, or how the answer broke off. */
  readonly fault: (error: unknown) => Error;
}

/** Reads an answer as a whole; there is no turn between its last byte and `use`. */
export function readAnswer<Result>(answer: Response, reading: AnswerReading<Result>): Promise<Result> {
  const { maxBytes, use, fault } = reading;
  const stated = answer.headers.get("content-length");
  // What comes is exactly as long: answers are never asked for, nor read, in a compressed form.
  const length = stated === null ? Number.POSITIVE_INFINITY : Number(stated);
  const reader = length > 0 && length <= Math.min(maxBytes, READ_EXACTLY_BYTES)
    ? byobReaderOf(answer.body)
    : null;
  if (reader !== null) return readExactly(reader, length, reading);
  const text = length <= maxBytes ? answer.text() : readAtMost(answer, maxBytes);
  return text.then(use, (error) => {
    throw fault(error);
  });
}

/** `null` for a stream that JavaScript feeds. */
function byobReaderOf(stream: ReadableStream<Uint8Array> | null): ReadableStreamBYOBReader | null {
  try {
    return stream?.getReader({ mode: "byob" }) ?? null;
  } catch {
    return null;
  }
}

function readExactly<Result>(
  reader: ReadableStreamBYOBReader,
  length: number,
  { use, fault }: AnswerReading<Result>,
): Promise<Result> {
  const buffer = length > POOLED_BYTES
    ? new ArrayBuffer(length)
    : pool.pop() ?? new ArrayBuffer(POOLED_BYTES);
  return reader.read(new Uint8Array(buffer, 0, length), { min: length }).then(({ value }) => {
    if (value === undefined || value.byteLength < length) {
      throw fault(new TypeError("The answer is shorter than it says."));
    }
    // Nothing is left to come; to wait for the end would be one more turn.
    reader.cancel().catch(ignore);
    const result = use(value);
    if (value.buffer.byteLength === POOLED_BYTES && pool.length < MAX_POOLED) pool.push(value.buffer);
    return result;
  }, (error) => {
    throw fault(error);
  });
}

/** Buffers of `POOLED_BYTES` that nobody reads into at the moment. What is left in them is never looked at. */
const pool: ArrayBuffer[] = [];
const POOLED_BYTES = 32 * 1024;
/** 2 MiB in all: as many as there may be answers read at the same time before one has to make a buffer. */
const MAX_POOLED = 64;

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
