/** The table of identity providers: what each builder derives, against the table of the contract (section 2.2). */
import assert from "node:assert/strict";
import type { OAuthPolicy } from "../../../lib/gateway/definition.ts";
import {
  env,
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
} from "../../../mod.ts";
import { compile, publicOptions } from "../gateway/configurations.ts";

const TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47";
const ENVIRONMENT = "3c1b8f0e-7d6a-4b52-9a55-2f1f0c6f7a10";
const client = { clientId: "gw", clientSecret: "idp-client-secret" };
const googleClient = { ...client, clientId: "123-abc.apps.googleusercontent.com" };
const workosClient = { ...client, clientId: "client_01KC6057N3C66XJAXZ65YHAC72" };

/** One row: the four URLs, written out as the contract's table has them. */
type Row = readonly [name: string, policy: OAuthPolicy, urls: readonly [string, string, string, string]];

const ping = (origin: string): Row[2] => [
  `${origin}/as`,
  `${origin}/as/jwks`,
  `${origin}/as/authorize`,
  `${origin}/as/token`,
];

const keycloak = (realm: string): Row[2] => [
  realm,
  `${realm}/protocol/openid-connect/certs`,
  `${realm}/protocol/openid-connect/auth`,
  `${realm}/protocol/openid-connect/token`,
];

const pingRegion = (region: Parameters<typeof mcpPingOAuth>[0]["region"], domain: string): Row => [
  `PingOne, ${region ?? "no region"}`,
  mcpPingOAuth({ ...client, environmentId: ENVIRONMENT, ...(region === undefined ? {} : { region }) }),
  ping(`https://auth.pingone.${domain}/${ENVIRONMENT}`),
];

const TABLE: readonly Row[] = [
  ["Auth0", mcpAuth0OAuth({ ...client, auth0Domain: "acme.us.auth0.com" }), [
    "https://acme.us.auth0.com/",
    "https://acme.us.auth0.com/.well-known/jwks.json",
    "https://acme.us.auth0.com/authorize",
    "https://acme.us.auth0.com/oauth/token",
  ]],
  ["Clerk", mcpClerkOAuth({ ...client, frontendApiUrl: "https://clerk.example.com" }), [
    "https://clerk.example.com",
    "https://clerk.example.com/.well-known/jwks.json",
    "https://clerk.example.com/oauth/authorize",
    "https://clerk.example.com/oauth/token",
  ]],
  [
    "Cognito",
    mcpCognitoOAuth({
      ...client,
      awsRegion: "eu-west-1",
      userPoolId: "eu-west-1_Ab1Cd2Ef3",
      userPoolDomain: "acme.auth.eu-west-1.amazoncognito.com",
    }),
    [
      "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Ab1Cd2Ef3",
      "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Ab1Cd2Ef3/.well-known/jwks.json",
      "https://acme.auth.eu-west-1.amazoncognito.com/oauth2/authorize",
      "https://acme.auth.eu-west-1.amazoncognito.com/oauth2/token",
    ],
  ],
  ["Entra", mcpEntraOAuth({ ...client, tenantId: TENANT }), [
    `https://login.microsoftonline.com/${TENANT}/v2.0`,
    `https://login.microsoftonline.com/${TENANT}/discovery/v2.0/keys`,
    `https://login.microsoftonline.com/${TENANT}/oauth2/v2.0/authorize`,
    `https://login.microsoftonline.com/${TENANT}/oauth2/v2.0/token`,
  ]],
  ["Google", mcpGoogleOAuth(googleClient), [
    "https://accounts.google.com",
    "https://www.googleapis.com/oauth2/v3/certs",
    "https://accounts.google.com/o/oauth2/v2/auth",
    "https://oauth2.googleapis.com/token",
  ]],
  [
    "Keycloak",
    mcpKeycloakOAuth({ ...client, keycloakBaseUrl: "https://keycloak.example.com", realm: "acme" }),
    keycloak("https://keycloak.example.com/realms/acme"),
  ],
  [
    "Keycloak, with a base path",
    mcpKeycloakOAuth({ ...client, keycloakBaseUrl: "https://example.com/auth/", realm: "acme" }),
    keycloak("https://example.com/auth/realms/acme"),
  ],
  [
    "Keycloak, on loopback",
    mcpKeycloakOAuth({ ...client, keycloakBaseUrl: "http://localhost:8080", realm: "acme" }),
    keycloak("http://localhost:8080/realms/acme"),
  ],
  ["Logto", mcpLogtoOAuth({ ...client, logtoEndpoint: "https://acme.logto.app" }), [
    "https://acme.logto.app/oidc",
    "https://acme.logto.app/oidc/jwks",
    "https://acme.logto.app/oidc/auth",
    "https://acme.logto.app/oidc/token",
  ]],
  ["Okta, the org's authorization server", mcpOktaOAuth({ ...client, oktaDomain: "acme.okta.com" }), [
    "https://acme.okta.com",
    "https://acme.okta.com/oauth2/v1/keys",
    "https://acme.okta.com/oauth2/v1/authorize",
    "https://acme.okta.com/oauth2/v1/token",
  ]],
  [
    "Okta, a custom authorization server",
    mcpOktaOAuth({ ...client, oktaDomain: "acme.okta.com", authorizationServerId: "aus1a2b3" }),
    [
      "https://acme.okta.com/oauth2/aus1a2b3",
      "https://acme.okta.com/oauth2/aus1a2b3/v1/keys",
      "https://acme.okta.com/oauth2/aus1a2b3/v1/authorize",
      "https://acme.okta.com/oauth2/aus1a2b3/v1/token",
    ],
  ],
  ["OneLogin", mcpOneLoginOAuth({ ...client, oneLoginSubdomain: "acme" }), [
    "https://acme.onelogin.com/oidc/2",
    "https://acme.onelogin.com/oidc/2/certs",
    "https://acme.onelogin.com/oidc/2/auth",
    "https://acme.onelogin.com/oidc/2/token",
  ]],
  pingRegion(undefined, "com"),
  pingRegion("north-america", "com"),
  pingRegion("canada", "ca"),
  pingRegion("europe", "eu"),
  pingRegion("singapore", "sg"),
  pingRegion("australia", "com.au"),
  pingRegion("asia-pacific", "asia"),
  [
    "PingOne, a custom domain",
    mcpPingOAuth({ ...client, customDomain: "login.example.com" }),
    ping("https://login.example.com"),
  ],
  ["WorkOS", mcpWorkosOAuth(workosClient), [
    "https://api.workos.com/user_management/client_01KC6057N3C66XJAXZ65YHAC72",
    "https://api.workos.com/sso/jwks/client_01KC6057N3C66XJAXZ65YHAC72",
    "https://api.workos.com/user_management/authorize",
    "https://api.workos.com/user_management/authenticate",
  ]],
];

function loginOf(oauth: OAuthPolicy, variables: Record<string, string> = {}) {
  const { login } = compile(publicOptions({ oauth }), { mode: "production", env: (name) => variables[name] })
    .oauth;
  assert.ok(login.kind === "oidc");
  return login;
}

for (const [name, policy, urls] of TABLE) {
  Deno.test(`${name}: issuer, keys, authorization and token endpoint are those of the contract (section 2.2)`, () => {
    const { issuer, jwksUrl, authorizationUrl, tokenUrl } = loginOf(policy);
    assert.deepEqual([issuer, jwksUrl, authorizationUrl, tokenUrl], urls);
  });
}

Deno.test("a wrapper fills in the same defaults as `mcpOAuth()`", () => {
  const oauth = mcpLogtoOAuth({ ...client, logtoEndpoint: "https://acme.logto.app" });
  const { login, ...rest } = compile(publicOptions({ oauth }), { mode: "production" }).oauth;
  const generic = compile(publicOptions(), { mode: "production" }).oauth;
  const { login: genericLogin, ...genericRest } = generic;
  assert.deepEqual(rest, genericRest);
  assert.ok(login.kind === "oidc" && genericLogin.kind === "oidc");
  assert.deepEqual(Object.keys(login).sort(), Object.keys(genericLogin).sort());
  assert.equal(login.clientSecret.reveal(), "idp-client-secret");
  assert.deepEqual([login.clientId, login.idTokenAudience, login.audience], ["gw", "gw", null]);
  assert.deepEqual([login.scope, login.pkce, login.remoteTimeoutMs], [
    "openid profile email",
    "S256",
    10_000,
  ]);
  assert.deepEqual(login.identitySource, { kind: "id_token" });
  assert.deepEqual([login.authorizationParameters, login.tokenEndpointAuthMethod], [[], null]);
});

Deno.test("a wrapper takes the shared options of section 2.2", () => {
  const oauth = mcpGoogleOAuth({
    ...googleClient,
    scope: "openid email",
    gateway: { accessTokenTtlSeconds: 60, dcrEnabled: false },
    idJag: {},
    browserLoginOverrides: {
      remoteTimeoutMs: 1_000,
      stateTtlSeconds: 60,
      sessionTtlSeconds: 120,
      pkce: "none",
    },
  });
  const settings = compile(publicOptions({ oauth }), { mode: "production" }).oauth;
  assert.ok(settings.login.kind === "oidc");
  const { scope, remoteTimeoutMs, pkce } = settings.login;
  assert.deepEqual([scope, remoteTimeoutMs, pkce], ["openid email", 1_000, "none"]);
  assert.deepEqual([settings.stateTtlSeconds, settings.sessionTtlSeconds], [60, 120]);
  assert.deepEqual([settings.tokens.accessTokenTtlSeconds, settings.dcrEnabled], [60, false]);
  assert.deepEqual(settings.idJag?.trustedIssuers.map(({ issuer, jwksUrl }) => [issuer, jwksUrl]), [
    ["https://accounts.google.com", "https://www.googleapis.com/oauth2/v3/certs"],
  ]);
});

Deno.test("`mcpAuth0OAuth()` sends its `audience` in the authorization request; ID tokens keep the client id", () => {
  const login = loginOf(
    mcpAuth0OAuth({ ...client, auth0Domain: "acme.us.auth0.com", audience: "https://api" }),
  );
  assert.deepEqual([login.audience, login.idTokenAudience], ["https://api", "gw"]);
});

Deno.test("`mcpWorkosOAuth()` says what WorkOS does beside the standard", () => {
  const login = loginOf(mcpWorkosOAuth(workosClient));
  assert.deepEqual(login.authorizationParameters, [["provider", "authkit"]]);
  assert.equal(login.tokenEndpointAuthMethod, "client_secret_post");
  assert.deepEqual(login.identitySource, {
    kind: "access_token",
    issuers: [login.issuer, "https://api.workos.com", "https://api.workos.com/"],
  });
});

Deno.test("hosts and ids are brought to the form that the provider's tokens have", () => {
  const issuers = [
    mcpAuth0OAuth({ ...client, auth0Domain: "ACME.us.auth0.com" }),
    mcpEntraOAuth({ ...client, tenantId: TENANT.toUpperCase() }),
    mcpLogtoOAuth({ ...client, logtoEndpoint: "https://Acme.Logto.app:443/" }),
    mcpKeycloakOAuth({ ...client, keycloakBaseUrl: "https://KC.example.com/Auth", realm: "Acme" }),
  ].map((policy) => loginOf(policy).issuer);
  assert.deepEqual(issuers, [
    "https://acme.us.auth0.com/",
    `https://login.microsoftonline.com/${TENANT}/v2.0`,
    "https://acme.logto.app/oidc",
    "https://kc.example.com/Auth/realms/Acme",
  ]);
});

Deno.test("`env()` is accepted for every string of a wrapper", () => {
  const variables = { ID: "gw", SECRET: "s", POOL: "eu-west-1_A", REGION: "eu-west-1", DOMAIN: "a.example" };
  const shared = {
    clientId: env("ID"),
    clientSecret: env("SECRET"),
    scope: env("SCOPE", { default: "openid" }),
  };
  const cognito = loginOf(
    mcpCognitoOAuth({
      ...shared,
      awsRegion: env("REGION"),
      userPoolId: env("POOL"),
      userPoolDomain: env("DOMAIN"),
    }),
    variables,
  );
  assert.equal(cognito.issuer, "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_A");
  assert.deepEqual([cognito.clientId, cognito.scope], ["gw", "openid"]);
  const ping = loginOf(
    mcpPingOAuth({ ...shared, environmentId: env("ENVIRONMENT"), region: env("PING_REGION") }),
    { ...variables, ENVIRONMENT, PING_REGION: "europe" },
  );
  assert.equal(ping.issuer, `https://auth.pingone.eu/${ENVIRONMENT}/as`);
});
