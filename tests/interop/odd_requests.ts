/** Requests that no well-behaved client sends, and a few that it does, in the order in which one session can take them. */
import { modernMessage } from "../support/modern_message.ts";

type Message = Readonly<Record<string, unknown>>;

/** A request, and where the gateway answers otherwise than the upstream does. */
export interface OddRequest {
  readonly name: string;
  /** Default POST. */
  readonly method?: string;
  /** A text is sent as it is. */
  readonly body?: Message | readonly Message[] | string;
  /** In addition to those of every request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether it belongs to the open session. */
  readonly inSession?: boolean;
  /** The answer of the gateway itself, as `answerOf()` tells it. */
  readonly ours?: string;
  /** The answer of a route with a filter. */
  readonly filtered?: string;
}

function request(method: string, params?: Message): Message {
  return { jsonrpc: "2.0", id: 7, method, ...(params === undefined ? {} : { params }) };
}

/** An `initialize` request. */
export function initialize(protocolVersion: string): Message {
  const clientInfo = { name: "odd", version: "1.0.0" };
  return request("initialize", { protocolVersion, capabilities: {}, clientInfo });
}

/** Whatever a filter's lists do not name does not exist, and the upstream is not asked (contract section 2.3). */
const HIDDEN = "200 application/json 7 error -32601";
const HIDDEN_MODERN = "404 application/json 7 error -32601";
/** Refused before anybody is asked. The status is what clients act on; the SDK has -32000 for all of these. */
const refusedWith = (status: number) => `${status} application/json null error -32600`;

const NOBODYS = { "mcp-session-id": "nobody's" };
const FAILING = { name: "test_error_handling", arguments: {} };
const NO_SUCH = { name: "no_such", arguments: {} };

/** Before there is a session. */
const WITHOUT_SESSION: readonly OddRequest[] = [
  ...["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "1999-01-01"].map((version) => ({
    name: `initialize with ${version}`,
    body: initialize(version),
  })),
  { name: "a request without its session", body: request("tools/list") },
  {
    name: "a session that never was",
    body: request("tools/list"),
    headers: NOBODYS,
    // The SDK does not say whose id it was.
    ours: "404 application/json 7 error -32001",
  },
  { name: "a stream without its session", method: "GET" },
  { name: "DELETE without a session", method: "DELETE" },
  { name: "DELETE of a session that never was", method: "DELETE", headers: NOBODYS },
];

const OLD = { "mcp-protocol-version": "2025-03-26" };

/** Messages of a session. */
const MESSAGES: readonly OddRequest[] = [
  { name: "a request", body: request("tools/list") },
  {
    name: "a version that nobody speaks",
    body: request("tools/list"),
    headers: { "mcp-protocol-version": "1999-01-01" },
  },
  { name: "an older version than the session's", body: request("tools/list"), headers: OLD },
  { name: "a second initialize", body: initialize("2025-11-25") },
  { name: "an unknown method", body: request("no/such") },
  { name: "an unknown tool", body: request("tools/call", NO_SUCH), filtered: HIDDEN },
  { name: "an unknown prompt", body: request("prompts/get", { name: "no_such" }), filtered: HIDDEN },
  {
    name: "an unknown resource",
    body: request("resources/read", { uri: "test://no-such" }),
    filtered: HIDDEN,
  },
  { name: "a resource of a template", body: request("resources/read", { uri: "test://template/7/data" }) },
  { name: "a call without a name", body: request("tools/call", {}), filtered: HIDDEN },
  {
    name: "arguments of the wrong type",
    body: request("tools/call", { name: "test_sampling", arguments: { prompt: 1 } }),
  },
  { name: "a tool that fails", body: request("tools/call", FAILING) },
  { name: "a notification", body: { jsonrpc: "2.0", method: "notifications/initialized" } },
  { name: "an unknown notification", body: { jsonrpc: "2.0", method: "notifications/no/such" } },
  { name: "a response that nobody waits for", body: { jsonrpc: "2.0", id: 99, result: {} } },
  {
    name: "an error that nobody waits for",
    body: { jsonrpc: "2.0", id: 99, error: { code: 1, message: "no" } },
  },
  { name: "an id of text", body: { ...request("ping"), id: "seven" } },
  { name: "an id of null", body: { ...request("ping"), id: null } },
  { name: "an id of a fraction", body: { ...request("ping"), id: 1.5 } },
  { name: "a batch", body: [request("ping"), { ...request("tools/list"), id: 8 }], headers: OLD },
  { name: "an empty batch", body: [] },
  { name: "no JSON", body: "{" },
  { name: "no body", body: "" },
  { name: "no JSON-RPC", body: { hello: "there" } },
  // What the id of something else means is not guessed at.
  { name: "JSON-RPC 1.0", body: { id: 7, method: "ping" }, ours: refusedWith(400) },
  { name: "text", body: request("ping"), headers: { "content-type": "text/plain" }, ours: refusedWith(415) },
  {
    name: "JSON alone accepted",
    body: request("ping"),
    headers: { accept: "application/json" },
    ours: refusedWith(406),
  },
];

/** What else can be done with a session, its end last. */
const METHODS: readonly OddRequest[] = [
  {
    name: "a stream as JSON",
    method: "GET",
    headers: { accept: "application/json" },
    ours: refusedWith(406),
  },
  { name: "a stream from an event that never was", method: "GET", headers: { "last-event-id": "999999" } },
  { name: "PUT", method: "PUT", body: request("ping"), ours: refusedWith(405) },
  { name: "PATCH", method: "PATCH", body: request("ping"), ours: refusedWith(405) },
  { name: "DELETE", method: "DELETE" },
  { name: "a session that is over", body: request("tools/list") },
  { name: "a stream of a session that is over", method: "GET" },
  { name: "DELETE again", method: "DELETE" },
];

/** A request of 2026-07-28; `headers` replace the right ones. */
function modern(
  name: string,
  method: string,
  { params = {}, headers = {}, ...more }:
    & { readonly params?: Message }
    & Omit<OddRequest, "name"> = {},
): OddRequest {
  const sent = modernMessage(method, params, { id: 7 });
  return {
    name: `2026-07-28: ${name}`,
    body: sent.message,
    headers: { ...sent.headers, ...headers },
    ...more,
  };
}

const NEVER = modernMessage("tools/list", {}, { id: 7, version: "2099-01-01" });
const SIMPLE = { name: "test_simple_text", arguments: {} };

const MODERN: readonly OddRequest[] = [
  modern("discovery", "server/discover"),
  modern("a list", "tools/list"),
  modern("a cursor that never was", "tools/list", { params: { cursor: "no such" } }),
  modern("a call", "tools/call", { params: SIMPLE }),
  modern("a tool that fails", "tools/call", { params: FAILING }),
  modern("an unknown tool", "tools/call", { params: NO_SUCH, filtered: HIDDEN_MODERN }),
  modern("an unknown resource", "resources/read", {
    params: { uri: "test://no-such" },
    filtered: HIDDEN_MODERN,
  }),
  modern("an unknown method", "no/such"),
  ...["initialize", "ping", "logging/setLevel", "resources/subscribe"].map((method) =>
    modern(`${method}, which it has no more`, method)
  ),
  modern("a capability that the client lacks", "tools/call", {
    params: { name: "test_missing_capability", arguments: {} },
  }),
  modern("no _meta", "tools/list", { body: request("tools/list") }),
  modern("another name in the header", "tools/call", { params: SIMPLE, headers: { "mcp-name": "other" } }),
  modern("another method in the header", "tools/list", { headers: { "mcp-method": "prompts/list" } }),
  modern("another version in the header", "tools/list", {
    headers: { "mcp-protocol-version": "2025-11-25" },
  }),
  { name: "2099-01-01: a version that nobody speaks", body: NEVER.message, headers: NEVER.headers },
];

/** All of them. */
export const ODD_REQUESTS: readonly OddRequest[] = [
  ...WITHOUT_SESSION,
  ...[...MESSAGES, ...METHODS].map((odd) => ({ ...odd, inSession: true })),
  ...MODERN,
];
