/**
 * Whether the headers of a message fit its body. The body decides the era and everything else; the headers are a cross-check, because
 * whoever reads only one of the two must see what the other reader sees (checklist TR-05, TR-09, TR-10, TR-12; corpus B13 201).
 * The MCP SDK's server makes the same checks in the same order.
 */
import { META_CAPABILITIES, META_VERSION, MODERN_VERSION, type ModernFields } from "./era.ts";
import { JSON_RPC_CODES, JsonRpcError, type McpMessage } from "./json_rpc.ts";

/** The only revision with batches, and what a missing header stands for. */
const BATCH_VERSION = "2025-03-26";

/** @throws {JsonRpcError} 400: -32020 for a header that differs, -32602 for what the body lacks, -32600 for a batch that may not be. */
export function checkEra(headers: Headers, message: McpMessage): void {
  if (message.modern === null) checkLegacy(headers.get("mcp-protocol-version"), message);
  else checkModern(headers, message, message.modern);
}

function checkLegacy(version: string | null, { kind, id }: McpMessage): void {
  if (version === null) return;
  if (kind === "batch" && version !== BATCH_VERSION) {
    throw fault(
      "invalidRequest",
      "batch_not_allowed",
      `Invalid Request: only protocol version ${BATCH_VERSION} has batches. Send one message.`,
    );
  }
  // Only a request has to say in its body what the header claims.
  if (kind === "request" && version >= MODERN_VERSION && /^\d{4}-\d{2}-\d{2}$/.test(version)) {
    throw missing(META_VERSION, id);
  }
}

function checkModern(headers: Headers, { kind, id, method }: McpMessage, modern: ModernFields): void {
  const isRequest = kind === "request";
  if (isRequest && !modern.declaresCapabilities) throw missing(META_CAPABILITIES, id);
  // Notifications may come without; what a later revision requires is not known here, so there what comes has to agree.
  const required = isRequest && modern.version === MODERN_VERSION;
  const version = headers.get("mcp-protocol-version");
  if (version === null ? required : version !== modern.version) throw differs("MCP-Protocol-Version", id);
  const named = headers.get("mcp-method");
  if (named === null ? required : named !== method) throw differs("Mcp-Method", id);
  const { mirrored } = modern;
  if (!isRequest || mirrored === null) return;
  const name = headers.get("mcp-name");
  // A body that lacks what its method needs is the upstream's to refuse, unless a header names something all the same.
  const agrees = name === null
    ? !required || mirrored.value === null
    : mirrored.value !== null && decodeHeaderValue(name) === mirrored.value;
  if (!agrees) throw differs("Mcp-Name", id);
}

const SENTINEL_START = "=?base64?";
const SENTINEL_END = "?=";
/** Everything else has to be encoded (RFC 9110 §5.5). */
const PLAIN = /^[\t\x20-\x7e]*$/;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The value of an `Mcp-Name` header; `null` if it holds characters that have to be encoded, or cannot be decoded. */
export function decodeHeaderValue(value: string): string | null {
  if (!PLAIN.test(value)) return null;
  if (!value.startsWith(SENTINEL_START) || !value.endsWith(SENTINEL_END)) return value;
  const base64 = value.slice(SENTINEL_START.length, -SENTINEL_END.length);
  if (/\s/.test(base64)) return null;
  try {
    return decoder.decode(Uint8Array.fromBase64(base64, { lastChunkHandling: "strict" }));
  } catch {
    return null;
  }
}

function missing(key: string, id: McpMessage["id"]): JsonRpcError {
  const message = `Invalid params: _meta["${key}"] is required with this protocol version.`;
  return fault("invalidParams", "modern_meta_missing", message, id);
}

function differs(header: string, id: McpMessage["id"]): JsonRpcError {
  const message = `Bad Request: the ${header} header is missing or says something else than the body.`;
  return fault("headerMismatch", "header_differs_from_body", message, id);
}

function fault(
  code: "invalidRequest" | "invalidParams" | "headerMismatch",
  reason: string,
  message: string,
  id: McpMessage["id"] = null,
): JsonRpcError {
  return new JsonRpcError(JSON_RPC_CODES[code], message, { status: 400, reason, id });
}
