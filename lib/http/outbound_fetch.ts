/**
 * The way out for everything that is not MCP traffic. An answer is never followed elsewhere, never larger than the caller allows,
 * and never takes longer than the caller allows, from the first byte sent to the last byte read.
 */

/** Bounds of one outbound request. */
export interface OutboundLimits {
  /** For the whole exchange, in milliseconds. */
  readonly timeoutMs: number;
  /** Largest decoded body, in bytes. */
  readonly maxBytes: number;
}

/** The other side answered something that may not be used: a redirect, or too many bytes. */
export class OutboundError extends Error {
  override readonly name: string = "OutboundError";
}

/** It redirected, which is not followed. */
export class RedirectedError extends OutboundError {
  override readonly name = "RedirectedError";
}

/** `fetch`, as libraries take it. */
export type Fetch = (input: string, init?: RequestInit) => Promise<Response>;

/** `send` as jose and oauth4webapi take it: they hand over a string and a plain init, and their types only differ in breadth. */
export function libraryFetch(send: Fetch): (url: string, init: unknown) => Promise<Response> {
  return (url, init) => send(url, init as RequestInit);
}

/**
 * A `fetch` for URLs that the operator wrote into the configuration: their addresses are not judged.
 * The body has been read when the promise resolves. `client` is for mutual TLS. @throws {OutboundError} @throws {DOMException} `TimeoutError`
 */
export function fetchConfigured(limits: OutboundLimits, client: Deno.HttpClient | null = null): Fetch {
  return async (input, init = {}) => {
    const timeout = AbortSignal.timeout(limits.timeoutMs);
    const signal = init.signal ? AbortSignal.any([timeout, init.signal]) : timeout;
    const options = { ...init, redirect: "manual", signal, ...(client === null ? {} : { client }) } as const;
    const response = await fetch(input, options);
    if (response.status >= 300 && response.status < 400) {
      await response.body?.cancel();
      throw new RedirectedError("The server redirected, which is not followed.");
    }
    const body = await readLimited(response, limits.maxBytes);
    const { status, statusText, headers } = response;
    return new Response([204, 205, 304].includes(status) ? null : body, { status, statusText, headers });
  };
}

async function readLimited(response: Response, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    // Leaving the loop cancels the stream.
    if (size > maxBytes) throw new OutboundError("The answer is too large.");
    chunks.push(chunk);
  }
  return await new Blob(chunks as Uint8Array<ArrayBuffer>[]).bytes(); // what a network stream yields is never shared memory
}
