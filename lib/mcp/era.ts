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

/** Our answers to a header and a body that do not agree on the era. */
const ERA_CODES = { invalidParams: -32602, headerMismatch: -32020 } as const;

/** What is wrong between the protocol version header and the body, or `null`. The body decides; the header is a cross-check. */
export function eraFault(
  header: string | null,
  message: { readonly kind: string; readonly modern: ModernFields | null },
): { readonly code: number; readonly message: string } | null {
  const { modern } = message;
  if (modern === null) {
    // Only a request has to say in its body what the header claims; a batch is legacy by nature.
    const claimed = header !== null && header >= FIRST_MODERN_VERSION && /^\d{4}-\d{2}-\d{2}$/.test(header);
    if (!claimed || message.kind !== "request") return null;
    return {
      code: ERA_CODES.invalidParams,
      message: `Invalid params: _meta["${META_VERSION}"] is required with this protocol version.`,
    };
  }
  if (header === modern.version) return null;
  // A notification may come without the header.
  if (header === null && message.kind === "notification") return null;
  return {
    code: ERA_CODES.headerMismatch,
    message: "MCP-Protocol-Version and the body name different protocol versions.",
  };
}
