/** Authorization server metadata (RFC 8414), which is served as the OpenID Connect discovery document too. */
import { PATHS, WELL_KNOWN } from "./paths.ts";
import { CODE_CHALLENGE_METHODS } from "./pkce.ts";
import { SUPPORTED_SCOPES } from "./scope.ts";

/** Grants that every gateway serves; the token endpoint checks against the same list. */
export const GRANT_TYPES: readonly string[] = Object.freeze(["authorization_code", "refresh_token"]);

/** RFC 7523: the grant that carries an ID-JAG; served only where `idJag` is configured. */
export const JWT_BEARER_GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/** The profile name under which an ID-JAG is accepted (draft-ietf-oauth-identity-assertion-authz-grant). */
export const ID_JAG_GRANT_PROFILE = "urn:ietf:params:oauth:grant-profile:id-jag";

/** What the authorization endpoint answers; there is no implicit or hybrid flow (OAuth 2.1). */
export const RESPONSE_TYPES: readonly string[] = Object.freeze(["code"]);

/** How an authorization response travels. */
export const RESPONSE_MODES: readonly string[] = Object.freeze(["query"]);

/** How a client proves who it is. */
export type TokenEndpointAuthMethod =
  | "none"
  | "client_secret_basic"
  | "client_secret_post"
  | "private_key_jwt";

/** How a client may authenticate at the token and revocation endpoints. */
export const TOKEN_ENDPOINT_AUTH_METHODS: readonly TokenEndpointAuthMethod[] = Object.freeze(
  ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"],
);

/** Signatures accepted on client assertions: asymmetric ones only. */
export const CLIENT_ASSERTION_ALGS: readonly string[] = Object.freeze([
  "ES256",
  "ES384",
  "EdDSA",
  "PS256",
  "RS256",
]);

/** What {@linkcode authorizationServerMetadata} is made from. */
export interface AuthorizationServer {
  /** The origin, or the route's URL for a route's document. */
  issuer: string;
  /** Where the endpoints are; no trailing slash. */
  origin: string;
  /** `""` or `/something`, no trailing slash. */
  basePath: string;
  /** The route's path in a route's document, else `null`. */
  routePath: string | null;
  /** Whether client ID metadata documents are accepted. */
  cimd: boolean;
  /** Whether dynamic client registration is on. */
  dcr: boolean;
  /** Whether ID-JAGs are accepted. */
  idJag: boolean;
  /** At the token and revocation endpoints. */
  authMethods: readonly string[];
  /** Without the JWT bearer grant, which {@linkcode AuthorizationServer.idJag} adds. */
  grantTypes: readonly string[];
  /** Of client assertions; by default {@linkcode CLIENT_ASSERTION_ALGS}. */
  signingAlgs?: readonly string[];
}

/** The document: only what works, and nothing that is switched off. */
export function authorizationServerMetadata(server: AuthorizationServer): Record<string, unknown> {
  const { origin, authMethods } = server;
  const at = (path: string) => origin + server.basePath + path;
  const signingAlgs = server.signingAlgs ?? CLIENT_ASSERTION_ALGS;
  const assertions = authMethods.includes("private_key_jwt") && signingAlgs.length > 0;
  const grantTypes = server.grantTypes.filter((type) => type !== JWT_BEARER_GRANT_TYPE);
  return {
    issuer: server.issuer,
    authorization_endpoint: at(PATHS.authorize) + (server.routePath ?? ""),
    token_endpoint: at(PATHS.token),
    ...(server.dcr ? { registration_endpoint: at(PATHS.register) } : {}),
    revocation_endpoint: at(PATHS.revoke),
    jwks_uri: origin + WELL_KNOWN.jwks,
    scopes_supported: SUPPORTED_SCOPES,
    response_types_supported: RESPONSE_TYPES,
    response_modes_supported: RESPONSE_MODES,
    grant_types_supported: server.idJag ? [...grantTypes, JWT_BEARER_GRANT_TYPE] : grantTypes,
    ...(server.idJag ? { authorization_grant_profiles_supported: [ID_JAG_GRANT_PROFILE] } : {}),
    token_endpoint_auth_methods_supported: authMethods,
    ...(assertions ? { token_endpoint_auth_signing_alg_values_supported: signingAlgs } : {}),
    revocation_endpoint_auth_methods_supported: authMethods,
    ...(assertions ? { revocation_endpoint_auth_signing_alg_values_supported: signingAlgs } : {}),
    code_challenge_methods_supported: CODE_CHALLENGE_METHODS,
    authorization_response_iss_parameter_supported: true,
    ...(server.cimd ? { client_id_metadata_document_supported: true } : {}),
    // OpenID Connect Discovery takes an absent `request_uri_parameter_supported` for true.
    request_parameter_supported: false,
    request_uri_parameter_supported: false,
    // No ID token is ever issued; clients that read this as a discovery document do not parse it without the two.
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["RS256"],
  };
}
