/** A small MCP server to put the gateway in front of: loopback only, both protocol eras, `Host` and `Origin` checked. */
import {
  createMcpHandler,
  hostHeaderValidationResponse,
  localhostAllowedHostnames,
  localhostAllowedOrigins,
  type McpHttpHandler,
  originValidationResponse,
} from "@modelcontextprotocol/server";
import { buildDemoMcpServer } from "./mcp_server.ts";
import { NoteStore } from "./notes.ts";

/** Where {@linkcode serveDemo} listens. */
export interface DemoOptions {
  /** TCP port; 0 takes a free one. Default 9001. */
  readonly port?: number;
}

/** A running demo server. */
export interface DemoServer {
  /** The MCP endpoint. */
  readonly url: URL;
  /** Ends open streams and stops; resolves when the port is free. */
  close(): Promise<void>;
}

/** Starts the demo server on 127.0.0.1. Throws `Deno.errors.AddrInUse`. */
export function serveDemo(options: DemoOptions = {}): DemoServer {
  const notes = new NoteStore();
  const stop = new AbortController();
  const mcp: McpHttpHandler = createMcpHandler(() =>
    buildDemoMcpServer({ notes, notifier: () => mcp.notify, stopping: stop.signal })
  );
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: options.port ?? 9001, signal: stop.signal, onListen() {} },
    (request) => respond(request, mcp),
  );
  return {
    url: new URL(`http://127.0.0.1:${server.addr.port}/mcp`),
    async close() {
      await mcp.close();
      // Not shutdown(): that would wait for legacy streams, which mcp.close() does not end.
      stop.abort();
      await server.finished;
    },
  };
}

function respond(request: Request, mcp: McpHttpHandler): Response | Promise<Response> {
  const refused = hostHeaderValidationResponse(request, localhostAllowedHostnames()) ??
    originValidationResponse(request, localhostAllowedOrigins());
  if (refused !== undefined) return refused;
  const { pathname } = new URL(request.url);
  if (pathname === "/mcp") return mcp.fetch(request);
  if (pathname === "/") return new Response("Sallyport demo MCP server. Its endpoint is /mcp.\n");
  return new Response("Not found. The MCP endpoint is /mcp.\n", { status: 404 });
}

/** `--port 9001` or `--port=9001`; undefined if `args` are anything else. */
function portFrom(args: readonly string[]): number | undefined {
  if (args.length === 0) return 9001;
  const match = /^--port[= ](\d{1,5})$/.exec(args.join(" "));
  const port = Number(match?.[1] ?? NaN);
  return port <= 65535 ? port : undefined;
}

if (import.meta.main) {
  const say = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(line + "\n"));
  const port = portFrom(Deno.args);
  if (port === undefined) {
    say("usage: deno run --allow-net=127.0.0.1:9001 examples/demo/server.ts [--port 9001]");
    Deno.exit(2);
  }
  try {
    const demo = serveDemo({ port });
    let stopping = false;
    const signals: Deno.Signal[] = Deno.build.os === "windows"
      ? ["SIGINT", "SIGBREAK"]
      : ["SIGINT", "SIGTERM", "SIGHUP"];
    for (const signal of signals) {
      Deno.addSignalListener(signal, () => {
        if (stopping) return;
        stopping = true;
        demo.close().then(() => Deno.exit(0));
      });
    }
    say(`Demo MCP server: ${demo.url.href}`);
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    say(`Demo MCP server: port ${port} on 127.0.0.1 is taken. Free it, or choose another with --port.`);
    Deno.exit(1);
  }
}
