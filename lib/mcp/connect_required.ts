/**
 * "The user has to act": one decision, told as each client can take it (contract section 5). Older revisions get -32042 or a tool error;
 * 2026-07-28 an `input_required` result or a tool error, and never -32042.
 */
import { MODERN_VERSION } from "./era.ts";
import { JSON_RPC_CODES, type JsonRpcId, type McpMessage } from "./json_rpc.ts";
import { INPUT_KEY_PREFIX, openState, sealState, type StateAudience } from "./request_state.ts";

/** Why the user has to act. */
export type ConnectState = "authenticating" | "reconsent_required" | "admin_connect_required";

/** What has to be done, and where. */
export interface ConnectRequired {
  readonly state: ConnectState;
  readonly displayName: string;
  /** The connection's id. */
  readonly upstreamServerId: string;
  readonly operationId: string;
  readonly authProfileId: string;
  /** Names the pending operation; it is no credential. */
  readonly url: string;
  readonly elicitationId: string;
  /** Our own Bearer challenge, where signing in here anew offers the user to connect; else `null`. */
  readonly challenge: string | null;
}

/** JSON-RPC code of 2025-11-25 for a URL elicitation. */
const URL_ELICITATION_REQUIRED = -32042;
/** The extension's identifier in capabilities (ext-auth). */
const ENTERPRISE_MANAGED = "io.modelcontextprotocol/enterprise-managed-authorization";
/** Client drivers give up after ten rounds. */
const MAX_ROUNDS = 8;
const ELICITING_METHODS = new Set(["tools/call", "prompts/get", "resources/read"]);

/** An HTTP answer: a JSON body, or none. */
export interface ConnectAnswer {
  readonly status: number;
  readonly body: unknown;
  /** Whether a client of an older revision was asked to open a URL: then it can be told when that is done. */
  readonly elicits?: boolean;
}

/** What the dialects depend on beside the message. */
export interface ConnectAudience extends StateAudience {
  /** Whether the client of a legacy session declared `elicitation.url`; `null` if that is not known. */
  readonly sessionElicitsUrls: boolean | null;
  /** Whether the upstream is known to speak older revisions only. */
  readonly upstreamIsLegacy: boolean;
  /** Whether tokens are given out for ID-JAGs (Enterprise-Managed Authorization). */
  readonly enterpriseManaged: boolean;
}

/** The answer to a message that cannot go upstream until the user has acted. A `requestState` of ours has to be looked at before. */
export function connectRequiredAnswer(
  required: ConnectRequired,
  message: McpMessage,
  audience: ConnectAudience,
): ConnectAnswer {
  if (message.kind === "batch") {
    const answers = message.elements
      .filter(({ kind }) => kind === "request")
      .map((element) => connectRequiredAnswer(required, element, audience));
    if (answers.length === 0) return { status: 202, body: null };
    const elicits = answers.some((answer) => answer.elicits === true);
    return { status: 200, body: answers.map(({ body }) => body), elicits };
  }
  if (message.kind !== "request") return { status: 202, body: null };
  const text = messageOf(required);
  const { modern } = message;
  if (modern === null) return legacyAnswer(required, message, { text, elicits: audience.sessionElicitsUrls });
  // What we answer ourselves, we have to speak.
  if (modern.version !== MODERN_VERSION) return unsupported(message, modern.version);
  if (ELICITING_METHODS.has(message.method ?? "") && modern.elicitsUrls) {
    const asked = elicitation(required, message, audience);
    if (asked !== null) return result(message, asked);
  }
  if (message.method === "tools/call") {
    // A client that opens URLs has asked its user already: who said no is not asked in another way.
    const challenge = modern.elicitsUrls ? null : required.challenge;
    return result(message, { resultType: "complete", ...toolError(text, challenge) });
  }
  if (message.method === "server/discover") {
    return audience.upstreamIsLegacy
      ? undiscoverable(message)
      : result(message, discoverResult(required, audience));
  }
  return error(message, { code: JSON_RPC_CODES.connectRequired, text, data: connectData(required) });
}

function legacyAnswer(
  required: ConnectRequired,
  message: McpMessage,
  how: { readonly text: string; readonly elicits: boolean | null },
): ConnectAnswer {
  if (how.elicits === false && message.method === "tools/call") {
    return result(message, toolError(how.text, required.challenge));
  }
  const elicitation = {
    mode: "url",
    elicitationId: required.elicitationId,
    url: required.url,
    message: promptOf(required),
  };
  const answer = error(message, {
    code: URL_ELICITATION_REQUIRED,
    text: how.text,
    data: { elicitations: [elicitation], ...connectData(required) },
  });
  return { ...answer, elicits: true };
}

function connectData(required: ConnectRequired): Record<string, unknown> {
  const { state, upstreamServerId, operationId, url: authUrl, authProfileId } = required;
  return { state, upstreamServerId, operationId, authUrl, nextAction: "redirect", authProfileId };
}

/** The question to the user, or `null` if asking would not help: the user said no, or has been asked too often. */
function elicitation(
  required: ConnectRequired,
  message: McpMessage,
  audience: ConnectAudience,
): Record<string, unknown> | null {
  const key = INPUT_KEY_PREFIX + required.upstreamServerId;
  const earlier = openState(message, audience);
  const round = earlier === "none" || earlier === "foreign" ? 0 : earlier.round;
  if (round >= MAX_ROUNDS || (round > 0 && saidNo(message.modern?.inputResponses[key]))) return null;
  const requestState = sealState(message, audience, round + 1);
  if (requestState === null) return null;
  const params = { mode: "url", message: promptOf(required), url: required.url };
  return {
    resultType: "input_required",
    inputRequests: { [key]: { method: "elicitation/create", params } },
    requestState,
  };
}

/** Asking again would be a loop. */
function saidNo(response: unknown): boolean {
  if (typeof response !== "object" || response === null || !("action" in response)) return false;
  return response.action === "decline" || response.action === "cancel";
}

/** So that a client can connect at all before its user has. */
function discoverResult(
  required: ConnectRequired,
  { enterpriseManaged }: Pick<ConnectAudience, "enterpriseManaged">,
): Record<string, unknown> {
  const extensions = enterpriseManaged ? { extensions: { [ENTERPRISE_MANAGED]: {} } } : {};
  return {
    resultType: "complete",
    supportedVersions: [MODERN_VERSION],
    capabilities: { tools: {}, prompts: {}, resources: {}, ...extensions },
    serverInfo: { name: required.displayName, version: "0" },
    instructions: messageOf(required),
    ttlMs: 0,
    cacheScope: "private",
  };
}

/**
 * ChatGPT offers to sign in again when it finds a challenge in a tool's result. That leads to our setup page, whose first button connects
 * the upstream; other clients ignore it.
 */
function toolError(text: string, challenge: string | null): Record<string, unknown> {
  return {
    content: [{ type: "text", text }],
    isError: true,
    ...(challenge === null ? {} : { _meta: { "mcp/www_authenticate": [challenge] } }),
  };
}

function promptOf({ state, displayName }: ConnectRequired): string {
  switch (state) {
    case "authenticating":
      return `Connect ${displayName} to continue.`;
    case "reconsent_required":
      return `${displayName} needs your permission again.`;
    case "admin_connect_required":
      return `An administrator has to connect ${displayName}.`;
  }
}

function messageOf(required: ConnectRequired): string {
  return `${promptOf(required)} Open ${required.url} in your browser, then try again.`;
}

/** As an older server answers: a client of both eras goes on with `initialize`, and gets the link there. */
function undiscoverable({ id }: McpMessage): ConnectAnswer {
  const refusal = { code: JSON_RPC_CODES.methodNotFound, message: "Method not found" };
  return { status: 404, body: { jsonrpc: "2.0", id, error: refusal } };
}

function unsupported(message: McpMessage, requested: string): ConnectAnswer {
  const data = { supported: [MODERN_VERSION], requested };
  const text = `Unsupported protocol version: ${requested}`;
  return { ...error(message, { code: JSON_RPC_CODES.unsupportedVersion, text, data }), status: 400 };
}

function result({ id }: { readonly id: JsonRpcId }, value: Record<string, unknown>): ConnectAnswer {
  return { status: 200, body: { jsonrpc: "2.0", id, result: value } };
}

function error(
  { id }: { readonly id: JsonRpcId },
  { code, text, data }: {
    readonly code: number;
    readonly text: string;
    readonly data: Record<string, unknown>;
  },
): ConnectAnswer {
  return { status: 200, body: { jsonrpc: "2.0", id, error: { code, message: text, data } } };
}
