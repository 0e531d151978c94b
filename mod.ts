/**
 * Everything that a `gateway.config.ts` may import, and nothing else.
 *
 * @module
 */
export { defineGateway } from "./lib/gateway/define_gateway.ts";
export type {
  Exact,
  GatewayContext,
  GatewayDefinition,
  GatewayOptions,
  NoSuchOption,
} from "./lib/gateway/define_gateway.ts";
export { env, EnvReference } from "./lib/gateway/env.ts";
export type { EnvOptions } from "./lib/gateway/env.ts";
export { mcpProxy } from "./lib/gateway/mcp_proxy.ts";
export type { McpProxyOptions, OnlyOnePerRoute, PolicyRules } from "./lib/gateway/mcp_proxy.ts";
export type {
  CapabilityPolicy,
  CredentialPolicy,
  OAuthPolicy,
  RouteDefinition,
  RoutePolicy,
} from "./lib/gateway/definition.ts";
export type {
  CapabilityDecision,
  CapabilityIdentity,
  CapabilityRequest,
  CapabilityRule,
} from "./lib/mcp/capability_settings.ts";
export type { AdminCandidate, AdminRule, Mode } from "./lib/gateway/gateway.ts";
export type { Text } from "./lib/gateway/options.ts";
export { capabilityFilter } from "./policies/capability_filter.ts";
export type {
  CapabilityAudience,
  CapabilityFilterByRole,
  CapabilityFilterLists,
  CapabilityFilterOptions,
  CapabilityProjection,
  ResourceProjection,
} from "./policies/capability_filter.ts";
export type { Json, JsonObject } from "./policies/capability_filter_options.ts";
export {
  mcpAuth0OAuth,
  mcpClerkOAuth,
  mcpCognitoOAuth,
  mcpEntraOAuth,
  mcpGoogleOAuth,
  mcpKeycloakOAuth,
  mcpLogtoOAuth,
  mcpOktaOAuth,
  mcpOneLoginOAuth,
  mcpPingOAuth,
  mcpWorkosOAuth,
} from "./policies/identity_providers.ts";
export type {
  McpAuth0OAuthOptions,
  McpClerkOAuthOptions,
  McpCognitoOAuthOptions,
  McpEntraOAuthOptions,
  McpGoogleOAuthOptions,
  McpKeycloakOAuthOptions,
  McpLogtoOAuthOptions,
  McpOktaOAuthOptions,
  McpOneLoginOAuthOptions,
  McpPingOAuthOptions,
  McpWorkosOAuthOptions,
  PingCustomDomainOptions,
  PingEnvironmentOptions,
} from "./policies/identity_providers.ts";
export { mcpDevOAuth } from "./policies/mcp_dev_oauth.ts";
export type { McpDevOAuthOptions } from "./policies/mcp_dev_oauth.ts";
export { mcpOAuth } from "./policies/mcp_oauth.ts";
export type { McpOAuthOptions } from "./policies/mcp_oauth.ts";
export { rateLimit } from "./policies/rate_limit.ts";
export type { RateLimitOptions } from "./policies/rate_limit.ts";
export { setHeaders } from "./policies/set_headers.ts";
export type { SetHeadersOptions } from "./policies/set_headers.ts";
export { tokenExchange } from "./policies/token_exchange.ts";
export type {
  AutoRegistration,
  ClientRegistrationOptions,
  IdJagConnectionOptions,
  IdJagOptions,
  ManualRegistrationWithoutSecret,
  ManualRegistrationWithSecret,
  OAuthConnectionOptions,
  TokenExchangeOptions,
} from "./policies/token_exchange.ts";
export type {
  ClientSecretAuth,
  ExchangeClientAuthOptions,
  PrivateKeyJwtAuth,
} from "./policies/exchange_client_auth.ts";
export { upstreamApiKey } from "./policies/upstream_api_key.ts";
export type { UpstreamApiKeyOptions } from "./policies/upstream_api_key.ts";
