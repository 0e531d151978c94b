/**
 * The upstream MCP server of the benchmark, as cheap as a Deno server can be: constant answers, streams that stay open.
 * Run by the benchmark with a port and the only bearer it accepts, so that a target which forwards
 * the wrong credential fails instead of looking fast.
 */
import { CALL_ANSWER, INITIALIZE_ANSWER, LIST_ANSWER } from "./requests.ts";

/** A stub and its view of its streams. */
export interface Stub {
  readonly handle: (request: Request) => Promise<Response>;
  /** Sends `text` to one open stream, counted from 0 in the order of their opening. */
  readonly send: (stream: number, text: string) => void;
}

const JSON_HEADERS: [string, string][] = [["content-type", "application/json"]];

/** A stub that answers only requests that carry `bearer`. */
export function createStub(bearer: string): Stub {
  const streams = new Set<ReadableStreamDefaultController<Uint8Array>>();
  const encoder = new TextEncoder();
  const expected = `Bearer ${bearer}`;

  function stream(): Response {
    let mine: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        mine = controller;
        streams.add(controller);
        controller.enqueue(encoder.encode(": open\n\n"));
      },
      cancel: () => void streams.delete(mine),
    });
    return new Response(body, {
      headers: [["content-type", "text/event-stream"], ["cache-control", "no-store"]],
    });
  }

  async function handle(request: Request): Promise<Response> {
    // Deno.serve closes the connection after a body of more than some 500 bytes that nobody read.
    if (request.method === "POST") await request.arrayBuffer();
    const path = request.url.slice(request.url.indexOf("/", 8));
    if (path === "/stats") return Response.json({ openStreams: streams.size });
    if (request.headers.get("authorization") !== expected) {
      return new Response("wrong credential", { status: 401 });
    }
    if (path === "/call") return new Response(CALL_ANSWER, { headers: JSON_HEADERS });
    if (path === "/list") return new Response(LIST_ANSWER, { headers: JSON_HEADERS });
    if (path !== "/stream") return new Response("no such path", { status: 404 });
    if (request.method === "GET") return stream();
    return new Response(INITIALIZE_ANSWER, {
      headers: [...JSON_HEADERS, ["mcp-session-id", crypto.randomUUID()]],
    });
  }

  return { handle, send: (stream, text) => [...streams][stream]?.enqueue(encoder.encode(text)) };
}

if (import.meta.main) {
  const [port = "", bearer = ""] = Deno.args;
  const { handle } = createStub(bearer);
  Deno.serve({ hostname: "127.0.0.1", port: Number(port), onListen: () => {} }, handle);
}
