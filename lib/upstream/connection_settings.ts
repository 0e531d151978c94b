/** A connection as the configuration describes it, as far as the upstream OAuth client needs to know. */
import type { Secret } from "../runtime/secret.ts";
import type { UpstreamClient } from "../store/upstream_schema.ts";

/** One upstream that the gateway is an OAuth client of. */
export interface ConnectionSettings {
  readonly id: string;
  readonly displayName: string;
  readonly authMode: "user-oauth" | "shared-oauth" | "id-jag";
  /** Absolute URL of the upstream MCP server. */
  readonly upstream: string;
  readonly scopes: readonly string[];
  readonly scopeDelimiter: string;
  readonly prompt: "none" | "login" | "consent" | "select_account" | false | null;
  readonly clientRegistration: { readonly mode: "auto" } | {
    readonly mode: "manual";
    readonly clientId: string;
    readonly clientSecret: Secret | null;
    readonly tokenEndpointAuthMethod: UpstreamClient["authMethod"] | null;
  };
  readonly protectedResourceMetadataUrl: string | null;
  readonly overrides: {
    readonly issuer: string | null;
    readonly resource: string | null;
    readonly assumePkce: boolean;
    readonly omitResource: boolean;
  };
}

/** The owner of a shared connection; no user's id has an `@`. */
export const SHARED_OWNER = "@shared";

/** Whose credential a user's calls carry. */
export function ownerOf(connection: Pick<ConnectionSettings, "authMode">, userId: string): string {
  return connection.authMode === "shared-oauth" ? SHARED_OWNER : userId;
}

/** `{id}:{authMode}`: names the way of authenticating within the connection. */
export function authProfileId(connection: Pick<ConnectionSettings, "id" | "authMode">): string {
  return `${connection.id}:${connection.authMode}`;
}
