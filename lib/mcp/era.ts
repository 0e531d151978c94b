/** Which protocol era a message belongs to: decided by its body alone. Modern is 2026-07-28 (stateless), everything else legacy. */

/** The revision without sessions that this gateway knows; a later one is the upstream's to judge. */
export const MODERN_VERSION = "2026-07-28";
/** Where a message says its version. */
export const META_VERSION = "io.modelcontextprotocol/protocolVersion";
/** Where a request says what its client can do. */
export const META_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities";

/** What a modern message says of itself. */
export interface ModernFields {
  readonly version: string;
  /** Whether it brings the client's capabilities, as every request has to. */
  readonly declaresCapabilities: boolean;
  /** Whether the client can be asked to open a URL: `elicitation: {}` alone means forms only. */
  readonly elicitsUrls: boolean;
  /** What an earlier `input_required` answer gave out. */
  readonly requestState: string | null;
  /** The answers to an earlier `input_required`, as far as they are an object. */
  readonly inputResponses: Readonly<Record<string, unknown>>;
  /** What the `Mcp-Name` header has to repeat, `value: null` if the body lacks it; `null` for methods without that header. */
  readonly mirrored: { readonly value: string | null } | null;
}

/** Which parameter the `Mcp-Name` header repeats, by method (2026-07-28 transport; SEP-2663 for tasks). */
const MIRRORED_PARAMS: ReadonlyMap<string, string> = new Map([
  ["tools/call", "name"],
  ["prompts/get", "name"],
  ["resources/read", "uri"],
  ["tasks/get", "taskId"],
  ["tasks/update", "taskId"],
  ["tasks/cancel", "taskId"],
]);

/** The modern fields of a request or notification, `null` for a legacy one, `malformed` where the version is no string. */
export function modernFields(method: string, params: unknown): ModernFields | "malformed" | null {
  const meta = member(params, "_meta");
  const version = member(meta, META_VERSION);
  if (version === undefined) return null;
  if (typeof version !== "string") return "malformed";
  if (version < MODERN_VERSION) return null;
  const capabilities = member(meta, META_CAPABILITIES);
  const inputResponses = member(params, "inputResponses");
  const param = MIRRORED_PARAMS.get(method);
  return {
    version,
    declaresCapabilities: isObject(capabilities),
    elicitsUrls: declaresUrlElicitation(capabilities),
    requestState: stringOf(member(params, "requestState")),
    inputResponses: isObject(inputResponses) ? inputResponses : {},
    mirrored: param === undefined ? null : { value: stringOf(member(params, param)) },
  };
}

/** Whether capabilities, of either era, declare URL elicitation. */
export function declaresUrlElicitation(capabilities: unknown): boolean {
  return isObject(member(member(capabilities, "elicitation"), "url"));
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined;
}

function stringOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
