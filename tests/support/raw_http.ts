/** Bytes as an attacker writes them: the gateway's own router behind a real `Deno.serve`, asked over a bare socket. */
import { createApp } from "../../routes/app.ts";
import type { Harness } from "./harness.ts";

/** A listening gateway. */
export interface RawServer extends AsyncDisposable {
  readonly port: number;
}

/** Serves the gateway of a harness, with its store, clock and events, on a port of its own or the given one. */
export function serveHarness(
  harness: Pick<Harness, "services" | "gateway"> & Partial<Pick<Harness, "appOptions">>,
  port = 0,
): RawServer {
  const app = createApp(harness.services, harness.gateway, harness.appOptions);
  const server = Deno.serve(
    { hostname: "127.0.0.1", port, onListen() {} },
    (request, delivery) => app.handle(request, { peer: delivery.remoteAddr.hostname, delivery }),
  );
  return {
    port: server.addr.port,
    async [Symbol.asyncDispose]() {
      const drained = server.shutdown();
      app.close();
      await drained;
    },
  };
}

/** A listening gateway asked over the network, with answers read to their end: its streams do not pass through JavaScript. */
export function network(
  origin: string,
): { readonly fetch: (url: string | URL, init?: RequestInit) => Promise<Response> } {
  return {
    async fetch(url, init) {
      const response = await fetch(new URL(url, origin), init);
      const bytes = await response.bytes();
      const { status, headers } = response;
      return new Response(bytes.length === 0 ? null : bytes, { status, headers });
    },
  };
}

/** One answer, as it stood on the wire. */
export interface RawResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

/** All that came back on one connection. */
export interface RawExchange {
  readonly text: string;
  readonly responses: readonly RawResponse[];
  /** Whether the server ended the connection within the time. */
  readonly closed: boolean;
}

/**
 * Sends the bytes and reads until the server closes, or for `waitMs`. With `Connection: close` among them the answer is complete
 * at once; without it, the time shows whether the server still talks.
 */
export async function rawExchange(
  port: number,
  bytes: string | Uint8Array,
  { waitMs = 2000 }: { readonly waitMs?: number } = {},
): Promise<RawExchange> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const sent = write(connection, typeof bytes === "string" ? latin1(bytes) : bytes);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), waitMs);
  });
  let text = "";
  let closed = false;
  const reading = readAll(connection, (part) => text += part).then(() => closed = true);
  await Promise.race([reading, late]);
  clearTimeout(timer);
  const ended = closed;
  try {
    connection.close();
  } catch {
    // The server was faster.
  }
  await Promise.all([reading, sent]);
  return { text, responses: parseResponses(text), closed: ended };
}

/** One request line, headers and body as text, answered once; adds `Connection: close` and, with a body, `Content-Length`. */
export async function rawRequest(
  port: number,
  requestLine: string,
  headers: readonly string[],
  body = "",
): Promise<RawResponse> {
  const length = body === "" ? [] : [`Content-Length: ${latin1(body).length}`];
  const head = [`${requestLine} HTTP/1.1`, ...headers, ...length, "Connection: close"].join("\r\n");
  const exchange = await rawExchange(port, `${head}\r\n\r\n${body}`);
  const [first] = exchange.responses;
  if (first === undefined) throw new Error(`No answer to ${requestLine}: ${JSON.stringify(exchange.text)}`);
  return first;
}

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

async function write(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  try {
    for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await connection.write(rest));
  } catch {
    // The server refused the rest: what it answered tells.
  }
}

async function readAll(connection: Deno.Conn, onText: (part: string) => void): Promise<void> {
  const buffer = new Uint8Array(65_536);
  const decoder = new TextDecoder("latin1");
  try {
    for (let size = await connection.read(buffer); size !== null; size = await connection.read(buffer)) {
      onText(decoder.decode(buffer.subarray(0, size)));
    }
  } catch {
    // Reset or closed on our side.
  }
}

function parseResponses(text: string): RawResponse[] {
  const responses: RawResponse[] = [];
  let rest = text;
  for (;;) {
    const match = /^HTTP\/1\.[01] (\d{3})[^\r\n]*\r\n([\s\S]*?)\r\n\r\n/.exec(rest);
    if (match === null) return responses;
    const headers = new Headers();
    for (const line of (match[2] ?? "").split("\r\n")) {
      const colon = line.indexOf(":");
      headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
    }
    rest = rest.slice(match[0].length);
    const [body, after] = headers.get("transfer-encoding") === "chunked"
      ? unchunk(rest)
      : cut(rest, Number(headers.get("content-length") ?? rest.length));
    responses.push({ status: Number(match[1]), headers, body });
    rest = after;
  }
}

function cut(text: string, length: number): [string, string] {
  return [text.slice(0, length), text.slice(length)];
}

function unchunk(text: string): [string, string] {
  let body = "";
  let rest = text;
  for (;;) {
    const match = /^([0-9a-f]+)\r\n/i.exec(rest);
    if (match === null) return [body, rest];
    const size = parseInt(match[1] ?? "0", 16);
    rest = rest.slice(match[0].length);
    if (size === 0) return [body, rest.slice(2)];
    body += rest.slice(0, size);
    rest = rest.slice(size + 2);
  }
}
