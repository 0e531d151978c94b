/**
 * The table of identity providers: for each its fields, their checks, and the URLs derived from them (contract section 2.2).
 * Everything particular to a provider is in its row; no code elsewhere asks which provider it is. The rows with a rule across fields
 * have files of their own.
 */
import { z } from "zod";
import { printable } from "../lib/gateway/config_error.ts";
import { text } from "../lib/gateway/options.ts";
import { bareHost, baseUrl, identifier, PATH_SEGMENT, pathOf, uuid } from "./identity_provider_fields.ts";
import { identityProvider, wrapperOptions } from "./identity_provider_wrapper.ts";

export { cognito } from "./amazon_cognito.ts";
export { ping } from "./ping_one.ts";

/** Auth0. */
export const auth0 = identityProvider({
  builder: "mcpAuth0OAuth",
  schema: z.strictObject({
    ...wrapperOptions,
    /** The tenant's domain or custom domain, such as `acme.us.auth0.com`. */
    auth0Domain: bareHost({
      expected: "the domain of the Auth0 tenant, without https://",
      example: "acme.us.auth0.com",
    }),
    /** The identifier of an Auth0 API, sent as `audience` in the authorization request. */
    audience: text({ expected: "the identifier of an Auth0 API", example: "https://api.example.com" })
      .optional(),
  }),
  endpoints: ({ auth0Domain, audience }) => ({
    // Auth0 writes its issuer with the final slash.
    issuer: `https://${auth0Domain}/`,
    jwksUrl: `https://${auth0Domain}/.well-known/jwks.json`,
    authorizationUrl: `https://${auth0Domain}/authorize`,
    tokenUrl: `https://${auth0Domain}/oauth/token`,
    audience,
  }),
});

/** Clerk. */
export const clerk = identityProvider({
  builder: "mcpClerkOAuth",
  schema: z.strictObject({
    ...wrapperOptions,
    /** The Frontend API URL of the Clerk instance, such as `https://clerk.example.com`. */
    frontendApiUrl: baseUrl({
      expected: "Clerk's Frontend API URL, an https origin without a path",
      example: "https://clerk.example.com",
      check: (value) =>
        pathOf(value) === "" ? undefined : `${printable(value)} has a path, and only the origin belongs here`,
    }),
  }),
  endpoints: ({ frontendApiUrl }) => ({
    issuer: frontendApiUrl,
    jwksUrl: `${frontendApiUrl}/.well-known/jwks.json`,
    authorizationUrl: `${frontendApiUrl}/oauth/authorize`,
    tokenUrl: `${frontendApiUrl}/oauth/token`,
  }),
});

/** The tenant of all personal Microsoft accounts: what `consumers` stands for. */
const CONSUMERS_TENANT = "9188040d-6c67-4c5b-b112-36a304b66dad";

/** Microsoft Entra, one tenant. */
export const entra = identityProvider({
  builder: "mcpEntraOAuth",
  schema: z.strictObject({
    ...wrapperOptions,
    /** The directory (tenant) id: a UUID. */
    tenantId: uuid({
      expected: "the directory (tenant) id, a UUID",
      example: "72f988bf-86f1-41af-91ab-2d7cd011db47",
      otherwise: "no UUID; a domain names a tenant too, but tokens never carry it",
      check: (id) =>
        ["common", "organizations", "consumers", CONSUMERS_TENANT].includes(id)
          ? `${printable(id)} stands for many tenants, so anyone with a Microsoft account could sign in`
          : undefined,
    }),
  }),
  endpoints: ({ tenantId }) => ({
    issuer: `https://login.microsoftonline.com/${tenantId}/v2.0`,
    jwksUrl: `https://login.microsoftonline.com/${tenantId}/discovery/v2.0/keys`,
    authorizationUrl: `https://login.microsoftonline.com/${tenantId}/oauth2/v2.0/authorize`,
    tokenUrl: `https://login.microsoftonline.com/${tenantId}/oauth2/v2.0/token`,
  }),
});

/** Google. */
export const google = identityProvider({
  builder: "mcpGoogleOAuth",
  schema: z.strictObject({
    ...wrapperOptions,
    clientId: identifier({
      expected: "the client id of a Google OAuth client of the type Web application",
      example: "1234567890-abc123.apps.googleusercontent.com",
      pattern: /^[A-Za-z0-9-]+\.apps\.googleusercontent\.com$/,
      otherwise: "no Google client id, which ends in .apps.googleusercontent.com",
    }),
  }),
  endpoints: () => ({
    issuer: "https://accounts.google.com",
    jwksUrl: "https://www.googleapis.com/oauth2/v3/certs",
    authorizationUrl: "https://accounts.google.com/o/oauth2/v2/auth",
    tokenUrl: "https://oauth2.googleapis.com/token",
  }),
});

/** Keycloak. */
export const keycloak = identityProvider({
  builder: "mcpKeycloakOAuth",
  schema: z.strictObject({
    ...wrapperOptions,
    /** Where Keycloak is, with its base path if it has one, without `/realms/…`. */
    keycloakBaseUrl: baseUrl({
      expected: "Keycloak's base URL, without /realms/…",
      example: "https://keycloak.example.com",
      check: (value) =>
        /\/realms(?:\/|$)/.test(pathOf(value))
          ? `${printable(value)} has the realm in it, which is an option of its own`
          : undefined,
    }),
    /** The realm's name, as it stands in its URLs. */
    realm: identifier({
      expected: "the realm's name as it stands in its URLs",
      example: "acme",
      pattern: PATH_SEGMENT,
      otherwise: "no realm's name",
    }),
  }),
  endpoints: ({ keycloakBaseUrl, realm }) => {
    const issuer = `${keycloakBaseUrl}/realms/${realm}`;
    return {
      issuer,
      jwksUrl: `${issuer}/protocol/openid-connect/certs`,
      authorizationUrl: `${issuer}/protocol/openid-connect/auth`,
      tokenUrl: `${issuer}/protocol/openid-connect/token`,
    };
  },
});

/** Logto. */
export const logto = identityProvider({
  builder: "mcpLogtoOAuth",
  schema: z.strictObject({
    ...wrapperOptions,
    /** The tenant's endpoint or custom domain, such as `https://acme.logto.app`. */
    logtoEndpoint: baseUrl({
      expected: "Logto's endpoint, an https origin without a path",
      example: "https://acme.logto.app",
      check: (value) =>
        pathOf(value) === "" ? undefined : `${printable(value)} has a path; the gateway adds /oidc itself`,
    }),
  }),
  endpoints: ({ logtoEndpoint }) => ({
    issuer: `${logtoEndpoint}/oidc`,
    jwksUrl: `${logtoEndpoint}/oidc/jwks`,
    authorizationUrl: `${logtoEndpoint}/oidc/auth`,
    tokenUrl: `${logtoEndpoint}/oidc/token`,
  }),
});

/** Okta: the org's own authorization server, or a custom one. */
export const okta = identityProvider({
  builder: "mcpOktaOAuth",
  schema: z.strictObject({
    ...wrapperOptions,
    /** The org's domain or custom domain, such as `acme.okta.com`. */
    oktaDomain: bareHost({
      expected: "the domain of the Okta org, without https://",
      example: "acme.okta.com",
      check: (host) =>
        /-admin\.okta(?:preview|-emea)?\.com$/.test(host)
          ? `${printable(host)} is the admin console's domain, at which nobody else can sign in`
          : undefined,
    }),
    /** A custom authorization server, such as `default`; without it, the org's own. */
    authorizationServerId: identifier({
      expected: "the id of a custom authorization server",
      example: "default",
      pattern: /^[A-Za-z0-9_-]{1,100}$/,
      otherwise: "no authorization server's id",
    }).optional(),
  }),
  endpoints: ({ oktaDomain, authorizationServerId }) => {
    const origin = `https://${oktaDomain}`;
    const server = authorizationServerId === undefined
      ? `${origin}/oauth2`
      : `${origin}/oauth2/${authorizationServerId}`;
    return {
      // The org's own authorization server has endpoints under /oauth2, but not its issuer.
      issuer: authorizationServerId === undefined ? origin : server,
      jwksUrl: `${server}/v1/keys`,
      authorizationUrl: `${server}/v1/authorize`,
      tokenUrl: `${server}/v1/token`,
    };
  },
});

/** OneLogin. */
export const oneLogin = identityProvider({
  builder: "mcpOneLoginOAuth",
  schema: z.strictObject({
    ...wrapperOptions,
    /** What stands before `.onelogin.com`. */
    oneLoginSubdomain: identifier({
      expected: "what stands before .onelogin.com, and nothing else",
      example: "acme",
      pattern: /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/,
      otherwise: "no subdomain of onelogin.com (one label in lower case)",
    }),
  }),
  endpoints: ({ oneLoginSubdomain }) => {
    const issuer = `https://${oneLoginSubdomain}.onelogin.com/oidc/2`;
    return {
      issuer,
      jwksUrl: `${issuer}/certs`,
      authorizationUrl: `${issuer}/auth`,
      tokenUrl: `${issuer}/token`,
    };
  },
});

/** WorkOS, which speaks OAuth 2.0 at these endpoints and not quite OpenID Connect. */
export const workos = identityProvider({
  builder: "mcpWorkosOAuth",
  schema: z.strictObject({
    ...wrapperOptions,
    clientId: identifier({
      expected: "the client id of the WorkOS environment",
      example: "client_01HXYZ123456789ABCDEFGHIJ",
      pattern: /^client_[A-Za-z0-9]{1,100}$/,
      otherwise: "no WorkOS client id, which begins with client_",
    }),
  }),
  endpoints: ({ clientId }) => {
    const issuer = `https://api.workos.com/user_management/${clientId}`;
    return {
      issuer,
      jwksUrl: `https://api.workos.com/sso/jwks/${clientId}`,
      authorizationUrl: "https://api.workos.com/user_management/authorize",
      tokenUrl: "https://api.workos.com/user_management/authenticate",
      // Without a selector, WorkOS does not know which of its ways to sign in is meant.
      authorizationParameters: [["provider", "authkit"]],
      tokenEndpointAuthMethod: "client_secret_post",
      // Environments from before 2025 still have the API's origin as issuer, for all clients; the keys are this client's own.
      identitySource: {
        kind: "access_token",
        issuers: [issuer, "https://api.workos.com", "https://api.workos.com/"],
      },
    };
  },
});
