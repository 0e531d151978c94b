/** `capabilityFilter`, compiled: what of an upstream is shown, and to whom. */
import type { CapabilityKind, Projection } from "./capabilities.ts";

/** What a route shows of each list that its upstream publishes; `null`: all of it. */
export interface CapabilityFilter {
  readonly lists: CuratedLists;
  readonly access: CapabilityAccess;
}

/** For each list the entries that are shown at most; `null`: whatever the upstream has. */
export type CuratedLists = Readonly<Record<CapabilityKind, readonly CapabilityEntry[] | null>>;

/** One tool, prompt, resource or resource template. */
export interface CapabilityEntry {
  /** The name, the URI, or the URI template, exactly as the upstream writes it. */
  readonly id: string;
  /** Members that are shown otherwise than the upstream says; `null`: none. */
  readonly projection: Projection;
  /** For everybody. Without roles and groups in play, every entry is. */
  readonly public: boolean;
  readonly roles: readonly string[];
  readonly groups: readonly string[];
}

/** Who sees the entries. */
export type CapabilityAccess =
  | { readonly kind: "allPublic" }
  | { readonly kind: "rolesAndGroups"; readonly roleClaim: string; readonly groupClaim: string }
  | { readonly kind: "rule"; readonly rule: CapabilityRule };

/**
 * Decides what one user sees, for every request anew. It can take away from what the filter shows, never add to it. If it throws, is
 * not done within 5 seconds, or returns anything else than a decision, that request finds nothing.
 */
export type CapabilityRule = (
  identity: CapabilityIdentity,
  request: CapabilityRequest,
) => CapabilityDecision | Promise<CapabilityDecision>;

/** The user, as the latest login told. */
export interface CapabilityIdentity {
  /** The identity provider that vouches for the user. */
  readonly issuer: string;
  /** What that provider calls the user. */
  readonly subject: string;
  /** `null` when the provider gave none. */
  readonly name: string | null;
  /** `null` when the provider gave none. */
  readonly email: string | null;
  /** Whether the provider says that the address is the user's. */
  readonly emailVerified: boolean;
  /** What the ID token of the latest login said. Frozen. */
  readonly claims: Readonly<Record<string, unknown>>;
}

/** The request that is decided about. */
export interface CapabilityRequest {
  /** The route. */
  readonly operationId: string;
  /** The MCP client that the user signed in to. */
  readonly clientId: string;
  /** The MCP method, such as `tools/call`; `null` for a batch of messages and for a stream that is opened. */
  readonly method: string | null;
  /** The tool, prompt or resource that it names, if it names one. */
  readonly capability: string | null;
  /** The headers of the HTTP request, without credentials. */
  readonly headers: Headers;
}

/** What is left to a user. A list that is not mentioned stays as the filter shows it. */
export interface CapabilityDecision {
  /** Names of tools. */
  readonly tools?: readonly string[];
  /** Names of prompts. */
  readonly prompts?: readonly string[];
  /** URIs of resources. */
  readonly resources?: readonly string[];
  /** Templates, as the upstream writes them. */
  readonly resourceTemplates?: readonly string[];
}
