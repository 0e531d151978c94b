/**
 * The upstream MCP server of the benchmark, as cheap as a Deno server can be: constant answers, streams that stay open. Beside it the
 * authorization server that gives out its one bearer.
 * Run by the benchmark with a port and the only bearer it accepts, so that a target which forwards
 * the wrong credential fails instead of looking fast.
 */
import { CALL_ANSWER, INITIALIZE_ANSWER, LIST_ANSWER } from "./requests.ts";

/** Between the events of `/ticks`. */
const TICK_MS = 2;

const STREAM_HEADERS: [string, string][] = [["content-type", "text/event-stream"], [
  "cache-control",
  "no-store",
]];
const JSON_HEADERS: [string, string][] = [["content-type", "application/json"]];

function stub(bearer: string, origin: string): (request: Request) => Promise<Response> {
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
    return new Response(body, { headers: STREAM_HEADERS });
  }

  function ticks(): Response {
    let timer: ReturnType<typeof setInterval>;
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        let progress = 0;
        timer = setInterval(() => controller.enqueue(encoder.encode(event(progress++))), TICK_MS);
      },
      cancel: () => clearInterval(timer),
    });
    return new Response(body, { headers: STREAM_HEADERS });
  }

  async function handle(request: Request): Promise<Response> {
    // Deno.serve closes the connection after a body of more than some 500 bytes that nobody read.
    if (request.method === "POST") await request.arrayBuffer();
    const path = request.url.slice(request.url.indexOf("/", 8));
    const authorized = path.startsWith("/oauth/") || path.startsWith("/.well-known/")
      ? authorizationServer(new URL(request.url), { bearer, origin })
      : null;
    if (authorized !== null) return authorized;
    if (path === "/stats") return Response.json({ openStreams: streams.size });
    if (request.headers.get("authorization") !== expected) {
      return new Response("wrong credential", { status: 401 });
    }
    if (path === "/call" || path === "/connected") {
      return new Response(CALL_ANSWER, { headers: JSON_HEADERS });
    }
    if (path === "/list") return new Response(LIST_ANSWER, { headers: JSON_HEADERS });
    if (path !== "/stream" && path !== "/ticks") return new Response("no such path", { status: 404 });
    if (request.method === "GET") return path === "/ticks" ? ticks() : stream();
    return new Response(INITIALIZE_ANSWER, {
      headers: [...JSON_HEADERS, ["mcp-session-id", crypto.randomUUID()]],
    });
  }

  return handle;
}

/** The least that makes a gateway a client of ours and its user connected (RFC 9728, RFC 8414, RFC 6749). */
function authorizationServer(
  { pathname, searchParams }: URL,
  { bearer, origin }: { readonly bearer: string; readonly origin: string },
): Response | null {
  switch (pathname) {
    case "/.well-known/oauth-protected-resource/connected":
      return Response.json({ resource: `${origin}/connected`, authorization_servers: [origin] });
    case "/.well-known/oauth-authorization-server":
      return Response.json({
        issuer: origin,
        authorization_endpoint: `${origin}/oauth/authorize`,
        token_endpoint: `${origin}/oauth/token`,
        response_types_supported: ["code"],
        grant_types_supported: ["authorization_code", "refresh_token"],
        code_challenge_methods_supported: ["S256"],
        token_endpoint_auth_methods_supported: ["none"],
      });
    case "/oauth/authorize": {
      const back = new URL(searchParams.get("redirect_uri") ?? "");
      back.searchParams.set("code", crypto.randomUUID());
      back.searchParams.set("state", searchParams.get("state") ?? "");
      return new Response(null, { status: 302, headers: { location: back.href } });
    }
    case "/oauth/token":
      return Response.json({
        access_token: bearer,
        token_type: "Bearer",
        expires_in: 86_400,
        refresh_token: crypto.randomUUID(),
      });
    default:
      return null;
  }
}

/** A progress notification that says when it was sent, in milliseconds of this process's clock. */
function event(progress: number): string {
  const message = `sent=${performance.now().toFixed(4)};`;
  const params = { progressToken: "0d2f6a51-9f1c", progress, total: 100_000, message };
  const notification = { jsonrpc: "2.0", method: "notifications/progress", params };
  return `event: message
id: ${progress}
data: ${JSON.stringify(notification)}

`;
}

if (import.meta.main) {
  const [port = "", bearer = ""] = Deno.args;
  const handler = stub(bearer, `http://127.0.0.1:${port}`);
  Deno.serve({ hostname: "127.0.0.1", port: Number(port), onListen: () => {} }, handler);
}
