/** A connection as the configuration describes it, and what follows from that. */
import type { Secret } from "../runtime/secret.ts";

/** One upstream that the gateway is an OAuth client of. */
export interface ConnectionSettings {
  /** Names the connection in URLs, keys and events; stable. */
  readonly id: string;
  readonly displayName: string;
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

/** The owner of a shared connection; no user's id has an `@`. */
export const SHARED_OWNER = "@shared";

/** Whose credential a user's calls carry. */
export function ownerOf(connection: Pick<ConnectionSettings, "authMode">, userId: string): string {
  return connection.authMode === "shared-oauth" ? SHARED_OWNER : userId;
}

/** What the revocation feed announces when an owner's connection was made anew, or has ended. A refresh is neither. */
export function connectionAnnouncement(
  change: "made" | "ended",
  connection: { readonly connectionId: string; readonly owner: string },
): string {
  return `connection_${change}:${connection.connectionId}:${connection.owner}`;
}

/** `{id}:{authMode}`: names the way of authenticating within the connection. */
export function authProfileId(connection: Pick<ConnectionSettings, "id" | "authMode">): string {
  return `${connection.id}:${connection.authMode}`;
}
