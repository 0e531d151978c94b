/** What the builders of the named identity providers refuse: one test for each check of the contract's table (section 2.2). */
import assert from "node:assert/strict";
import {
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
import { compile, faults, type Loose, loosely, publicOptions } from "../gateway/configurations.ts";

const UUID = "72f988bf-86f1-41af-91ab-2d7cd011db47";

/** Every builder with sound options of its own provider, for the rows to break. */
const SOUND = {
  mcpAuth0OAuth: [mcpAuth0OAuth, { auth0Domain: "acme.us.auth0.com" }],
  mcpClerkOAuth: [mcpClerkOAuth, { frontendApiUrl: "https://clerk.example.com" }],
  mcpCognitoOAuth: [mcpCognitoOAuth, {
    awsRegion: "eu-west-1",
    userPoolId: "eu-west-1_Ab1",
    userPoolDomain: "auth.example.com",
  }],
  mcpEntraOAuth: [mcpEntraOAuth, { tenantId: UUID }],
  mcpGoogleOAuth: [mcpGoogleOAuth, { clientId: "1-a.apps.googleusercontent.com" }],
  mcpKeycloakOAuth: [mcpKeycloakOAuth, { keycloakBaseUrl: "https://kc.example.com", realm: "acme" }],
  mcpLogtoOAuth: [mcpLogtoOAuth, { logtoEndpoint: "https://acme.logto.app" }],
  mcpOktaOAuth: [mcpOktaOAuth, { oktaDomain: "acme.okta.com" }],
  mcpOneLoginOAuth: [mcpOneLoginOAuth, { oneLoginSubdomain: "acme" }],
  mcpPingOAuth: [mcpPingOAuth, { environmentId: UUID }],
  mcpWorkosOAuth: [mcpWorkosOAuth, { clientId: "client_01ABC" }],
} as const;

type Builder = keyof typeof SOUND;
// Object.keys forgets which strings they are.
const BUILDERS = Object.keys(SOUND) as Builder[];

function policyOf(builder: Builder, changes: Loose) {
  const [build, sound] = SOUND[builder];
  return publicOptions({
    oauth: loosely(build, { clientId: "gw", clientSecret: "canary", ...sound, ...changes }),
  });
}

/** What is wrong in one option, and what the message says about it. */
type Wrong = readonly [builder: Builder, given: Loose, path: string, problem: RegExp];

const host = (builder: Builder, option: string, example: string): Wrong[] => [
  [builder, { [option]: `https://${example}` }, option, /is a URL, and only its host belongs here/],
  [builder, { [option]: `${example}/` }, option, /is more than a host/],
  [builder, { [option]: `${example}:443` }, option, /is more than a host/],
  [builder, { [option]: `user@${example}` }, option, /is more than a host/],
  [builder, { [option]: "acme" }, option, /has no dot/],
  [builder, { [option]: "{tenant}.example.com" }, option, /still has to be filled in/],
  [builder, { [option]: "a..example.com" }, option, /is no host name/],
  [builder, { [option]: "127.0.0.1" }, option, /is no host name/],
  [builder, { [option]: " acme.example.com" }, option, /white space/],
  [builder, { [option]: 5 }, option, /A string is expected, but a number was given/],
  [builder, { [option]: "" }, option, /empty/],
];

const base = (builder: Builder, option: string): Wrong[] => [
  [builder, { [option]: "http://idp.example" }, option, /plain http/],
  [builder, { [option]: "idp.example" }, option, /does not begin with https/],
  [builder, { [option]: "https://idp.example/?a=b" }, option, /has a query/],
  [builder, { [option]: "https://idp.example/#a" }, option, /has a fragment/],
  [builder, { [option]: "https://user:canary@idp.example" }, option, /user name or password/],
  [builder, { [option]: "https://idp.example/../a" }, option, /plain form/],
];

const WRONG: readonly Wrong[] = [
  ...host("mcpAuth0OAuth", "auth0Domain", "acme.us.auth0.com"),
  ["mcpAuth0OAuth", { audience: "" }, "audience", /empty/],

  ...base("mcpClerkOAuth", "frontendApiUrl"),
  [
    "mcpClerkOAuth",
    { frontendApiUrl: "https://clerk.example.com/v1" },
    "frontendApiUrl",
    /has a path, and only the/,
  ],

  ["mcpCognitoOAuth", { awsRegion: "Ireland" }, "awsRegion", /"Ireland" is no AWS region/],
  ["mcpCognitoOAuth", { userPoolId: "Ab1Cd2Ef3" }, "userPoolId", /is no user pool id/],
  ["mcpCognitoOAuth", { userPoolId: "us-east-1_Ab1" }, "userPoolId", /in another region than "eu-west-1"/],
  ["mcpCognitoOAuth", { userPoolId: "eu-west-10_Ab1" }, "userPoolId", /in another region than "eu-west-1"/],
  ...host("mcpCognitoOAuth", "userPoolDomain", "auth.example.com"),
  [
    "mcpCognitoOAuth",
    { userPoolDomain: "cognito-idp.eu-west-1.amazonaws.com" },
    "userPoolDomain",
    /the host of the issuer/,
  ],

  ["mcpEntraOAuth", { tenantId: "common" }, "tenantId", /"common" stands for many tenants/],
  ["mcpEntraOAuth", { tenantId: "organizations" }, "tenantId", /stands for many tenants/],
  ["mcpEntraOAuth", { tenantId: "Consumers" }, "tenantId", /stands for many tenants/],
  [
    "mcpEntraOAuth",
    { tenantId: "9188040d-6c67-4c5b-b112-36a304b66dad" },
    "tenantId",
    /stands for many tenants/,
  ],
  [
    "mcpEntraOAuth",
    { tenantId: "acme.onmicrosoft.com" },
    "tenantId",
    /"acme.onmicrosoft.com" is no UUID; a domain/,
  ],
  ["mcpEntraOAuth", { tenantId: `${UUID}/v2.0` }, "tenantId", /is no UUID/],

  ["mcpGoogleOAuth", { clientId: "1-a" }, "clientId", /no Google client id, which ends in/],
  ["mcpGoogleOAuth", { clientId: "https://a.apps.googleusercontent.com" }, "clientId", /no Google client id/],
  ["mcpGoogleOAuth", { clientId: "a.apps.googleusercontent.com.evil.example" }, "clientId", /no Google/],

  ...base("mcpKeycloakOAuth", "keycloakBaseUrl"),
  [
    "mcpKeycloakOAuth",
    { keycloakBaseUrl: "https://kc.example.com/realms/acme" },
    "keycloakBaseUrl",
    /has the realm/,
  ],
  [
    "mcpKeycloakOAuth",
    { keycloakBaseUrl: "https://kc.example.com/auth/realms" },
    "keycloakBaseUrl",
    /has the realm/,
  ],
  ["mcpKeycloakOAuth", { realm: ".." }, "realm", /is no realm's name/],
  ["mcpKeycloakOAuth", { realm: "a/b" }, "realm", /is no realm's name/],

  ...base("mcpLogtoOAuth", "logtoEndpoint"),
  [
    "mcpLogtoOAuth",
    { logtoEndpoint: "https://acme.logto.app/oidc" },
    "logtoEndpoint",
    /has a path; the gateway adds/,
  ],

  ...host("mcpOktaOAuth", "oktaDomain", "acme.okta.com"),
  ["mcpOktaOAuth", { oktaDomain: "acme-admin.okta.com" }, "oktaDomain", /the admin console's domain/],
  [
    "mcpOktaOAuth",
    { authorizationServerId: "https://a" },
    "authorizationServerId",
    /no authorization server's id/,
  ],
  ["mcpOktaOAuth", { authorizationServerId: ".." }, "authorizationServerId", /no authorization server's id/],

  ["mcpOneLoginOAuth", { oneLoginSubdomain: "acme.onelogin.com" }, "oneLoginSubdomain", /no subdomain of/],
  ["mcpOneLoginOAuth", { oneLoginSubdomain: "https://acme" }, "oneLoginSubdomain", /no subdomain of/],

  ["mcpPingOAuth", { environmentId: "acme" }, "environmentId", /"acme" is no UUID/],
  ["mcpPingOAuth", { environmentId: undefined }, "environmentId", /Neither environmentId nor customDomain/],
  ["mcpPingOAuth", { customDomain: "login.example.com" }, "environmentId", /customDomain is given too/],
  [
    "mcpPingOAuth",
    { environmentId: undefined, region: "europe", customDomain: "login.example.com" },
    "region",
    /customDomain is given too/,
  ],
  ["mcpPingOAuth", { region: "eu" }, "region", /"eu" is not a choice here/],
  ...host("mcpPingOAuth", "customDomain", "login.example.com").map((
    [builder, given, path, problem],
  ): Wrong => [
    builder,
    { ...given, environmentId: undefined },
    path,
    problem,
  ]),
  [
    "mcpPingOAuth",
    { environmentId: undefined, customDomain: "auth.pingone.eu" },
    "customDomain",
    /not a custom one/,
  ],

  ["mcpWorkosOAuth", { clientId: "01ABC" }, "clientId", /no WorkOS client id, which begins with client_/],
  ["mcpWorkosOAuth", { clientId: "https://api.workos.com/" }, "clientId", /no WorkOS client id/],
  ["mcpWorkosOAuth", { clientId: "client_01/../a" }, "clientId", /no WorkOS client id/],
];

for (const [builder, given, path, problem] of WRONG) {
  Deno.test(`${builder}() refuses ${JSON.stringify(given)}`, () => {
    const [fault, ...others] = faults(policyOf(builder, given), { mode: "production" });
    assert.deepEqual([fault?.path, others], [`oauth.${path}`, []]);
    assert.match(fault?.problem ?? "", problem);
    assert.match(fault?.mend ?? "", /^(?:Give|Name) /);
    assert.doesNotMatch(`${fault?.problem} ${fault?.mend}`, /canary/);
  });
}

for (const builder of BUILDERS) {
  Deno.test(`${builder}() refuses what every wrapper refuses, and shows no secret`, () => {
    assert.doesNotThrow(() => compile(policyOf(builder, {}), { mode: "production" }));
    const changes: readonly [Loose, string, RegExp][] = [
      [{ clientId: undefined }, "clientId", /required/],
      [{ clientSecret: undefined }, "clientSecret", /required/],
      [{ clientSecret: " canary" }, "clientSecret", /white space/],
      [{ scope: "email" }, "scope", /"openid" is missing/],
      [{ issuer: "https://a.example" }, "issuer", /no such option/],
      [{ browserLoginOverrides: { pkce: "plain" } }, "browserLoginOverrides.pkce", /not a choice/],
      [{ browserLoginOverrides: { url: "a" } }, "browserLoginOverrides.url", /no such option/],
      [{ gateway: { accessTokenTtlSeconds: 0 } }, "gateway.accessTokenTtlSeconds", /out of bounds/],
      [{ idJag: { trustedIssuers: [] } }, "idJag.trustedIssuers", /empty/],
    ];
    for (const [change, path, problem] of changes) {
      const [fault, ...others] = faults(policyOf(builder, change), { mode: "production" });
      assert.deepEqual([fault?.path, others], [`oauth.${path}`, []]);
      assert.match(fault?.problem ?? "", problem);
      assert.doesNotMatch(JSON.stringify(fault), /canary/);
    }
  });

  Deno.test(`${builder}() without options is faults, and not an exception`, () => {
    const [build] = SOUND[builder];
    const oauth = loosely(build, undefined);
    assert.notEqual(faults(publicOptions({ oauth }), { mode: "production" }).length, 0);
  });
}

Deno.test("a wrapper reports all that is wrong at once, also what is wrong across its fields", () => {
  const given = { awsRegion: "eu-west-1", userPoolId: "us-east-1_A", clientSecret: undefined, bogus: 1 };
  const found = faults(policyOf("mcpCognitoOAuth", given), { mode: "production" });
  assert.deepEqual(found.map((fault) => fault.path).sort(), [
    "oauth.bogus",
    "oauth.clientSecret",
    "oauth.userPoolId",
  ]);
});
