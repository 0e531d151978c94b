/**
 * A small MCP server to put the gateway in front of: loopback only, both protocol eras, `Host` and `Origin` checked, and, as most servers
 * are, protected by an OAuth authorization server (which is its own).
 */
import type { Hono } from "@hono/hono";
import {
  createMcpHandler,
  hostHeaderValidationResponse,
  localhostAllowedHostnames,
  localhostAllowedOrigins,
  type McpHttpHandler,
  OAuthError,
  OAuthErrorCode,
  originValidationResponse,
  requireBearerAuth,
} from "@modelcontextprotocol/server";
import { DemoAuthorizationServer, demoScope } from "./authorization_server.ts";
import { buildDemoMcpServer } from "./mcp_server.ts";
import { NoteStore } from "./notes.ts";
import { oauthRoutes } from "./oauth_routes.ts";

/** How {@linkcode serveDemo} serves. */
export interface DemoOptions {
  /** TCP port; 0 takes a free one. Default 9001. */
  readonly port?: number;
  /** Without sign-in: anybody on the machine may use it, as one account. */
  readonly open?: boolean;
  /** How long an access token lives. Default 60, so that one can watch them being renewed. */
  readonly accessTokenSeconds?: number;
  /** Hears, in words for a person, what happens at the authorization server. */
  readonly tell?: (line: string) => void;
}

/** A running demo server. */
export interface DemoServer {
  /** The MCP endpoint. */
  readonly url: URL;
  /** Ends open streams and stops; resolves when the port is free. */
  close(): Promise<void>;
}

/** Who everybody is when there is no sign-in. */
const openAccount = "everybody";

/** Starts the demo server on 127.0.0.1. Throws `Deno.errors.AddrInUse`. */
export function serveDemo(options: DemoOptions = {}): DemoServer {
  const notes = new Map<string, NoteStore>();
  const stop = new AbortController();
  const mcp: McpHttpHandler = createMcpHandler(({ authInfo }) => {
    const account = String(authInfo?.extra?.account ?? openAccount);
    const own = notes.get(account) ?? new NoteStore();
    notes.set(account, own);
    return buildDemoMcpServer({ account, notes: own, notifier: () => mcp.notify, stopping: stop.signal });
  });
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: options.port ?? 9001, signal: stop.signal, onListen() {} },
    (request) => respond(request, parts),
  );
  const issuer = `http://127.0.0.1:${server.addr.port}`;
  const parts: Parts = { mcp, ...protection(issuer, options) };
  return {
    url: new URL(`${issuer}/mcp`),
    async close() {
      await mcp.close();
      // Not shutdown(): that would wait for legacy streams, which mcp.close() does not end.
      stop.abort();
      await server.finished;
    },
  };
}

/** Lets a request in, with what its token says, or answers it. */
type Gate = ReturnType<typeof requireBearerAuth>;

interface Parts {
  readonly mcp: McpHttpHandler;
  /** `undefined`: everybody may come in. */
  readonly gate: Gate | undefined;
  readonly oauth: Hono;
}

/** The authorization server, and the gate that believes its tokens. */
function protection(issuer: string, options: DemoOptions): Pick<Parts, "gate" | "oauth"> {
  const resource = `${issuer}/mcp`;
  const { accessTokenSeconds = 60, tell = () => {}, open = false } = options;
  const server = new DemoAuthorizationServer({ issuer, resource, accessTokenSeconds, now: Date.now, tell });
  const gate = requireBearerAuth({
    verifier: {
      verifyAccessToken(token) {
        const known = server.verify(token);
        if (known === null) throw new OAuthError(OAuthErrorCode.InvalidToken, "The token is not valid.");
        const { grant: { account, client }, expiresAt } = known;
        return Promise.resolve({
          token,
          clientId: client.clientId,
          scopes: [demoScope],
          // In whole seconds, and never a moment too late.
          expiresAt: Math.floor(expiresAt / 1000),
          resource: new URL(resource),
          extra: { account },
        });
      },
    },
    requiredScopes: [demoScope],
    resourceMetadataUrl: `${issuer}/.well-known/oauth-protected-resource/mcp`,
    expectedResource: new URL(resource),
  });
  return { gate: open ? undefined : gate, oauth: oauthRoutes(server, { issuer, resource }) };
}

async function respond(request: Request, { mcp, gate, oauth }: Parts): Promise<Response> {
  const refused = hostHeaderValidationResponse(request, localhostAllowedHostnames()) ??
    originValidationResponse(request, localhostAllowedOrigins());
  if (refused !== undefined) return refused;
  if (new URL(request.url).pathname !== "/mcp") return await oauth.fetch(request);
  if (gate === undefined) return await mcp.fetch(request);
  const authInfo = await gate(request);
  return authInfo instanceof Response ? authInfo : await mcp.fetch(request, { authInfo });
}

/** `--port 9001`, `--port=9001`, `--open`; undefined if `args` are anything else. */
function optionsFrom(args: readonly string[]): { readonly port: number; readonly open: boolean } | undefined {
  const rest = args.filter((arg) => arg !== "--open");
  const open = rest.length < args.length;
  if (rest.length === 0) return { port: 9001, open };
  const port = Number(/^--port[= ](\d{1,5})$/.exec(rest.join(" "))?.[1] ?? NaN);
  return port <= 65535 ? { port, open } : undefined;
}

if (import.meta.main) {
  const say = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(line + "\n"));
  const options = optionsFrom(Deno.args);
  if (options === undefined) {
    say("usage: deno run --allow-net=127.0.0.1:9001 examples/demo/server.ts [--port 9001] [--open]");
    Deno.exit(2);
  }
  try {
    const demo = serveDemo({ ...options, tell: (line) => say(`Demo MCP server: ${line}`) });
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
    say(
      `Demo MCP server: port ${options.port} on 127.0.0.1 is taken. Free it, or choose another with --port.`,
    );
    Deno.exit(1);
  }
}
