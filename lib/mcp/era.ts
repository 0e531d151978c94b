/** Which protocol era a message belongs to: decided by its body alone. Modern is 2026-07-28 (stateless), everything else legacy. */

const META_VERSION = "io.modelcontextprotocol/protocolVersion";
const META_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities";
const FIRST_MODERN_VERSION = "2026-07-28";

/** What a modern message says of itself. */
export interface ModernFields {
  readonly version: string;
  /** Whether the client can be asked to open a URL: `elicitation: {}` alone means forms only. */
  readonly elicitsUrls: boolean;
  /** What an earlier `input_required` answer gave out. */
  readonly requestState: string | null;
  /** The `action` of each input response. */
  readonly inputActions: ReadonlyMap<string, string>;
}

/** The modern fields of a request's or notification's params, or `null` for a legacy one. */
export function modernFields(params: unknown): ModernFields | null {
  const meta = member(params, "_meta");
  const version = member(meta, META_VERSION);
  if (typeof version !== "string" || version < FIRST_MODERN_VERSION) return null;
  const requestState = member(params, "requestState");
  return {
    version,
    elicitsUrls: declaresUrlElicitation(member(meta, META_CAPABILITIES)),
    requestState: typeof requestState === "string" ? requestState : null,
    inputActions: actionsOf(member(params, "inputResponses")),
  };
}

/** Whether capabilities, of either era, declare URL elicitation. */
export function declaresUrlElicitation(capabilities: unknown): boolean {
  const url = member(member(capabilities, "elicitation"), "url");
  return typeof url === "object" && url !== null;
}

function actionsOf(responses: unknown): ReadonlyMap<string, string> {
  if (typeof responses !== "object" || responses === null) return new Map();
  const actions = Object.entries(responses).map(([key, response]) =>
    [key, member(response, "action")] as const
  );
  return new Map(actions.filter((pair): pair is readonly [string, string] => typeof pair[1] === "string"));
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined;
}
