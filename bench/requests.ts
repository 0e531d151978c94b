/** The requests and answers of the benchmark: what an MCP client of the 2025-11-25 revision sends for a tool call. */

/** What a load generator or a probe sends. */
export interface LoadRequest {
  readonly url: string;
  readonly bearer: string;
  readonly body: string;
}

/** A tool call of about 220 bytes. */
export const CALL_BODY: string = JSON.stringify({
  jsonrpc: "2.0",
  id: 1,
  method: "tools/call",
  params: {
    name: "list_issues",
    arguments: { team: "platform", state: "open", assignee: "me", label: "benchmark", limit: 20 },
    _meta: { progressToken: "0d2f6a51-9f1c" },
  },
});

/** Its answer of about 480 bytes. */
export const CALL_ANSWER: string = JSON.stringify({
  jsonrpc: "2.0",
  id: 1,
  result: {
    content: [{ type: "text", text: "PLAT-1042 gateway answers slowly under load. ".repeat(9).trim() }],
    isError: false,
  },
});

/** A request for the list of tools. */
export const LIST_BODY: string = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list", params: {} });

/** The tools of {@linkcode LIST_ANSWER}. */
export const TOOL_NAMES: readonly string[] = Array.from({ length: 23 }, (_, index) => `tool_${index}`);

/** A list answer of about 16 KB. */
export const LIST_ANSWER: string = JSON.stringify({
  jsonrpc: "2.0",
  id: 1,
  result: {
    tools: TOOL_NAMES.map((name) => ({
      name,
      description:
        "Finds issues by team, state, assignee and label, newest first, and returns them page by page.",
      inputSchema: {
        type: "object",
        properties: Object.fromEntries(
          ["team", "state", "assignee", "label", "cursor"].map((key) => [key, {
            type: "string",
            description: `Only issues whose ${key} is this; omit for any. Case matters.`,
          }]),
        ),
        required: ["team"],
      },
    })),
  },
});

/** The first request of a legacy session. */
export const INITIALIZE_BODY: string = JSON.stringify({
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: {
    protocolVersion: "2025-11-25",
    capabilities: { elicitation: { url: {} } },
    clientInfo: { name: "sallyport-bench", version: "1.0.0" },
  },
});

/** Its answer. */
export const INITIALIZE_ANSWER: string = JSON.stringify({
  jsonrpc: "2.0",
  id: 1,
  result: {
    protocolVersion: "2025-11-25",
    capabilities: { tools: { listChanged: true } },
    serverInfo: { name: "stub", version: "1.0.0" },
  },
});

/** The headers of every request, names in lower case. */
export function clientHeaders(bearer: string): Record<string, string> {
  return {
    "content-type": "application/json",
    "accept": "application/json, text/event-stream",
    "mcp-protocol-version": "2025-11-25",
    "authorization": `Bearer ${bearer}`,
  };
}

/** A credential of exactly `bytes` ASCII characters. */
export function randomBearer(bytes: number): string {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  return Array.from(random, (byte) => "abcdefghijklmnopqrstuvwxyz012345"[byte % 32]).join("");
}

/** Writes one HTTP/1.1 request as bytes, to be sent as often as one likes; `headers` replace those of a client. */
export function rawRequest(
  request: { readonly method: string; readonly url: string; readonly body?: string },
  headers: Readonly<Record<string, string>>,
): Uint8Array<ArrayBuffer> {
  const url = new URL(request.url);
  const body = request.body ?? "";
  const length = body === "" ? {} : { "content-length": String(new TextEncoder().encode(body).length) };
  const lines = Object.entries({ host: url.host, ...headers, ...length }).map(([key, value]) =>
    `${key}: ${value}\r\n`
  );
  return new TextEncoder().encode(
    `${request.method} ${url.pathname}${url.search} HTTP/1.1\r\n${lines.join("")}\r\n${body}`,
  );
}
