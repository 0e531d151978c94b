/**
 * The same small server twice: with the SDK of the older era, sessions and all, and with the SDK of 2026-07-28, which refuses whatever is
 * older. Neither speaks the other's era, so that a client has to find out which one it has before it.
 */
import { createMcpHandler, inputRequired, inputResponse, McpServer } from "@modelcontextprotocol/server";
// SDK v1 declares its subpaths' types where TypeScript looks only if the name has no extension.
// @ts-types="@modelcontextprotocol/sdk/server/mcp"
import { McpServer as McpServerV1 } from "@modelcontextprotocol/sdk/server/mcp.js";
// @ts-types="@modelcontextprotocol/sdk/server/webStandardStreamableHttp"
import { WebStandardStreamableHTTPServerTransport as TransportV1 } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import { z } from "zod";

/** A running server of one era. */
export interface EraUpstream extends AsyncDisposable {
  /** Its MCP endpoint, on a free loopback port. */
  readonly url: URL;
  /** Resolves when one more call of its tool `wait` has been cancelled. */
  readonly cancelled: () => Promise<void>;
}

const info = { name: "one-era", version: "1.0.0" };
const QUESTION = "What is your name?";

function text(words: string) {
  return { content: [{ type: "text" as const, text: words }] };
}

/** Calls that wait until they are cancelled, which is all that ends them. */
class Waiting {
  #ended = 0;
  #seen = 0;
  #wake = () => {};

  untilCancelled(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) =>
      signal.addEventListener("abort", () => {
        this.#ended++;
        this.#wake();
        resolve();
      }, { once: true })
    );
  }

  async oneMore(): Promise<void> {
    this.#seen++;
    while (this.#ended < this.#seen) await new Promise<void>((resolve) => this.#wake = resolve);
  }
}

/** Up to 2025-11-25, with `@modelcontextprotocol/sdk` 1.x: a session for each client, refusing what has none. */
export function serveLegacyOnly(): EraUpstream {
  const sessions = new Map<string, { readonly server: McpServerV1; readonly transport: TransportV1 }>();
  const waiting = new Waiting();
  const open = async () => {
    const server = buildV1(waiting);
    const transport = new TransportV1({
      sessionIdGenerator: () => crypto.randomUUID(),
      onsessioninitialized: (id) => void sessions.set(id, { server, transport }),
      onsessionclosed: (id) => void sessions.delete(id),
    });
    // Its own Transport type does not allow for exactOptionalPropertyTypes.
    await server.connect(transport as Parameters<McpServerV1["connect"]>[0]);
    return { server, transport };
  };
  return serve(waiting, async (request) => {
    const id = request.headers.get("mcp-session-id");
    const known = id === null ? undefined : sessions.get(id);
    if (id !== null && known === undefined) {
      await request.body?.cancel();
      const error = { code: -32001, message: "Session not found" };
      return Response.json({ jsonrpc: "2.0", id: null, error }, { status: 404 });
    }
    const { server, transport } = known ?? await open();
    const response = await transport.handleRequest(request);
    if (transport.sessionId === undefined) await server.close();
    return response;
  }, async () => {
    for (const { server } of [...sessions.values()]) await server.close();
  });
}

function buildV1(waiting: Waiting): McpServerV1 {
  const server = new McpServerV1(info);
  server.registerTool("echo", { inputSchema: { words: z.string() } }, ({ words }) => text(words));
  server.registerTool("count", { inputSchema: { to: z.number() } }, async ({ to }, extra) => {
    const progressToken = extra._meta?.progressToken ?? 0;
    for (let progress = 1; progress <= to; progress++) {
      await extra.sendNotification({ method: "notifications/progress", params: { progressToken, progress } });
    }
    return text(`counted to ${to}`);
  });
  server.registerTool("wait", {}, async ({ _meta, sendNotification, signal }) => {
    const progressToken = _meta?.progressToken ?? 0;
    await sendNotification({ method: "notifications/progress", params: { progressToken, progress: 0 } });
    await waiting.untilCancelled(signal);
    return text("cancelled");
  });
  server.registerTool("ask", {}, async () => {
    const { content } = await server.server.elicitInput({
      message: QUESTION,
      requestedSchema: { type: "object", properties: { name: { type: "string" } }, required: ["name"] },
    });
    return text(`hello ${content?.name}`);
  });
  return server;
}

/** A server of 2026-07-28, and what it tells its subscribers. */
export interface ModernUpstream extends EraUpstream {
  readonly toolsChanged: () => void;
  /** Ends all subscriptions as a server does that stops. */
  readonly endSubscriptions: () => Promise<void>;
}

/** 2026-07-28 and nothing else, with `@modelcontextprotocol/server` 2.x. */
export function serveModernOnly(): ModernUpstream {
  const waiting = new Waiting();
  const handler = createMcpHandler(() => buildV2(waiting), { legacy: "reject" });
  return {
    ...serve(waiting, (request) => handler.fetch(request), () => handler.close()),
    toolsChanged: () => handler.notify.toolsChanged(),
    endSubscriptions: () => handler.close(),
  };
}

function buildV2(waiting: Waiting): McpServer {
  const server = new McpServer(info);
  server.registerTool("echo", { inputSchema: z.object({ words: z.string() }) }, ({ words }) => text(words));
  server.registerTool("count", { inputSchema: z.object({ to: z.number() }) }, async ({ to }, { mcpReq }) => {
    const progressToken = mcpReq._meta?.progressToken ?? 0;
    for (let progress = 1; progress <= to; progress++) {
      await mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress } });
    }
    return text(`counted to ${to}`);
  });
  server.registerTool("wait", {}, async ({ mcpReq }) => {
    const progressToken = mcpReq._meta?.progressToken ?? 0;
    await mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress: 0 } });
    await waiting.untilCancelled(mcpReq.signal);
    return text("cancelled");
  });
  server.registerTool("ask", {}, ({ mcpReq }) => {
    const answer = inputResponse(mcpReq.inputResponses, "name");
    if (answer.kind === "elicit" && answer.action === "accept") return text(`hello ${answer.content?.name}`);
    const requestedSchema = z.object({ name: z.string() });
    return inputRequired({
      inputRequests: { name: inputRequired.elicit({ message: QUESTION, requestedSchema }) },
    });
  });
  return server;
}

function serve(
  waiting: Waiting,
  handle: (request: Request) => Response | Promise<Response>,
  close: () => Promise<void>,
): EraUpstream {
  const stop = new AbortController();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, signal: stop.signal, onListen() {} },
    (request) => handle(request),
  );
  return {
    url: new URL(`http://127.0.0.1:${server.addr.port}/mcp`),
    cancelled: () => waiting.oneMore(),
    async [Symbol.asyncDispose]() {
      await close();
      // Not shutdown(): that would wait for streams whose clients are slow to leave.
      stop.abort();
      await server.finished;
    },
  };
}
