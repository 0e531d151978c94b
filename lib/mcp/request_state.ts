/**
 * The gateway's own `requestState` (2026-07-28): sealed, and good for one user, client, route and request, for a quarter of an hour. An
 * upstream's state and answers that came with the request wait inside it, so that the upstream gets them when the user has acted
 * (checklist TR-21).
 */
import { Buffer } from "node:buffer";
import type { KeyRing } from "../crypto/keyring.ts";
import { hashSecret } from "../crypto/secret_token.ts";
import type { Clock } from "../runtime/clock.ts";
import type { McpMessage } from "./json_rpc.ts";
import { firstValue, membersOf } from "./json_text.ts";
import type { SessionHolder } from "./session_id.ts";

/** What the keys of our own input requests begin with. */
export const INPUT_KEY_PREFIX = "gateway.connect.";
/** By which our own state is told from an upstream's. An upstream that uses it has its state refused here. */
const STATE_PREFIX = "gw1.";
const STATE_TTL_MS = 15 * 60_000;
/** How much of an upstream's may wait in our state, in characters: clients send it back with every retry. */
const MAX_THEIRS = 65_536;
const PURPOSE = "mcp-request-state";

/** Whose state it is, and what it is about. */
export interface StateAudience {
  readonly holder: SessionHolder;
  /** The message's text: our state is good for the very request that it was given for. */
  readonly body: string;
  readonly keyRing: KeyRing;
  readonly clock: Clock;
}

/** What belongs to the upstream's own asking and answering. */
interface Theirs {
  readonly requestState?: unknown;
  readonly inputResponses?: Readonly<Record<string, unknown>>;
}

/** A state that we gave out for this request. */
export interface OwnState {
  /** How often the user has been asked. */
  readonly round: number;
  readonly expired: boolean;
  readonly theirs: Theirs;
}

/** What is sealed. */
interface Sealed {
  readonly holder: readonly string[];
  readonly round: number;
  readonly request: string;
  readonly expiresAt: number;
  readonly theirs: Theirs;
}

/** Whether a message carries anything of ours, which must not reach the upstream. */
export function carriesOwnInput({ modern }: McpMessage): boolean {
  if (modern === null) return false;
  return isOwn(modern.requestState) || Object.keys(modern.inputResponses).some(isOwnKey);
}

/** The state that a message brings: ours, `none` of ours, or one that was altered or is not this user's, client's, route's or request's. */
export function openState(message: McpMessage, audience: StateAudience): OwnState | "none" | "foreign" {
  const given = message.modern?.requestState ?? null;
  if (given === null || !isOwn(given)) return "none";
  const plain = audience.keyRing.open(Buffer.from(given.slice(STATE_PREFIX.length), "base64url"), PURPOSE);
  if (plain === null) return "foreign";
  // We sealed this JSON ourselves.
  const state = JSON.parse(Buffer.from(plain).toString()) as Sealed;
  const fits = state.holder.join("\n") === namesOf(audience.holder).join("\n") &&
    state.request === digest(audience.body);
  if (!fits) return "foreign";
  return { round: state.round, theirs: state.theirs, expired: state.expiresAt <= audience.clock.now() };
}

/** A state to give out with a question; `null` if what it would have to keep for the upstream is too much. */
export function sealState(message: McpMessage, audience: StateAudience, round: number): string | null {
  const theirs = theirsOf(message, audience);
  if (JSON.stringify(theirs).length > MAX_THEIRS) return null;
  const state: Sealed = {
    holder: namesOf(audience.holder),
    round,
    request: digest(audience.body),
    expiresAt: audience.clock.now() + STATE_TTL_MS,
    theirs,
  };
  const sealed = audience.keyRing.seal(Buffer.from(JSON.stringify(state)), PURPOSE);
  return STATE_PREFIX + Buffer.from(sealed).toString("base64url");
}

/**
 * The body as the upstream gets it: nothing of ours in it, everything of its own, and the rest to the letter: a number that no double
 * holds stays what it is.
 */
export function withoutOwnInput(message: McpMessage, audience: StateAudience): string {
  const { body } = audience;
  const params = membersOf(body, firstValue(body)).find(({ key }) => key === "params");
  if (params === undefined) return body;
  const { start, end } = params.value;
  const members = membersOf(body, start)
    .filter(({ key }) => key !== "requestState" && key !== "inputResponses")
    .map(({ key, value }) => `${JSON.stringify(key)}:${body.slice(value.start, value.end)}`);
  const theirs = Object.entries(theirsOf(message, audience))
    .map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
  return `${body.slice(0, start)}{${[...members, ...theirs].join(",")}}${body.slice(end)}`;
}

function theirsOf(message: McpMessage, audience: StateAudience): Theirs {
  const { modern } = message;
  if (modern === null) return {};
  const state = openState(message, audience);
  const kept = typeof state === "object" ? state.theirs : {};
  const requestState = isOwn(modern.requestState) ? kept.requestState : modern.requestState ?? undefined;
  const inputResponses = Object.fromEntries([
    ...Object.entries(kept.inputResponses ?? {}),
    ...Object.entries(modern.inputResponses).filter(([key]) => !isOwnKey(key)),
  ]);
  return {
    ...(requestState === undefined ? {} : { requestState }),
    ...(Object.keys(inputResponses).length === 0 ? {} : { inputResponses }),
  };
}

/** The request, and its params without what belongs to asking and answering. */
function split(body: string): { request: Record<string, unknown>; params: Record<string, unknown> } {
  // The text was parsed before and found to be a request with params.
  const request = JSON.parse(body) as Record<string, unknown> & { params: Record<string, unknown> };
  const { requestState: _state, inputResponses: _responses, ...params } = request.params;
  return { request, params };
}

function digest(body: string): string {
  const { request, params } = split(body);
  // A retry may carry another progress token.
  const { _meta, ...rest } = params;
  return hashSecret(JSON.stringify([request.method, rest]));
}

function namesOf({ userId, clientId, operationId }: SessionHolder): string[] {
  return [userId, clientId, operationId];
}

function isOwn(requestState: string | null): boolean {
  return requestState?.startsWith(STATE_PREFIX) ?? false;
}

function isOwnKey(key: string): boolean {
  return key.startsWith(INPUT_KEY_PREFIX);
}
