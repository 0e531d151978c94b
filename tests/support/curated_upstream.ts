/** An upstream MCP server whose lists a test writes, and which answers in JSON, in an event stream, or as the test says. */

/** How it answers. */
export interface CuratedScript {
  /** `stream`: server-sent events, as the SDKs' servers do by default. */
  form: "json" | "stream";
  /** Answers a message instead, unless it returns `null`. */
  answer: ((message: RpcMessage, request: Request) => Response | null) | null;
}

/** A message of a client, as far as the upstream looks at it. */
export interface RpcMessage {
  readonly id?: string | number;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
}

/** What the upstream has. Each number is one that no double holds. */
export const CATALOGUE = {
  tools: ["list_issues", "get_issue", "delete_everything", "__proto__", "constructor", "Ünï"].map((name) => ({
    name,
    description: `Does ${name}`,
    inputSchema: { type: "object", properties: {} },
    annotations: { title: name, readOnlyHint: true, deep: { a: 1, b: [1] } },
    _meta: { origin: "upstream" },
  })),
  prompts: ["summarize", "leak"].map((name) => ({ name, arguments: [{ name: "topic" }] })),
  resources: ["docs://handbook", "docs://payroll"].map((uri) => ({
    uri,
    name: uri,
    mimeType: "text/plain",
  })),
  resourceTemplates: ["docs://pages/{slug}", "docs://secrets/{+path}"].map((uriTemplate) => ({
    uriTemplate,
    name: uriTemplate,
  })),
} as const;

/** A function that answers requests; the script may change at any time. */
export function curatedUpstream(changes: Partial<CuratedScript> = {}): {
  readonly script: CuratedScript;
  readonly upstream: (request: Request) => Promise<Response>;
} {
  const script: CuratedScript = { form: "json", answer: null, ...changes };
  return {
    script,
    async upstream(request) {
      if (request.method !== "POST") {
        return script.answer?.({}, request) ?? new Response(null, { status: 405 });
      }
      const body: RpcMessage | RpcMessage[] = await request.json();
      const own = Array.isArray(body) ? null : script.answer?.(body, request) ?? null;
      if (own !== null) return own;
      const answers = (Array.isArray(body) ? body : [body]).flatMap((message) =>
        message.id === undefined ? [] : [answerTo(message)]
      );
      if (answers.length === 0) return new Response(null, { status: 202 });
      return answered(Array.isArray(body) ? `[${answers.join(",")}]` : answers[0] ?? "", script.form);
    },
  };
}

/** An answer in one of the two forms. */
export function answered(text: string, form: CuratedScript["form"]): Response {
  return form === "json"
    ? new Response(text, { headers: { "content-type": "application/json" } })
    : new Response(`: hello\n\nevent: message\nid: 7\ndata: ${text}\n\n`, {
      headers: { "content-type": "text/event-stream" },
    });
}

/** The JSON text of an answer; a number that JavaScript cannot hold is in every list entry. */
export function answerTo({ id, method, params }: RpcMessage): string {
  const modern = JSON.stringify(params ?? {}).includes("2026-07-28");
  const head = `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{${
    modern ? '"resultType":"complete",' : ""
  }`;
  const hints = modern ? ',"ttlMs":1000,"cacheScope":"public"' : "";
  const list = LISTS[method ?? ""];
  if (list !== undefined) {
    const entries = CATALOGUE[list].map((entry) => exact(entry)).join(", ");
    return `${head}"${list}": [${entries}],"nextCursor":"page-2"${hints}}}`;
  }
  switch (method) {
    case "resources/read":
      return `${head}"contents":[{"uri":${JSON.stringify(params?.["uri"])},"text":"ok"}]${hints}}}`;
    case "completion/complete":
      return `${head}"completion":{"values":["a"]}}}`;
    case "prompts/get":
      return `${head}"messages":[]}}`;
    case "initialize":
      return `${head}"protocolVersion":"2025-11-25","serverInfo":{"name":"u","version":"1"},` +
        `"capabilities":{"tools":{},"prompts":{},"resources":{"subscribe":true},"completions":{}}}}`;
    case "server/discover":
      return `${head}"supportedVersions":["2026-07-28"],"serverInfo":{"name":"u","version":"1"},` +
        `"capabilities":{"tools":{},"prompts":{},"resources":{"subscribe":true},"completions":{}}${hints}}}`;
    default:
      return `${head}"content":[{"type":"text","text":"ok"}]}}`;
  }
}

const LISTS: Readonly<Record<string, keyof typeof CATALOGUE>> = {
  "tools/list": "tools",
  "prompts/list": "prompts",
  "resources/list": "resources",
  "resources/templates/list": "resourceTemplates",
};

/** An entry as the upstream writes it: with white space, and with a number beyond what a double holds. */
export function exact(entry: object): string {
  const text = JSON.stringify(entry);
  return `${text.slice(0, -1)}, "size" : 12345678901234567890 }`;
}
