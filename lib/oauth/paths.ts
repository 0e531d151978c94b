/** Where the gateway's own endpoints live: one list for the route table, the metadata and the rule that no route collides. */

/**
 * Endpoints that carry the configured `basePath` in front.
 * Those with a part that varies are prefixes: a connection's two pages come from {@linkcode connectPath} and
 * {@linkcode connectCallbackPath}, an authorization endpoint of a route is `authorize` followed by the route's path.
 */
export const PATHS = {
  register: "/oauth/register",
  authorize: "/oauth/authorize",
  callback: "/oauth/callback",
  setup: "/oauth/setup",
  token: "/oauth/token",
  revoke: "/oauth/revoke",
  devLogin: "/oauth/dev-login",
  connections: "/auth/connections",
  account: "/account",
  landing: "/",
  healthz: "/healthz",
  readyz: "/readyz",
} as const;

/** Documents whose place the RFCs fix at the origin; `basePath` never applies (RFC 8615). */
export const WELL_KNOWN = {
  authorizationServer: "/.well-known/oauth-authorization-server",
  openidConfiguration: "/.well-known/openid-configuration",
  protectedResource: "/.well-known/oauth-protected-resource",
  oauthClient: "/.well-known/oauth-client",
  jwks: "/.well-known/jwks.json",
} as const;

/** Origin-level endpoints that clients of MCP revision 2025-03-26 assume without metadata; `basePath` never applies. */
export const ALIASES = {
  authorize: "/authorize",
  token: "/token",
  register: "/register",
} as const;

/** The page that starts an upstream's OAuth, without `basePath`. */
export function connectPath(connection: string): string {
  return `${PATHS.connections}/${encodeURIComponent(connection)}/connect`;
}

/** Where an upstream's authorization server sends the browser back to, without `basePath`. */
export function connectCallbackPath(connection: string): string {
  return `${PATHS.connections}/${encodeURIComponent(connection)}/callback`;
}
