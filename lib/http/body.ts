/** Reads a request's body up to a limit, and for no longer than a body of that size may take. */

import { Buffer } from "node:buffer";

/** The body is larger than the endpoint takes; 413. */
export class BodyTooLargeError extends Error {
  override readonly name = "BodyTooLargeError";
}

/** The body is not UTF-8. */
export class NotUtf8Error extends Error {
  override readonly name = "NotUtf8Error";
}

/** The body did not come in time; 408. */
export class BodyTimeoutError extends Error {
  override readonly name = "BodyTimeoutError";
}

/** The body broke off or stopped being HTTP: in most cases its sender is gone, and nobody is left to tell; 400. */
export class BodyIncompleteError extends Error {
  override readonly name = "BodyIncompleteError";
}

/** What one body may cost. */
export interface BodyLimits {
  readonly maxBytes: number;
  readonly deadlines: {
    /** Calls `expire` in `ms` milliseconds, unless it is called off before. */
    start(ms: number, expire: () => void): { stop(): void };
  };
}

/** Every body may take this long, in milliseconds, */
const BASE_MS = 30_000;
/** and one of so many bytes a second longer: half a megabit per second is a bad connection, a byte per second is an attack. */
const BYTES_PER_SECOND = 65_536;
/**
 * A body that says that it is no larger is read by the platform in one go, which is the fastest way, but cannot be left once begun.
 * So much may then stay in memory until its sender gives up. Of a larger one, nothing does.
 */
const READ_AT_ONCE_BYTES = 65_536;

const strictDecoder = new TextDecoder("utf-8", { fatal: true });

/**
 * The body as text. @throws {BodyTooLargeError} @throws {BodyTimeoutError} @throws {BodyIncompleteError} @throws {NotUtf8Error}
 *
 * The platform's own decoder replaces what is no UTF-8, so that the text is then of another length; the few replacements that keep the
 * length are what everybody sees from here on.
 */
export function readText(request: Request, limits: BodyLimits): Promise<string> {
  const length = statedLength(request);
  if (length === null || length > READ_AT_ONCE_BYTES || length > limits.maxBytes) {
    return readBody(request, limits).then(decoded);
  }
  return inTime(request.text(), {
    bytes: length,
    limits,
    fault: (text) =>
      text.includes("\ufffd") && Buffer.byteLength(text) !== length ? new NotUtf8Error() : null,
  });
}

function decoded(bytes: Uint8Array): string {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    throw new NotUtf8Error();
  }
}

/** All bytes of the body. @throws {BodyTooLargeError} @throws {BodyTimeoutError} @throws {BodyIncompleteError} */
export async function readBody(request: Request, limits: BodyLimits): Promise<Uint8Array<ArrayBuffer>> {
  const length = statedLength(request);
  if (length !== null && length > limits.maxBytes) throw new BodyTooLargeError();
  if (length !== null && length <= READ_AT_ONCE_BYTES) {
    return await inTime(request.bytes(), { bytes: length, limits, fault: () => null });
  }
  if (request.body === null) return new Uint8Array(0);
  return await readPieces(request.body, length ?? limits.maxBytes, limits);
}

/** `null`: not told, or not in one number. A header that stands twice comes as a list; such a body is counted as it comes. */
function statedLength(request: Request): number | null {
  const digits = request.headers.get("content-length");
  if (digits === null || digits === "") return null;
  let length = 0;
  for (let at = 0; at < digits.length; at++) {
    const digit = digits.charCodeAt(at) - ZERO;
    if (digit < 0 || digit > 9) return null;
    length = 10 * length + digit;
  }
  return length;
}

const ZERO = 0x30;

/** A body that the platform reads, unless it takes too long or `fault` finds one. */
function inTime<Value>(
  reading: Promise<Value>,
  { bytes, limits, fault }: {
    readonly bytes: number;
    readonly limits: BodyLimits;
    readonly fault: (value: Value) => Error | null;
  },
): Promise<Value> {
  return new Promise((resolve, reject) => {
    const deadline = limits.deadlines.start(timeFor(bytes), () => reject(new BodyTimeoutError()));
    reading.then((value) => {
      deadline.stop();
      const found = fault(value);
      if (found === null) resolve(value);
      else reject(found);
    }, (cause) => {
      deadline.stop();
      reject(new BodyIncompleteError(undefined, { cause }));
    });
  });
}

/** Piece by piece: it can be left at any time, and what was read so far with it. */
async function readPieces(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  bytes: number,
  { maxBytes, deadlines }: BodyLimits,
): Promise<Uint8Array<ArrayBuffer>> {
  const reader = stream.getReader();
  let late = false;
  const deadline = deadlines.start(timeFor(bytes), () => {
    late = true;
    // The read that waits is then done.
    reader.cancel().catch(ignore);
  });
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  try {
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      size += piece.value.byteLength;
      if (size > maxBytes) throw new BodyTooLargeError();
      pieces.push(piece.value);
    }
  } catch (error) {
    reader.cancel().catch(ignore);
    throw error instanceof BodyTooLargeError ? error : new BodyIncompleteError(undefined, { cause: error });
  } finally {
    deadline.stop();
  }
  if (late) throw new BodyTimeoutError();
  return Buffer.concat(pieces);
}

function timeFor(bytes: number): number {
  return BASE_MS + bytes / BYTES_PER_SECOND * 1000;
}

/** What is left already cannot be left again. */
function ignore(): void {}
