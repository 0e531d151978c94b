/** Sessions of 2025-11-25 and older: a server and a transport each, event streams that can be taken up again. */
import { type McpServer, WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/server";
import { EventLog } from "./event_log.ts";
import { ResourceWatch } from "./resources.ts";

interface Session {
  readonly server: McpServer;
  readonly transport: WebStandardStreamableHTTPServerTransport;
  readonly watch: ResourceWatch;
}

/** All open sessions. */
export class LegacySessions {
  readonly #build: () => McpServer;
  readonly #retryMs: number;
  readonly #sessions = new Map<string, Session>();

  /** Every session gets a server of its own from `build`; its clients are told to come back to a lost stream after `retryMs`. */
  constructor(build: () => McpServer, { retryMs }: { readonly retryMs: number }) {
    this.#build = build;
    this.#retryMs = retryMs;
  }

  /** Answers a request of any method. */
  async handle(request: Request): Promise<Response> {
    const id = request.headers.get("mcp-session-id");
    if (id === null) return await this.#open(request);
    const session = this.#sessions.get(id);
    if (session !== undefined) return await session.transport.handleRequest(request);
    await request.body?.cancel();
    const error = { code: -32001, message: "Session not found" };
    return Response.json({ jsonrpc: "2.0", id: null, error }, { status: 404 });
  }

  /** Tells every session something on its own stream, outside of any request. */
  async log(data: string): Promise<void> {
    for (const { server } of this.#sessions.values()) {
      await server.server.sendLoggingMessage({ level: "info", data });
    }
  }

  /** Tells the sessions that have subscribed to a resource that it has changed. */
  async resourceUpdated(uri: string): Promise<void> {
    for (const { watch } of this.#sessions.values()) await watch.updated(uri);
  }

  /** Ends every session and its streams. */
  async close(): Promise<void> {
    for (const { server } of [...this.#sessions.values()]) await server.close();
    this.#sessions.clear();
  }

  async #open(request: Request): Promise<Response> {
    const server = this.#build();
    const watch = new ResourceWatch(server);
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => crypto.randomUUID(),
      onsessioninitialized: (id) => void this.#sessions.set(id, { server, transport, watch }),
      onsessionclosed: (id) => void this.#sessions.delete(id),
      eventStore: new EventLog(),
      retryInterval: this.#retryMs,
      keepAliveMs: 0,
    });
    // Its own Transport type does not allow for exactOptionalPropertyTypes.
    await server.connect(transport as Parameters<McpServer["connect"]>[0]);
    const response = await transport.handleRequest(request);
    if (transport.sessionId === undefined) await server.close();
    return response;
  }
}
