/**
 * "The user has to act": one decision, told as each client can take it (contract section 5). Older revisions get -32042 or a tool error;
 * 2026-07-28 an `input_required` result or a tool error, and never -32042.
 */
import { Buffer } from "node:buffer";
import type { KeyRing } from "../crypto/keyring.ts";
import { hashSecret } from "../crypto/secret_token.ts";
import type { Clock } from "../runtime/clock.ts";
import type { McpMessage } from "./json_rpc.ts";

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
}

/** JSON-RPC code of 2025-11-25 for a URL elicitation. */
const URL_ELICITATION_REQUIRED = -32042;
/** Our own code for 2026-07-28, outside the range that JSON-RPC and MCP keep for themselves. */
const CONNECT_REQUIRED = 4010;
const STATE_PREFIX = "gw1.";
const STATE_TTL_MS = 15 * 60_000;
/** Client drivers give up after ten rounds. */
const MAX_ROUNDS = 8;
const ELICITING_METHODS = new Set(["tools/call", "prompts/get", "resources/read"]);

/** An HTTP answer: a JSON body, or none. */
export interface ConnectAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** What the dialects depend on beside the message. */
export interface ConnectAudience {
  readonly userId: string;
  /** Whether the client of a legacy session declared `elicitation.url`; `null` if that is not known. */
  readonly sessionElicitsUrls: boolean | null;
  /** The message's text: our state is good for the very request that it was given for. */
  readonly body: string;
  readonly keyRing: KeyRing;
  readonly clock: Clock;
}

/** The answer to a request that cannot go upstream until the user has acted. */
export function connectRequiredAnswer(
  required: ConnectRequired,
  message: McpMessage,
  audience: ConnectAudience,
): ConnectAnswer {
  if (message.kind !== "request") return { status: 202, body: null };
  const text = messageOf(required);
  if (message.modern === null) {
    return legacyAnswer(required, message, { text, elicits: audience.sessionElicitsUrls });
  }
  if (ELICITING_METHODS.has(message.method ?? "") && message.modern.elicitsUrls) {
    const round = readState(message, audience)?.round ?? 0;
    if (round < MAX_ROUNDS && !declined(message, required)) {
      return result(message, elicitation(required, { ...audience, text, round: round + 1 }));
    }
  }
  if (message.method === "tools/call") return result(message, { resultType: "complete", ...toolError(text) });
  if (message.method === "server/discover") return result(message, discoverResult(required));
  return error(message, CONNECT_REQUIRED, text, connectData(required));
}

/** Whether the message carries what an earlier answer of ours gave out: before it goes upstream, {@linkcode withoutOwnState} takes it off. */
export function carriesOwnState(message: McpMessage): boolean {
  return message.modern?.requestState?.startsWith(STATE_PREFIX) ?? false;
}

/**
 * The body without our own `requestState` and responses.
 * `null`: the state was altered, has expired, or belongs to another user or request.
 */
export function withoutOwnState(message: McpMessage, audience: ConnectAudience): string | null {
  if (readState(message, audience) === null) return null;
  const { request, params } = split(audience.body);
  return JSON.stringify({ ...request, params });
}

/** The request, and its params without what belongs to the asking and answering. */
function split(body: string): { request: Record<string, unknown>; params: Record<string, unknown> } {
  // The text was parsed before and found to be a request with params.
  const request = JSON.parse(body) as Record<string, unknown> & { params: Record<string, unknown> };
  const { requestState: _state, inputResponses: _responses, ...params } = request.params;
  return { request, params };
}

function legacyAnswer(
  required: ConnectRequired,
  message: McpMessage,
  how: { readonly text: string; readonly elicits: boolean | null },
): ConnectAnswer {
  if (how.elicits === false && message.method === "tools/call") return result(message, toolError(how.text));
  return error(message, URL_ELICITATION_REQUIRED, how.text, {
    elicitations: [{
      mode: "url",
      elicitationId: required.elicitationId,
      url: required.url,
      message: promptOf(required),
    }],
    ...connectData(required),
  });
}

function connectData(required: ConnectRequired): Record<string, unknown> {
  const { state, upstreamServerId, operationId, url: authUrl, authProfileId } = required;
  return { state, upstreamServerId, operationId, authUrl, nextAction: "redirect", authProfileId };
}

function elicitation(
  required: ConnectRequired,
  context: ConnectAudience & { readonly text: string; readonly round: number },
): Record<string, unknown> {
  const { keyRing, clock, round, userId } = context;
  const state = JSON.stringify({
    userId,
    round,
    request: digest(context.body),
    expiresAt: clock.now() + STATE_TTL_MS,
  });
  const sealed = Buffer.from(keyRing.seal(Buffer.from(state), "mcp-request-state")).toString("base64url");
  return {
    resultType: "input_required",
    inputRequests: {
      [inputKey(required)]: {
        method: "elicitation/create",
        params: { mode: "url", message: promptOf(required), url: required.url },
      },
    },
    requestState: STATE_PREFIX + sealed,
  };
}

interface OwnState {
  readonly round: number;
}

function readState(message: McpMessage, { keyRing, clock, userId, body }: ConnectAudience): OwnState | null {
  const given = message.modern?.requestState;
  if (!given?.startsWith(STATE_PREFIX)) return null;
  const plain = keyRing.open(Buffer.from(given.slice(STATE_PREFIX.length), "base64url"), "mcp-request-state");
  if (plain === null) return null;
  // We sealed this JSON ourselves.
  const state = JSON.parse(Buffer.from(plain).toString()) as {
    userId: string;
    round: number;
    request: string;
    expiresAt: number;
  };
  const valid = state.userId === userId && state.request === digest(body) && state.expiresAt > clock.now();
  return valid ? { round: state.round } : null;
}

/** The user said no: asking again would be a loop. */
function declined(message: McpMessage, required: ConnectRequired): boolean {
  const action = message.modern?.inputActions.get(inputKey(required));
  return action === "decline" || action === "cancel";
}

function digest(body: string): string {
  const { request, params } = split(body);
  // A retry may carry another progress token.
  const { _meta, ...rest } = params;
  return hashSecret(JSON.stringify([request.method, rest]));
}

function inputKey(required: ConnectRequired): string {
  return `gateway.connect.${required.upstreamServerId}`;
}

/** So that a client can connect at all before its user has. */
function discoverResult(required: ConnectRequired): Record<string, unknown> {
  return {
    resultType: "complete",
    supportedVersions: ["2026-07-28"],
    capabilities: { tools: {}, prompts: {}, resources: {} },
    serverInfo: { name: required.displayName, version: "0" },
    instructions: messageOf(required),
    ttlMs: 0,
    cacheScope: "private",
  };
}

function toolError(text: string): Record<string, unknown> {
  return { content: [{ type: "text", text }], isError: true };
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

function result(message: McpMessage, value: Record<string, unknown>): ConnectAnswer {
  return { status: 200, body: { jsonrpc: "2.0", id: message.id, result: value } };
}

function error(
  message: McpMessage,
  code: number,
  text: string,
  data: Record<string, unknown>,
): ConnectAnswer {
  return { status: 200, body: { jsonrpc: "2.0", id: message.id, error: { code, message: text, data } } };
}
