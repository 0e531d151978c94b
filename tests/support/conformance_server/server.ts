/**
 * The MCP server that the official conformance suite is run against: its names, both protocol eras on one endpoint, with sessions for
 * the older one. Loopback only, `Host` and `Origin` checked.
 */
import {
  createMcpHandler,
  hostHeaderValidationResponse,
  isLegacyRequest,
  localhostAllowedHostnames,
  localhostAllowedOrigins,
  type McpHttpHandler,
  originValidationResponse,
} from "@modelcontextprotocol/server";
import { requestStates } from "./input_required_tools.ts";
import { LegacySessions } from "./legacy_sessions.ts";
import { buildConformanceServer, type FixtureState } from "./mcp_server.ts";
import { RequestLog, type SeenRequest } from "./request_log.ts";
import { WATCHED_URI } from "./resources.ts";

/** A running fixture. */
export interface ConformanceServer extends AsyncDisposable {
  /** The MCP endpoint. */
  readonly url: URL;
  /** Resolves when there are `count` requests that `match`, past ones included; rejects after 20 s. */
  waitForRequests(match: (request: SeenRequest) => boolean, count: number): Promise<void>;
  /** Lets the calls of `test_held_call` answer, those that wait and those to come. */
  release(): void;
  /** Logs a line to every legacy session, outside of any request. */
  log(line: string): Promise<void>;
  /** Tells whoever has subscribed that the watched resource has changed. */
  touchWatchedResource(): Promise<void>;
}

/** How the fixture behaves. */
export interface ConformanceServerOptions {
  /** After how many milliseconds the client of a legacy session should come back to a lost stream. Default 50. */
  readonly retryMs?: number;
}

/** Starts the fixture on a free port of 127.0.0.1; dispose of it with `await using`. */
export function serveConformance({ retryMs = 50 }: ConformanceServerOptions = {}): ConformanceServer {
  const released = Promise.withResolvers<void>();
  const state: FixtureState = {
    notifier: () => modern.notify,
    release: () => released.promise,
    requestStates: requestStates(),
  };
  const build = () => buildConformanceServer(state);
  const modern: McpHttpHandler = createMcpHandler(build, { legacy: "reject" });
  const sessions = new LegacySessions(build, { retryMs });
  const requests = new RequestLog();
  const stop = new AbortController();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, signal: stop.signal, onListen() {} },
    async (request) => requests.add(request, await respond(request, { modern, sessions })),
  );
  return {
    url: new URL(`http://127.0.0.1:${server.addr.port}/mcp`),
    waitForRequests: (match, count) => requests.waitFor(match, count),
    release: () => released.resolve(),
    log: (line) => sessions.log(line),
    async touchWatchedResource() {
      modern.notify.resourceUpdated(WATCHED_URI);
      await sessions.resourceUpdated(WATCHED_URI);
    },
    async [Symbol.asyncDispose]() {
      released.resolve();
      await modern.close();
      await sessions.close();
      // Not shutdown(): that would wait for streams whose clients are slow to leave.
      stop.abort();
      await server.finished;
    },
  };
}

async function respond(
  request: Request,
  { modern, sessions }: { readonly modern: McpHttpHandler; readonly sessions: LegacySessions },
): Promise<Response> {
  const refused = hostHeaderValidationResponse(request, localhostAllowedHostnames()) ??
    originValidationResponse(request, localhostAllowedOrigins());
  if (refused !== undefined) return refused;
  if (new URL(request.url).pathname !== "/mcp") return new Response("Not found.\n", { status: 404 });
  return await isLegacyRequest(request) ? await sessions.handle(request) : await modern.fetch(request);
}
