/** The builders of the named identity providers: each is `mcpOAuth` with the URLs derived by its row of the table. */
import type { z } from "zod";
import { define, type OAuthPolicy } from "../lib/gateway/definition.ts";
import * as rows from "./identity_provider_rows.ts";

/** @internal */
type Auth0Input = z.input<typeof rows.auth0.schema>;
/** Options of {@linkcode mcpAuth0OAuth}. */
export interface McpAuth0OAuthOptions extends Auth0Input {}

/** Signs users in at Auth0. */
export function mcpAuth0OAuth(options: McpAuth0OAuthOptions): OAuthPolicy {
  return define("oauth", rows.auth0, options);
}

/** @internal */
type ClerkInput = z.input<typeof rows.clerk.schema>;
/** Options of {@linkcode mcpClerkOAuth}. */
export interface McpClerkOAuthOptions extends ClerkInput {}

/** Signs users in at Clerk. */
export function mcpClerkOAuth(options: McpClerkOAuthOptions): OAuthPolicy {
  return define("oauth", rows.clerk, options);
}

/** @internal */
type CognitoInput = z.input<typeof rows.cognito.schema>;
/** Options of {@linkcode mcpCognitoOAuth}. */
export interface McpCognitoOAuthOptions extends CognitoInput {}

/** Signs users in at an Amazon Cognito user pool. */
export function mcpCognitoOAuth(options: McpCognitoOAuthOptions): OAuthPolicy {
  return define("oauth", rows.cognito, options);
}

/** @internal */
type EntraInput = z.input<typeof rows.entra.schema>;
/** Options of {@linkcode mcpEntraOAuth}. */
export interface McpEntraOAuthOptions extends EntraInput {}

/** Signs users in at one Microsoft Entra tenant. */
export function mcpEntraOAuth(options: McpEntraOAuthOptions): OAuthPolicy {
  return define("oauth", rows.entra, options);
}

/** @internal */
type GoogleInput = z.input<typeof rows.google.schema>;
/** Options of {@linkcode mcpGoogleOAuth}. */
export interface McpGoogleOAuthOptions extends GoogleInput {}

/** Signs users in with Google. */
export function mcpGoogleOAuth(options: McpGoogleOAuthOptions): OAuthPolicy {
  return define("oauth", rows.google, options);
}

/** @internal */
type KeycloakInput = z.input<typeof rows.keycloak.schema>;
/** Options of {@linkcode mcpKeycloakOAuth}. */
export interface McpKeycloakOAuthOptions extends KeycloakInput {}

/** Signs users in at a realm of Keycloak. */
export function mcpKeycloakOAuth(options: McpKeycloakOAuthOptions): OAuthPolicy {
  return define("oauth", rows.keycloak, options);
}

/** @internal */
type LogtoInput = z.input<typeof rows.logto.schema>;
/** Options of {@linkcode mcpLogtoOAuth}. */
export interface McpLogtoOAuthOptions extends LogtoInput {}

/** Signs users in at Logto. */
export function mcpLogtoOAuth(options: McpLogtoOAuthOptions): OAuthPolicy {
  return define("oauth", rows.logto, options);
}

/** @internal */
type OktaInput = z.input<typeof rows.okta.schema>;
/** Options of {@linkcode mcpOktaOAuth}. */
export interface McpOktaOAuthOptions extends OktaInput {}

/** Signs users in at an Okta org. */
export function mcpOktaOAuth(options: McpOktaOAuthOptions): OAuthPolicy {
  return define("oauth", rows.okta, options);
}

/** @internal */
type OneLoginInput = z.input<typeof rows.oneLogin.schema>;
/** Options of {@linkcode mcpOneLoginOAuth}. */
export interface McpOneLoginOAuthOptions extends OneLoginInput {}

/** Signs users in at OneLogin. */
export function mcpOneLoginOAuth(options: McpOneLoginOAuthOptions): OAuthPolicy {
  return define("oauth", rows.oneLogin, options);
}

/** @internal */
type PingInput = z.input<typeof rows.ping.schema>;
/** @internal */
type PingSharedInput = Omit<PingInput, "environmentId" | "region" | "customDomain">;
/** A PingOne environment at its region's own domain. */
export interface PingEnvironmentOptions extends PingSharedInput {
  /** The environment's id: a UUID. */
  environmentId: NonNullable<PingInput["environmentId"]>;
  /** The environment's region: `north-america`. */
  region?: PingInput["region"];
  /** Stands in place of the environment. */
  customDomain?: never;
}
/** A PingOne environment at a custom domain. */
export interface PingCustomDomainOptions extends PingSharedInput {
  /** The environment's custom domain. */
  customDomain: NonNullable<PingInput["customDomain"]>;
  /** The custom domain stands in its place. */
  environmentId?: never;
  /** The custom domain stands in its place. */
  region?: never;
}
/** Options of {@linkcode mcpPingOAuth}: an environment and its region, or a custom domain. */
export type McpPingOAuthOptions = PingEnvironmentOptions | PingCustomDomainOptions;

/** Signs users in at a PingOne environment. */
export function mcpPingOAuth(options: McpPingOAuthOptions): OAuthPolicy {
  return define("oauth", rows.ping, options);
}

/** @internal */
type WorkosInput = z.input<typeof rows.workos.schema>;
/** Options of {@linkcode mcpWorkosOAuth}. */
export interface McpWorkosOAuthOptions extends WorkosInput {}

/** Signs users in with WorkOS AuthKit. */
export function mcpWorkosOAuth(options: McpWorkosOAuthOptions): OAuthPolicy {
  return define("oauth", rows.workos, options);
}
