/**
 * As much of `oidc-provider` 9 as the tests use. Its published types bring Node's own along, which would then hold for every file of
 * this project and differ from Deno's.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { JWK } from "jose";

/** What is kept under an id: of these fields the storage has to know. */
export interface AdapterPayload {
  readonly uid?: string;
  readonly userCode?: string;
  readonly grantId?: string;
  consumed?: unknown;
}

/** The storage of one model. */
export interface Adapter {
  upsert(id: string, payload: AdapterPayload, expiresInSeconds: number): Promise<void>;
  find(id: string): Promise<AdapterPayload | undefined>;
  findByUid(uid: string): Promise<AdapterPayload | undefined>;
  findByUserCode(userCode: string): Promise<AdapterPayload | undefined>;
  consume(id: string): Promise<void>;
  destroy(id: string): Promise<void>;
  revokeByGrantId(grantId: string): Promise<void>;
}

/** An OpenID Connect client, by the names of RFC 7591. */
export interface ClientMetadata {
  readonly client_id: string;
  readonly client_secret: string;
  readonly redirect_uris: readonly string[];
  readonly post_logout_redirect_uris: readonly string[];
  readonly grant_types: readonly string[];
  readonly id_token_signed_response_alg: string;
}

/** What a resource's tokens look like. */
export interface ResourceServerInfo {
  readonly scope: string;
  readonly audience: string;
  readonly accessTokenFormat: "opaque";
  /** Seconds. */
  readonly accessTokenTTL: number;
}

/** Parts of the provider that are off unless they are asked for. */
export interface Features {
  readonly devInteractions: { readonly enabled: boolean };
  readonly registration?: { readonly enabled: boolean };
  readonly revocation?: { readonly enabled: boolean };
  readonly clientIdMetadataDocument?: {
    readonly enabled: boolean;
    readonly ack: string;
    /** Seconds. */
    readonly cacheDuration: { readonly min: number; readonly max: number };
  };
  readonly resourceIndicators?: {
    readonly enabled: boolean;
    readonly useGrantedResource: () => boolean;
    /** Throws if there is no such resource. */
    readonly getResourceServerInfo: (context: unknown, resource: string) => ResourceServerInfo;
  };
}

/** Options of the provider. */
export interface Configuration {
  readonly adapter?: (model: string) => Adapter;
  readonly clients: readonly ClientMetadata[];
  readonly jwks: { readonly keys: readonly JWK[] };
  readonly enabledJWA: { readonly idTokenSigningAlgValues: readonly string[] };
  readonly routes?: Readonly<Record<"authorization" | "token" | "jwks" | "userinfo" | "end_session", string>>;
  /** The claims of each scope. */
  readonly claims?: Readonly<Record<string, readonly string[]>>;
  readonly conformIdTokenClaims?: boolean;
  readonly pkce: { readonly required: () => boolean };
  readonly features: Features;
  readonly scopes?: readonly string[];
  /** What a registration says that leaves it out. */
  readonly clientDefaults?: Readonly<Record<string, string>>;
  readonly clientAuthMethods?: readonly string[];
  readonly issueRefreshToken?: () => boolean;
  readonly rotateRefreshToken?: boolean;
  readonly assertJwtClientAuthClaimsAndHeader?: (
    context: unknown,
    claims: Readonly<Record<string, unknown>>,
    header: Readonly<Record<string, unknown>>,
    client: { readonly clientId: string },
  ) => void | Promise<void>;
  /** How the provider itself fetches what clients name. */
  readonly fetch?: (url: string, init?: RequestInit) => Promise<Response>;
  readonly cookies: { readonly keys: readonly string[] };
  /** Lifetimes in seconds. */
  readonly ttl: Readonly<Record<string, number>>;
  readonly interactions: {
    readonly url: (context: unknown, interaction: { readonly uid: string }) => string;
  };
  readonly findAccount: (
    context: unknown,
    id: string,
  ) => { readonly accountId: string; readonly claims: () => Readonly<Record<string, unknown>> } | undefined;
}

/** What the provider waits for while the user is on a page of ours. */
export interface Interaction {
  readonly prompt: { readonly name: string };
  readonly params: Readonly<Record<string, unknown>>;
  readonly session?: { readonly accountId: string };
}

/** How an interaction ended. */
export type InteractionResult =
  | { readonly login: { readonly accountId: string } }
  | { readonly consent: { readonly grantId: string } }
  | { readonly error: string; readonly error_description: string };

/** What a user has granted a client. */
export interface Grant {
  addOIDCScope(scope: string): void;
  addResourceScope(resource: string, scope: string): void;
  save(): Promise<string>;
}

/** A token as the provider keeps it. */
export interface AccessToken {
  readonly accountId: string;
  readonly clientId: string;
  readonly aud?: string | readonly string[];
  readonly scope?: string;
  readonly isExpired: boolean;
}

/** What the provider was asked and did, as its listeners are told. */
export interface GrantContext {
  readonly body: Readonly<Record<string, unknown>>;
  readonly oidc: {
    readonly params: Readonly<Record<string, string | undefined>>;
    readonly entities: { readonly AccessToken?: AccessToken };
  };
}

/** The provider. */
export default class Provider {
  constructor(issuer: string, configuration: Configuration);
  readonly AccessToken: { find(value: string): Promise<AccessToken | undefined> };
  on(event: "server_error", listener: (context: unknown, error: unknown) => void): this;
  on(event: "grant.success", listener: (context: GrantContext) => void): this;
  on(event: "grant.error", listener: (context: GrantContext, error: Error) => void): this;
  on(event: "grant.revoked", listener: (context: unknown, grantId: string) => void): this;
  on(
    event: "registration_create.success",
    listener: (context: unknown, client: { readonly clientId: string }) => void,
  ): this;
  on(event: "registration_create.error", listener: (context: unknown, error: Error) => void): this;
  readonly Grant: new (properties: { readonly clientId: string; readonly accountId?: string }) => Grant;
  callback(): (request: IncomingMessage, response: ServerResponse) => Promise<void>;
  interactionDetails(request: IncomingMessage, response: ServerResponse): Promise<Interaction>;
  interactionFinished(
    request: IncomingMessage,
    response: ServerResponse,
    result: InteractionResult,
  ): Promise<void>;
}
