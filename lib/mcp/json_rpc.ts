/** JSON-RPC 2.0 as MCP uses it: what a message is, and the errors that the gateway itself answers. */
import { Buffer } from "node:buffer";
import { declaresUrlElicitation, type ModernFields, modernFields } from "./era.ts";
import { parseStrictJson, StrictJsonError } from "../http/strict_json.ts";

/** An id as JSON-RPC allows it; `null` when it is not known. */
export type JsonRpcId = string | number | null;

/** JSON-RPC error codes of the gateway's own answers. */
export const JSON_RPC_CODES = {
  parseError: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internalError: -32603,
  /** Implementation-defined server error: the upstream could not be reached or did not answer in time. */
  upstreamUnavailable: -32000,
  /** As the SDKs answer a session that is not the caller's. */
  sessionNotFound: -32001,
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
}

/** How deep a message may nest unless the configuration says otherwise. */
const DEFAULT_DEPTH = 64;

/**
 * Reads a POST body, as every other reader of the same bytes reads it.
 * @throws {JsonRpcError} -32700 for what is no JSON, -32600 for JSON that is ambiguous, too deep, or no JSON-RPC message; 400.
 */
export function parseMessage(body: string | Uint8Array, maxDepth: number = DEFAULT_DEPTH): McpMessage {
  let value: unknown;
  try {
    value = parseStrictJson(body, maxDepth);
  } catch (error) {
    throw unreadable(error instanceof StrictJsonError ? error.reason : "json_malformed", maxDepth);
  }
  if (Array.isArray(value) && value.length > 0 && value.every(isObject)) {
    return { kind: "batch", id: null, ...NOTHING_KNOWN };
  }
  if (!isObject(value) || value.jsonrpc !== "2.0") throw invalid();
  // MCP: an id is a string or a number, never null; only an error answer to an unreadable request has none.
  const id = typeof value.id === "string" || typeof value.id === "number" ? value.id : null;
  if (id === null && value.id !== undefined && !("error" in value && value.id === null)) throw invalid();
  if (typeof value.method !== "string") {
    if (!("result" in value) && !("error" in value)) throw invalid();
    return { kind: "response", id, ...NOTHING_KNOWN };
  }
  return {
    kind: "id" in value ? "request" : "notification",
    id,
    method: value.method,
    capability: capabilityOf(value),
    modern: modernFields(value.params),
    sessionElicitsUrls: value.method === "initialize" && isObject(value.params)
      ? declaresUrlElicitation(value.params.capabilities)
      : null,
  };
}

const NOTHING_KNOWN = { method: null, capability: null, modern: null, sessionElicitsUrls: null } as const;

/** The JSON text of an error answer. */
export function errorBody(
  error: { id: JsonRpcId; code: number; message: string; data?: unknown },
): Uint8Array<ArrayBuffer> {
  const { id, code, message, data } = error;
  return Buffer.from(
    JSON.stringify({ jsonrpc: "2.0", id, error: { code, message, ...(data === undefined ? {} : { data }) } }),
  );
}

function capabilityOf(message: Record<string, unknown>): string | null {
  if (!isObject(message.params)) return null;
  const { name, uri } = message.params;
  return typeof name === "string" ? name : typeof uri === "string" ? uri : null;
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
