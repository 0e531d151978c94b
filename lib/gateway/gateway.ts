/**
 * The compiled configuration: what `compileGateway` makes of a `gateway.config.ts`. Nothing in it is optional. What a domain alone needs to
 * know is declared there, as its settings.
 */
import type { PublicUrlSetting } from "../http/public_url.ts";
import type { OidcSettings } from "../login/oidc_settings.ts";
import type { TrustedIssuer } from "../oauth/id_jag.ts";
import type { Secret } from "../runtime/secret.ts";
import type { ConnectionSettings } from "../upstream/connection_settings.ts";
import type { CapabilityFilter } from "../mcp/capability_settings.ts";

/** `development` is `deno task dev` (`main.ts --dev`); everything else is `production`. */
export type Mode = "development" | "production";

/** A whole gateway, resolved: environment read, defaults filled in, every rule checked. */
export interface Gateway {
  readonly mode: Mode;
  readonly publicUrl: PublicUrlSetting;
  /** Further `Host` values to answer; they never appear in a URL. Lower case. */
  readonly allowedHosts: ReadonlySet<string>;
  /** How many proxies in front may be believed; 0 means none. */
  readonly trustedProxies: number;
  /** Prefix of the internal routes, `""` or `/something` without a trailing slash. */
  readonly basePath: string;
  readonly admins: AdminRule;
  readonly clients: readonly PreregisteredClient[];
  /** Native redirect schemes, lower case, without the colon. */
  readonly redirectSchemes: ReadonlySet<string>;
  /** Browser origins allowed on MCP routes beside our own. */
  readonly corsOrigins: ReadonlySet<string>;
  readonly outbound: { readonly allowLoopback: boolean };
  readonly limits: Limits;
  readonly registry: { readonly enabled: boolean; readonly path: string };
  readonly oauth: OAuthSettings;
  /** At least one. */
  readonly routes: readonly Route[];
}

/** Who may connect shared upstreams. */
export type AdminRule = (identity: AdminCandidate) => boolean;

/** What an {@linkcode AdminRule} may look at. */
export interface AdminCandidate {
  /** The identity provider that vouches for the user. */
  readonly issuer: string;
  /** What that provider calls the user. */
  readonly subject: string;
  /** `null` when the provider gave none. */
  readonly email: string | null;
  /** Whether the provider says that the address is the user's. */
  readonly emailVerified: boolean;
}

/** A client named in the configuration. */
export interface PreregisteredClient {
  readonly clientId: string;
  readonly name: string;
  readonly redirectUris: readonly string[];
  readonly clientSecret: Secret | null;
  /** A JSON Web Key Set with public keys only, for `private_key_jwt`. */
  readonly jwks: { readonly keys: readonly Readonly<Record<string, unknown>>[] } | null;
}

/** Bounds on what one request, one address or one user may cost. */
export interface Limits {
  readonly bodyBytes: number;
  readonly jsonDepth: number;
  readonly streams: number;
  readonly streamsPerUser: number;
  readonly registrationsPerMinute: number;
  readonly authorizationsPerMinute: number;
  readonly tokenRequestsPerMinute: number;
}

/**
 * The one OAuth policy, resolved.
 *
 * @internal
 */
export interface OAuthSettings {
  readonly login: LocalLogin | OidcLogin;
  /** Lifetime of an unfinished login or authorization, in seconds. */
  readonly stateTtlSeconds: number;
  readonly sessionTtlSeconds: number;
  readonly tokens: TokenLifetimes;
  readonly cimdEnabled: boolean;
  readonly dcrEnabled: boolean;
  readonly idJag: IdJagSettings | null;
}

/** Lifetimes of what the token endpoint issues, in seconds. */
export interface TokenLifetimes {
  readonly accessTokenTtlSeconds: number;
  /** From its last use. */
  readonly refreshTokenTtlSeconds: number;
  /** From the user's approval. */
  readonly grantTtlSeconds: number;
  /** How long a rotated refresh token still answers with its successor. */
  readonly refreshGraceSeconds: number;
}

/** `mcpDevOAuth`: no provider, loopback only. */
export interface LocalLogin {
  readonly kind: "local";
  /** At least one. */
  readonly users: readonly string[];
}

/** `mcpOAuth` and its wrappers: an OpenID Connect provider. */
export interface OidcLogin extends OidcSettings {
  readonly kind: "oidc";
}

/** Which ID-JAG issuers the token endpoint trusts. */
export interface IdJagSettings {
  readonly trustedIssuers: readonly TrustedIssuer[];
}

/**
 * One `mcpProxy`, resolved.
 *
 * @internal
 */
export interface Route {
  /** Literal path, starts with `/`, no trailing slash. */
  readonly path: string;
  readonly operationId: string;
  /** What people read: the summary, else the operationId. */
  readonly title: string;
  readonly description: string | null;
  readonly version: string | null;
  readonly websiteUrl: string | null;
  readonly icons: readonly RouteIcon[];
  /** Absolute http(s) URL. */
  readonly upstream: string;
  readonly forwardSearch: boolean;
  readonly followRedirects: boolean;
  /** PEM. */
  readonly clientCertificate: { readonly cert: string; readonly key: Secret } | null;
  readonly allowPrivateNetwork: boolean;
  /** Whether the upstream may be on this machine all the same: the gateway itself is. */
  readonly allowLoopback: boolean;
  readonly timeouts: {
    /** Until the answer's headers. */
    readonly responseMs: number;
    /** Between bytes of a stream; 0 = no limit. */
    readonly idleMs: number;
  };
  readonly credential: UpstreamCredential;
  /** `setHeaders`: static headers to the upstream, names lower case; values may be secret. */
  readonly headers: readonly (readonly [string, Secret])[];
  /** `capabilityFilter`; `null`: everything that the upstream offers. */
  readonly capabilities: CapabilityFilter | null;
  /** At most one for each `by`. */
  readonly rateLimits: readonly RateLimit[];
}

/** One `rateLimit`: so many requests in a window of so many seconds, counted for each user, client or address. */
export interface RateLimit {
  readonly requests: number;
  readonly windowSeconds: number;
  readonly by: "user" | "client" | "ip";
}

/** An icon as the registry and the pages show it. */
export interface RouteIcon {
  readonly src: string;
  readonly mimeType: string | null;
  readonly sizes: readonly string[];
}

/** How the gateway authenticates to the upstream. */
export type UpstreamCredential =
  | { readonly kind: "none" }
  | { readonly kind: "static"; readonly header: string; readonly value: Secret }
  | { readonly kind: "tokenExchange"; readonly connection: Connection };

/** One `tokenExchange`: an upstream that the gateway is an OAuth client of. Routes with the same value share it. */
export interface Connection extends ConnectionSettings {
  readonly summary: string | null;
}
