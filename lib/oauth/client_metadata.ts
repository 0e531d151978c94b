/**
 * Client metadata as a client states it (RFC 7591 §2), in a registration or in a metadata document: read strictly where
 * it decides something, dropped where it is unknown.
 */
import {
  GRANT_TYPES,
  JWT_BEARER_GRANT_TYPE,
  RESPONSE_TYPES,
  TOKEN_ENDPOINT_AUTH_METHODS,
  type TokenEndpointAuthMethod,
} from "./authorization_server_metadata.ts";
import { displayName } from "./display_name.ts";
import { OAuthError } from "./errors.ts";
import { isIpLiteral, MAX_URI_LENGTH, parseHttpUri } from "./http_uri.ts";
import { publicJwks } from "./public_jwks.ts";
import { isLoopbackHost, redirectUriFault, type RedirectUriPolicy } from "./redirect_uri.ts";
import { grantScope, parseScope } from "./scope.ts";

/** A client as it describes itself, with the defaults filled in. */
export interface ClientMetadata {
  /** At least one, each once. */
  redirectUris: readonly string[];
  /** Cleaned for display, at most 100 characters. */
  clientName: string | null;
  /** The client's home page: http(s) with a host name, as are the next three. */
  clientUri: string | null;
  /** A picture; it is echoed and never loaded. */
  logoUri: string | null;
  /** How the client treats personal data. */
  policyUri: string | null;
  /** The client's terms of service. */
  tosUri: string | null;
  /** People responsible, as written: mostly e-mail addresses. */
  contacts: readonly string[];
  /** What it may be granted of the scopes it named; `null` if it named none. It limits no later request. */
  scope: string | null;
  /** Of the grants we serve; `authorization_code` alone by default. */
  grantTypes: readonly string[];
  /** `code`, or nothing for a client without the authorization code grant. */
  responseTypes: readonly string[];
  /** How the client will authenticate; `client_secret_basic` by default. */
  tokenEndpointAuthMethod: TokenEndpointAuthMethod;
  /** False where {@linkcode tokenEndpointAuthMethod} is only the default of RFC 7591. */
  authMethodStated: boolean;
  /** `native` or `web` as stated; nothing is decided by it. */
  applicationType: string | null;
  /** Identifies the program across its installations; cleaned for display. */
  softwareId: string | null;
  /** Cleaned for display. */
  softwareVersion: string | null;
  /** Public keys only. Never together with {@linkcode jwksUri}. */
  jwks: { keys: Record<string, unknown>[] } | null;
  /** https, on a public host name. */
  jwksUri: string | null;
}

/** What the configuration says about what clients state. */
export interface ClientMetadataPolicy extends RedirectUriPolicy {
  /** Whether `jwks_uri` may be on loopback, with plain http; not by default. */
  loopbackKeys?: boolean;
}

// Bounds on what one client may state.
const MAX_REDIRECT_URIS = 20;
const MAX_LIST_LENGTH = 20;
const MAX_STRING_LENGTH = MAX_URI_LENGTH;

// Grants and methods that would hand out tokens without a user, a code or PKCE. A client that asks for one would fail
// later in a way it could not explain; other unknown grants (VS Code lists the device grant) are merely dropped.
const REFUSED_GRANT_TYPES = new Set(["password", "implicit", "client_credentials"]);
const KNOWN_GRANT_TYPES = new Set([...GRANT_TYPES, JWT_BEARER_GRANT_TYPE]);

/**
 * Reads the parsed JSON of a registration. Members we do not know are ignored, `software_statement` among them; `null`
 * and `""` count as absent, and so do empty lists of types, because clients send all of these.
 *
 * @throws {OAuthError} `invalid_redirect_uri` or `invalid_client_metadata` (RFC 7591 §3.2.2).
 */
export function parseClientMetadata(body: unknown, policy: ClientMetadataPolicy): ClientMetadata {
  const members = ownMembers(body);
  const grantTypes = readGrantTypes(members);
  const stated = readAuthMethod(members);
  const jwks = readJwks(members);
  const jwksUri = readJwksUri(members, policy);
  if (jwks !== null && jwksUri !== null) throw invalid("jwks", "cannot be combined with jwks_uri");
  if (stated === "private_key_jwt" && jwks === null && jwksUri === null) {
    throw invalid("token_endpoint_auth_method", "private_key_jwt needs jwks or jwks_uri");
  }
  const scope = readString(members, "scope");
  const applicationType = readString(members, "application_type");
  return {
    redirectUris: readRedirectUris(members, policy),
    clientName: displayName(readString(members, "client_name")),
    clientUri: readWebUri(members, "client_uri"),
    logoUri: readWebUri(members, "logo_uri"),
    policyUri: readWebUri(members, "policy_uri"),
    tosUri: readWebUri(members, "tos_uri"),
    contacts: readStrings(members, "contacts") ?? [],
    scope: scope === null ? null : grantScope(parseScope(scope)).join(" "),
    grantTypes,
    responseTypes: readResponseTypes(members, grantTypes),
    tokenEndpointAuthMethod: stated ?? "client_secret_basic",
    authMethodStated: stated !== null,
    applicationType: applicationType === "native" || applicationType === "web" ? applicationType : null,
    softwareId: displayName(readString(members, "software_id")),
    softwareVersion: displayName(readString(members, "software_version")),
    jwks,
    jwksUri,
  };
}

/** The metadata as a registration answers it: RFC 7591's names, and no member that is `null` or empty. */
export function clientInformation(metadata: ClientMetadata): Record<string, unknown> {
  const members: [string, unknown][] = [
    ["redirect_uris", metadata.redirectUris],
    ["client_name", metadata.clientName],
    ["client_uri", metadata.clientUri],
    ["logo_uri", metadata.logoUri],
    ["policy_uri", metadata.policyUri],
    ["tos_uri", metadata.tosUri],
    ["contacts", metadata.contacts],
    ["scope", metadata.scope],
    ["grant_types", metadata.grantTypes],
    ["response_types", metadata.responseTypes],
    ["token_endpoint_auth_method", metadata.tokenEndpointAuthMethod],
    ["application_type", metadata.applicationType],
    ["software_id", metadata.softwareId],
    ["software_version", metadata.softwareVersion],
    ["jwks", metadata.jwks],
    ["jwks_uri", metadata.jwksUri],
  ];
  return Object.fromEntries(
    members.filter(([, value]) => value !== null && !(Array.isArray(value) && value.length === 0)),
  );
}

/** The object's own members in a map, so that no name can reach a prototype. */
type Members = ReadonlyMap<string, unknown>;

function ownMembers(body: unknown): Members {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new OAuthError("invalid_client_metadata", "The client metadata is a JSON object.", {
      reason: "client_metadata_no_object",
    });
  }
  return new Map(Object.entries(body).filter(([, value]) => value !== null && value !== ""));
}

function readRedirectUris(members: Members, policy: RedirectUriPolicy): readonly string[] {
  const value = members.get("redirect_uris");
  if (!Array.isArray(value) || value.length === 0) {
    throw invalidRedirect("redirect_uris: a list with at least one redirect URI is required.");
  }
  if (value.length > MAX_REDIRECT_URIS) {
    throw invalidRedirect(`redirect_uris: at most ${MAX_REDIRECT_URIS} redirect URIs.`);
  }
  const uris = value.map((uri: unknown, index) => {
    const fault = typeof uri === "string" ? redirectUriFault(uri, policy) : "A redirect URI is a string.";
    if (typeof uri !== "string" || fault !== null) throw invalidRedirect(`redirect_uris[${index}]: ${fault}`);
    return uri;
  });
  return [...new Set(uris)];
}

function readGrantTypes(members: Members): readonly string[] {
  // RFC 7591 §2 defaults to authorization_code alone; a server may substitute (§3.2.1), and a client that says nothing would
  // otherwise send its user to sign in again every quarter of an hour.
  const stated = readStrings(members, "grant_types") ?? GRANT_TYPES;
  if (stated.some((type) => REFUSED_GRANT_TYPES.has(type))) {
    throw invalid("grant_types", "password, implicit and client_credentials are not supported");
  }
  const known = [...new Set(stated)].filter((type) => KNOWN_GRANT_TYPES.has(type));
  if (!known.some((type) => type !== "refresh_token")) {
    throw invalid("grant_types", "authorization_code is required");
  }
  return known;
}

function readResponseTypes(members: Members, grantTypes: readonly string[]): readonly string[] {
  const stated = readStrings(members, "response_types") ?? [];
  if (stated.some((type) => !RESPONSE_TYPES.includes(type))) {
    throw invalid("response_types", "only code is supported");
  }
  return grantTypes.includes("authorization_code") ? RESPONSE_TYPES : [];
}

function readAuthMethod(members: Members): TokenEndpointAuthMethod | null {
  const stated = readString(members, "token_endpoint_auth_method");
  if (stated === null) return null;
  const method = TOKEN_ENDPOINT_AUTH_METHODS.find((supported) => supported === stated);
  if (method === undefined) {
    throw invalid("token_endpoint_auth_method", `one of ${TOKEN_ENDPOINT_AUTH_METHODS.join(", ")}`);
  }
  return method;
}

/** A page or picture of the client. We never fetch it; it may become a link on the consent page. */
function readWebUri(members: Members, name: string): string | null {
  const value = readString(members, name);
  if (value === null) return null;
  const uri = parseHttpUri(value);
  if (uri === null || isIpLiteral(uri.hostname)) {
    throw invalid(name, "an http or https URL with a host name");
  }
  return value;
}

function readJwksUri(members: Members, policy: ClientMetadataPolicy): string | null {
  const value = readString(members, "jwks_uri");
  if (value === null) return null;
  const uri = parseHttpUri(value);
  if (policy.loopbackKeys && uri !== null && isLoopbackHost(uri.hostname)) return value;
  if (uri?.scheme !== "https" || isIpLiteral(uri.hostname) || isLoopbackHost(uri.hostname)) {
    throw invalid("jwks_uri", "an https URL with a public host name");
  }
  return value;
}

function readJwks(members: Members): { keys: Record<string, unknown>[] } | null {
  const value = members.get("jwks");
  if (value === undefined) return null;
  const jwks = publicJwks(value);
  if (typeof jwks === "string") throw invalid("jwks", jwks);
  return jwks;
}

function readString(members: Members, name: string): string | null {
  const value = members.get(name);
  if (value === undefined) return null;
  if (typeof value !== "string" || value.length > MAX_STRING_LENGTH) {
    throw invalid(name, `a string of at most ${MAX_STRING_LENGTH} characters`);
  }
  return value;
}

function readStrings(members: Members, name: string): string[] | null {
  const value = members.get(name);
  if (value === undefined) return null;
  if (!Array.isArray(value) || value.length > MAX_LIST_LENGTH) {
    throw invalid(name, `a list of at most ${MAX_LIST_LENGTH} strings`);
  }
  const strings: string[] = value.filter((item) =>
    typeof item === "string" && item.length <= MAX_STRING_LENGTH
  );
  if (strings.length !== value.length) {
    throw invalid(name, `a list of strings of at most ${MAX_STRING_LENGTH} characters`);
  }
  return strings.length === 0 ? null : strings;
}

function invalid(name: string, expected: string): OAuthError {
  return new OAuthError("invalid_client_metadata", `${name}: ${expected}.`, { reason: `${name}_invalid` });
}

function invalidRedirect(description: string): OAuthError {
  return new OAuthError("invalid_redirect_uri", description, { reason: "redirect_uris_invalid" });
}
