/** Reads a request's body up to a limit. */

import { Buffer } from "node:buffer";

/** The body is larger than the endpoint takes; 413. */
export class BodyTooLargeError extends Error {
  override readonly name = "BodyTooLargeError";
}

/** The body is not UTF-8. */
export class NotUtf8Error extends Error {
  override readonly name = "NotUtf8Error";
}

const strictDecoder = new TextDecoder("utf-8", { fatal: true });

/**
 * The body as text. @throws {BodyTooLargeError} beyond `limit` bytes. @throws {NotUtf8Error}
 *
 * Where the length is known, the platform's own decoder is used, which is the fastest way to a request's body. It replaces what is no
 * UTF-8, so that the text is then of another length; the few replacements that keep the length are what everybody sees from here on.
 */
export async function readText(request: Request, limit: number): Promise<string> {
  const length = request.headers.get("content-length");
  if (length === null) {
    try {
      return strictDecoder.decode(await readBody(request, limit));
    } catch (error) {
      throw error instanceof BodyTooLargeError ? error : new NotUtf8Error();
    }
  }
  if (Number(length) > limit) throw new BodyTooLargeError();
  const text = await request.text();
  if (text.includes("\ufffd") && Buffer.byteLength(text) !== Number(length)) throw new NotUtf8Error();
  return text;
}

/** All bytes of the body. @throws {BodyTooLargeError} as soon as it is known to exceed `limit` bytes. */
export async function readBody(request: Request, limit: number): Promise<Uint8Array<ArrayBuffer>> {
  const length = request.headers.get("content-length");
  if (length !== null) {
    if (Number(length) > limit) throw new BodyTooLargeError();
    return await request.bytes();
  }
  if (request.body === null) return new Uint8Array(0);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body) {
    size += chunk.byteLength;
    // Leaving the loop cancels the stream, and so the rest of the upload.
    if (size > limit) throw new BodyTooLargeError();
    chunks.push(chunk);
  }
  const body = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    body.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return body;
}
