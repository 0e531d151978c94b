/** JSON-RPC 2.0 as MCP uses it: what a message is, and the errors that the gateway itself answers. */
import { Buffer } from "node:buffer";
import { declaresUrlElicitation, type ModernFields, modernFields } from "./era.ts";
import { parseStrictJson, StrictJsonError } from "../http/strict_json.ts";

/** An id as JSON-RPC allows it; `null` when it is not known. */
export type JsonRpcId = string | number | null;

/**
 * JSON-RPC error codes of the gateway's own answers. Those that are ours alone are the HTTP status times ten: JSON-RPC keeps -32768 to
 * -32000 for itself, 2026-07-28 allows nothing undefined in it, and the SDKs read -32000 as "connection closed" (checklist TR-22).
 */
export const JSON_RPC_CODES = {
  parseError: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internalError: -32603,
  /** 2026-07-28: the headers of a request say something else than its body. */
  headerMismatch: -32020,
  /** 2026-07-28: a protocol version that is not spoken. */
  unsupportedVersion: -32022,
  /** As the SDKs answer a session that is not the caller's. Older revisions only: 2026-07-28 has no sessions. */
  sessionNotFound: -32001,
  /** Ours: the user has to connect first. */
  connectRequired: 4010,
  /** Ours: too much at once, of requests or of streams. */
  tooMany: 4290,
  /** Ours: the upstream could not be reached, did not answer in time, or refused the gateway's credential. */
  upstreamUnavailable: 5020,
} as const;

/** A fault that an MCP route answers as a JSON-RPC error. */
export class JsonRpcError extends Error {
  override readonly name = "JsonRpcError";
  readonly code: number;
  /** HTTP status. */
  readonly status: number;
  readonly id: JsonRpcId;
  /** A snake_case word for the event log. */
  readonly reason: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: number,
    message: string,
    options: {
      status: number;
      reason: string;
      id?: JsonRpcId;
      headers?: Record<string, string>;
      cause?: unknown;
    },
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.status = options.status;
    this.id = options.id ?? null;
    this.reason = options.reason;
    this.headers = options.headers ?? {};
  }
}

/** What the gateway needs to know of a message: never more than its kind, its method and the name it is about. */
export interface McpMessage {
  /** `batch`: an array of messages, which only 2025-03-26 allows. */
  readonly kind: "request" | "notification" | "response" | "batch";
  readonly id: JsonRpcId;
  readonly method: string | null;
  /** Tool or prompt name, or resource URI. */
  readonly capability: string | null;
  /** `null`: a message of 2025-11-25 or older. */
  readonly modern: ModernFields | null;
  /** Of an `initialize` request: whether the client can be asked to open a URL; `null` for every other message. */
  readonly sessionElicitsUrls: boolean | null;
  /** The messages of a batch, none of them a batch itself, `initialize` or modern; empty for everything else. */
  readonly elements: readonly McpMessage[];
}

/** Whether a message is of 2026-07-28 or later; what has none, such as a GET, is older. */
export function isModern(message: McpMessage | null): boolean {
  return message !== null && message.modern !== null;
}

/** How deep a message may nest unless the configuration says otherwise. */
const DEFAULT_DEPTH = 64;

/** A message, and the JSON that it was read from: for whoever has to look further into it, and not to be kept. */
export interface ParsedMessage {
  readonly message: McpMessage;
  readonly value: unknown;
}

/**
 * Reads a POST body, as every other reader of the same bytes reads it.
 * @throws {JsonRpcError} -32700 for what is no JSON, -32600 for JSON that is ambiguous, too deep, or no JSON-RPC message; 400.
 */
export function parseMessage(body: string | Uint8Array, maxDepth: number = DEFAULT_DEPTH): ParsedMessage {
  let value: unknown;
  try {
    value = parseStrictJson(body, maxDepth);
  } catch (error) {
    throw unreadable(error instanceof StrictJsonError ? error.reason : "json_malformed", maxDepth);
  }
  return { message: Array.isArray(value) ? batchOf(value) : messageOf(value), value };
}

/** How many messages a batch may hold; the SDKs' servers allow as many. */
const MAX_BATCH = 100;

function batchOf(values: readonly unknown[]): McpMessage {
  if (values.length === 0) throw invalid();
  if (values.length > MAX_BATCH) {
    throw refusedBatch("batch_too_large", `a batch holds at most ${MAX_BATCH} messages.`);
  }
  const elements = values.map(messageOf);
  // Each of the two decides an era for itself, and 2026-07-28 knows no batches.
  if (elements.some(({ method, modern }) => method === "initialize" || modern !== null)) {
    throw refusedBatch("batch_element_refused", "this message has to be sent alone, not in a batch.");
  }
  return { kind: "batch", id: null, ...NOTHING_KNOWN, elements };
}

function messageOf(value: unknown): McpMessage {
  if (!isObject(value) || value.jsonrpc !== "2.0") throw invalid();
  // MCP: an id is a string or a number, never null; only an error answer to an unreadable request has none.
  const id = typeof value.id === "string" || Number.isFinite(value.id) ? value.id as string | number : null; // just looked at
  if (id === null && value.id !== undefined && !("error" in value && value.id === null)) throw invalid();
  const { method, params } = value;
  if (typeof method !== "string") {
    if (!("result" in value) && !("error" in value)) throw invalid();
    return { kind: "response", id, ...NOTHING_KNOWN };
  }
  const modern = modernFields(method, params);
  if (modern === "malformed") {
    throw new JsonRpcError(
      JSON_RPC_CODES.invalidParams,
      "Invalid params: the protocol version in _meta is no string.",
      {
        status: 400,
        reason: "protocol_version_malformed",
        id,
      },
    );
  }
  return {
    kind: "id" in value ? "request" : "notification",
    id,
    method,
    capability: capabilityOf(method, params),
    modern,
    sessionElicitsUrls: method === "initialize" && isObject(params)
      ? declaresUrlElicitation(params.capabilities)
      : null,
    elements: NOTHING_KNOWN.elements,
  };
}

const NOTHING_KNOWN = {
  method: null,
  capability: null,
  modern: null,
  sessionElicitsUrls: null,
  elements: [] as readonly McpMessage[], // or it would be never[]
} as const;

/** The JSON text of an error answer. */
export function errorBody(
  error: { id: JsonRpcId; code: number; message: string; data?: unknown },
): Uint8Array<ArrayBuffer> {
  const { id, code, message, data } = error;
  return Buffer.from(
    JSON.stringify({ jsonrpc: "2.0", id, error: { code, message, ...(data === undefined ? {} : { data }) } }),
  );
}

/** What the message is about. A member that its method does not know must not hide the one it does. */
function capabilityOf(method: string, params: unknown): string | null {
  if (!isObject(params)) return null;
  const name = method.startsWith("resources/") ? params.uri : params.name;
  return typeof name === "string" ? name : null;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function unreadable(reason: StrictJsonError["reason"], maxDepth: number): JsonRpcError {
  switch (reason) {
    case "json_malformed":
      return new JsonRpcError(JSON_RPC_CODES.parseError, "Parse error: the body is not JSON in UTF-8.", {
        status: 400,
        reason: "body_not_json",
      });
    case "json_too_deep":
      return new JsonRpcError(
        JSON_RPC_CODES.invalidRequest,
        `Invalid Request: the body nests deeper than ${maxDepth} levels.`,
        { status: 400, reason },
      );
    case "json_duplicate_key":
      return new JsonRpcError(
        JSON_RPC_CODES.invalidRequest,
        "Invalid Request: a key stands twice in an object.",
        { status: 400, reason },
      );
  }
}

function invalid(): JsonRpcError {
  return new JsonRpcError(
    JSON_RPC_CODES.invalidRequest,
    "Invalid Request: the body is not a JSON-RPC 2.0 message.",
    {
      status: 400,
      reason: "body_not_json_rpc",
    },
  );
}

function refusedBatch(reason: string, why: string): JsonRpcError {
  return new JsonRpcError(JSON_RPC_CODES.invalidRequest, `Invalid Request: ${why}`, { status: 400, reason });
}
