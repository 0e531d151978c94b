/** The compiled configuration: what `compileGateway` makes of a `gateway.config.ts`. Nothing in it is optional. */
import type { PublicUrlSetting } from "../http/public_url.ts";
import type { Secret } from "../runtime/secret.ts";

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
export interface OidcLogin {
  readonly kind: "oidc";
  readonly issuer: string;
  readonly jwksUrl: string;
  /** The ID-token audience: `oidc.audience`, else the client id. */
  readonly idTokenAudience: string;
  readonly authorizationUrl: string;
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: Secret;
  readonly scope: string;
  /** The extra `audience` parameter of the authorization request. */
  readonly audience: string | null;
  readonly pkce: "S256" | "none";
  readonly remoteTimeoutMs: number;
  /** Further parameters that the provider wants in every authorization request. */
  readonly authorizationParameters: readonly (readonly [name: string, value: string])[];
  /** How the gateway authenticates at the token endpoint; `null`: as the provider's metadata says, else by Basic. */
  readonly tokenEndpointAuthMethod: "client_secret_basic" | "client_secret_post" | null;
  readonly identitySource: IdentitySource;
}

/**
 * What proves who signed in.
 *
 * `access_token`: the provider sends no ID token, but its access token is a JWT that the keys at `jwksUrl` verify. It
 * has no nonce and need not have an audience, so the code must be bound to the browser by PKCE and state, and the keys must be this client's own.
 */
export type IdentitySource =
  | { readonly kind: "id_token" }
  | {
    readonly kind: "access_token";
    /** Every `iss` that counts; the user's identity is under the login's own `issuer` all the same. */
    readonly issuers: readonly string[];
  };

/** Which ID-JAG issuers the token endpoint trusts. */
export interface IdJagSettings {
  readonly trustedIssuers: readonly IdJagIssuer[];
}

/** One trusted ID-JAG issuer. */
export interface IdJagIssuer {
  readonly issuer: string;
  readonly jwksUrl: string;
  /** `null`: any client of ours. */
  readonly expectedClientIds: readonly string[] | null;
  readonly subjectMapping: "issuer-subject" | "email";
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
  readonly timeouts: {
    /** Until the answer's headers. */
    readonly responseMs: number;
    /** Between bytes of a stream; 0 = no limit. */
    readonly idleMs: number;
  };
  readonly credential: UpstreamCredential;
  /** `setHeaders`: static headers to the upstream, names lower case; values may be secret. */
  readonly headers: readonly (readonly [string, Secret])[];
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
export interface Connection {
  /** Names the connection in URLs, keys and events; stable. */
  readonly id: string;
  readonly displayName: string;
  readonly summary: string | null;
  readonly authMode: "user-oauth" | "shared-oauth" | "id-jag";
  /** Absolute URL of the upstream MCP server: the `upstream` of every route that uses this connection. */
  readonly upstream: string;
  /** Explicit scopes; empty: as the upstream says. */
  readonly scopes: readonly string[];
  readonly scopeDelimiter: string;
  /** `null`: unset, `consent` is added when `offline_access` is asked; `false`: never sent. */
  readonly prompt: "none" | "login" | "consent" | "select_account" | false | null;
  readonly clientRegistration: ClientRegistration;
  /** `null`: found by the upstream's challenge, else at the well-known places. */
  readonly protectedResourceMetadataUrl: string | null;
  readonly overrides: ConnectionOverrides;
  /** Only with `authMode: "id-jag"`. */
  readonly idJag: IdJagExchange | null;
}

/** How the gateway becomes a client of the upstream's authorization server. */
export type ClientRegistration =
  /** Our client id metadata document if the server takes it and we are on public https, else dynamic registration. */
  | { readonly mode: "auto" }
  | {
    readonly mode: "manual";
    readonly clientId: string;
    readonly clientSecret: Secret | null;
    /** `null`: as the server's metadata says. */
    readonly tokenEndpointAuthMethod: ClientAuthMethodName | null;
  };

/** How a client authenticates at a token endpoint. */
export type ClientAuthMethodName = "client_secret_basic" | "client_secret_post" | "none" | "private_key_jwt";

/** Named exceptions for upstreams that break a rule; each is logged at startup. */
export interface ConnectionOverrides {
  /** The issuer that the metadata really names. */
  readonly issuer: string | null;
  /** The `resource` that the protected resource metadata names: a parent path of the upstream's. */
  readonly resource: string | null;
  /** Go on although the metadata does not say that S256 is supported. */
  readonly assumePkce: boolean;
  /** Never send `resource`. */
  readonly omitResource: boolean;
}

/** Cross-app access: an identity assertion is exchanged at the identity provider, and its ID-JAG at the upstream's authorization server. */
export interface IdJagExchange {
  readonly scopes: readonly string[];
  readonly scopeDelimiter: string;
  readonly idp: { readonly tokenUrl: string; readonly clientAuth: ExchangeClientAuth };
  readonly resourceAs: {
    readonly tokenUrl: string;
    readonly audience: string;
    readonly resource: string | null;
    readonly clientAuth: ExchangeClientAuth;
  };
}

/** Client authentication of an exchange. */
export type ExchangeClientAuth =
  | {
    readonly method: "client_secret_post" | "client_secret_basic";
    readonly clientId: string;
    readonly clientSecret: Secret;
  }
  | {
    readonly method: "private_key_jwt";
    readonly clientId: string;
    /** PKCS#8. */
    readonly privateKeyPem: Secret;
    readonly algorithm: string;
    readonly keyId: string | null;
    /** `null`: the token URL. */
    readonly audience: string | null;
    readonly expiresInSeconds: number;
  };
