/** Events: one JSON line each, built from an allow-list of fields, so that no secret can be in one by accident. */
import type { Clock } from "../runtime/clock.ts";

/** How much is written. */
export type EventLevel = "debug" | "info" | "warn" | "error";

/** Stable names of what can happen. */
export type EventName =
  | "gateway_started"
  | "gateway_stopping"
  | "gateway_fault"
  | "log_lines_dropped"
  | "store_record_unreadable"
  | "http_request_refused"
  | "http_rate_limited"
  | "mcp_auth_downstream_client_registered"
  | "mcp_auth_downstream_client_deleted"
  | "mcp_auth_downstream_authorization_requested"
  | "mcp_auth_downstream_authorization_refused"
  | "mcp_auth_downstream_consent_granted"
  | "mcp_auth_downstream_consent_denied"
  | "mcp_auth_downstream_token_issued"
  | "mcp_auth_downstream_token_refreshed"
  | "mcp_auth_downstream_token_refused"
  | "mcp_auth_downstream_token_revoked"
  | "mcp_auth_downstream_grant_revoked"
  | "mcp_auth_downstream_bearer_refused"
  | "mcp_auth_login_started"
  | "mcp_auth_login_completed"
  | "mcp_auth_login_refused"
  | "mcp_auth_browser_request_refused"
  | "mcp_auth_upstream_connect_started"
  | "mcp_auth_upstream_connection_established"
  | "mcp_auth_upstream_connection_refused"
  | "mcp_auth_upstream_connection_lost"
  | "mcp_auth_upstream_token_refreshed"
  | "mcp_auth_upstream_refresh_failed"
  | "mcp_auth_upstream_registered"
  | "mcp_auth_upstream_registration_lost"
  | "mcp_auth_upstream_disconnected"
  | "mcp_auth_upstream_user_must_act"
  | "mcp_auth_upstream_override_used"
  | "mcp_capability_invoked"
  | "mcp_capability_completed"
  | "mcp_capability_refused"
  | "mcp_capability_answer_withheld"
  | "mcp_capability_access_failed"
  | "mcp_session_refused"
  | "mcp_upstream_address_refused"
  | "mcp_upstream_unreachable";

/** The only things an event may carry. Never tokens, codes, secrets, cookies, query strings, bodies, or whole redirect URIs. */
export interface EventFields {
  readonly requestId?: string;
  readonly operationId?: string;
  readonly upstreamServerId?: string;
  /** Pseudonym of the user: a hash of issuer and subject. */
  readonly subjectId?: string;
  readonly clientId?: string;
  readonly grantId?: string;
  /** A snake_case word that says why. */
  readonly reasonCode?: string;
  /** HTTP method. */
  readonly method?: string;
  /** Path without the query. */
  readonly path?: string;
  readonly status?: number;
  /** JSON-RPC method, such as `tools/call`. */
  readonly mcpMethod?: string;
  /** Name of the tool, prompt or resource; never its arguments. */
  readonly capability?: string;
  readonly protocolVersion?: string;
  readonly outcome?: "ok" | "error" | "cancelled";
  readonly latencyMs?: number;
  readonly upstreamLatencyMs?: number;
  readonly count?: number;
  readonly mode?: string;
  readonly collection?: string;
  /** Kind of a thrown error, such as `TypeError`; never its message. */
  readonly errorName?: string;
}

/** Takes events. */
export interface Events {
  emit(level: EventLevel, event: EventName, fields: EventFields | WrittenFields): void;
}

/** Fields as the text that they become. */
export interface WrittenFields {
  /** Members of a JSON object, each after a comma. Read when the line is written, which is after `emit()`: what it says must not change. */
  readonly members: string;
}

/** A member of {@linkcode WrittenFields}. */
export function member<Name extends keyof EventFields>(
  name: Name,
  value: NonNullable<EventFields[Name]>,
): string {
  return `,"${name}":${written(value)}`;
}

/**
 * What becomes a line when it is written. Only then are its words put together, many lines at a time: in the middle of a call that costs
 * several times as much, since nothing that it takes is in the processor's caches.
 */
export interface Line {
  toString(): string;
}

const RANK: Readonly<Record<EventLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };
const LONGEST_FIELD = 256;
/** What JSON leaves as it is although a terminal acts on it: DEL, the C1 controls, line separators, changes of direction. */
const UNPRINTABLE = /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
/** What is shorter than this has no field that is too long, or one that does no harm. */
const SUSPICIOUS_LENGTH = 1_024;

/** Events at `level` and above, one line each, handed to `write` without the newline. */
export function createEvents(
  options: { clock: Clock; level: EventLevel; write: (line: Line) => void },
): Events {
  const { clock, write } = options;
  const least = RANK[options.level];
  return {
    emit(level, event, fields) {
      if (RANK[level] >= least) write(new EventLine(clock.now(), { level, event, fields }));
    },
  };
}

interface Event {
  readonly level: EventLevel;
  readonly event: EventName;
  readonly fields: EventFields | WrittenFields;
}

class EventLine implements Line {
  constructor(readonly at: number, readonly what: Event) {}

  toString(): string {
    const { level, event, fields } = this.what;
    return `{"time":"${timeOf(this.at)}","level":"${level}","event":"${event}"${membersOf(fields)}}`;
  }
}

let lastTime = { at: Number.NaN, text: "" };

/** Formatting a date is the dearest part of a line, and lines of one millisecond come together. */
function timeOf(at: number): string {
  if (at !== lastTime.at) lastTime = { at, text: new Date(at).toISOString() };
  return lastTime.text;
}

function membersOf(fields: EventFields | WrittenFields): string {
  if ("members" in fields) return fields.members;
  const members = written(fields).slice(1, -1);
  return members === "" ? "" : `,${members}`;
}

/** Identifiers, and most names. */
const PLAIN = /^[\w ./:-]{0,256}$/;

function written(value: EventFields | string | number): string {
  if (typeof value === "number" && Number.isFinite(value)) return String(value);
  if (typeof value === "string" && PLAIN.test(value)) return `"${value}"`;
  const json = JSON.stringify(value);
  const short = json.length < SUSPICIOUS_LENGTH ? json : JSON.stringify(value, shorten);
  return short.replace(UNPRINTABLE, escaped);
}

function shorten(_key: string, value: unknown): unknown {
  return typeof value === "string" && value.length > LONGEST_FIELD
    ? `${value.slice(0, LONGEST_FIELD)}…`
    : value;
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
