import assert from "node:assert/strict";
import { mcpDevOAuth } from "../../../policies/mcp_dev_oauth.ts";
import { mcpOAuth } from "../../../policies/mcp_oauth.ts";
import { compile, faults, type Loose, loosely, OIDC, options } from "../gateway/configurations.ts";

const DEFAULTS = {
  stateTtlSeconds: 900,
  sessionTtlSeconds: 28_800,
  tokens: {
    accessTokenTtlSeconds: 900,
    refreshTokenTtlSeconds: 2_592_000,
    grantTtlSeconds: 31_536_000,
    refreshGraceSeconds: 120,
  },
  cimdEnabled: true,
  dcrEnabled: true,
  idJag: null,
};

function oauthOf(changes: Loose) {
  return compile(options({ oauth: loosely(mcpOAuth, { ...OIDC, ...changes }) })).oauth;
}

Deno.test("`mcpOAuth()` fills in every default of the contract (section 2.2)", () => {
  const { login, ...rest } = oauthOf({});
  assert.deepEqual(rest, DEFAULTS);
  assert.ok(login.kind === "oidc");
  const { clientSecret, ...plain } = login;
  assert.equal(clientSecret.reveal(), "idp-client-secret");
  assert.deepEqual(plain, {
    kind: "oidc",
    issuer: "https://idp.example",
    jwksUrl: "https://idp.example/jwks",
    idTokenAudience: "gw",
    authorizationUrl: "https://idp.example/authorize",
    tokenUrl: "https://idp.example/token",
    clientId: "gw",
    scope: "openid profile email",
    audience: null,
    pkce: "S256",
    remoteTimeoutMs: 10_000,
    authorizationParameters: [],
    tokenEndpointAuthMethod: null,
    identitySource: { kind: "id_token" },
  });
});

Deno.test("`mcpOAuth()` takes every option of section 2.2", () => {
  const settings = oauthOf({
    oidc: { ...OIDC.oidc, audience: "https://gw.example" },
    browserLogin: {
      ...OIDC.browserLogin,
      url: "http://127.0.0.1:8080/authorize?tenant=a",
      scope: "openid offline_access",
      audience: "https://api.example",
      pkce: "none",
      remoteTimeoutMs: 500,
      stateTtlSeconds: 60,
      sessionTtlSeconds: 120,
    },
    gateway: { accessTokenTtlSeconds: 60, refreshGraceSeconds: 0, cimdEnabled: false, dcrEnabled: false },
  });
  const { login } = settings;
  assert.ok(login.kind === "oidc");
  assert.equal(login.idTokenAudience, "https://gw.example");
  assert.equal(login.authorizationUrl, "http://127.0.0.1:8080/authorize?tenant=a");
  assert.deepEqual([login.scope, login.audience, login.pkce, login.remoteTimeoutMs], [
    "openid offline_access",
    "https://api.example",
    "none",
    500,
  ]);
  assert.deepEqual([settings.stateTtlSeconds, settings.sessionTtlSeconds], [60, 120]);
  assert.deepEqual([settings.cimdEnabled, settings.dcrEnabled], [false, false]);
  assert.deepEqual(settings.tokens, {
    ...DEFAULTS.tokens,
    accessTokenTtlSeconds: 60,
    refreshGraceSeconds: 0,
  });
});

Deno.test("`refreshTokenTtlSeconds` may be the ten years of the hosted product", () => {
  const ten = 10 * 365 * 86_400;
  assert.equal(
    oauthOf({ gateway: { refreshTokenTtlSeconds: ten, grantTtlSeconds: ten } }).tokens.grantTtlSeconds,
    ten,
  );
});

Deno.test("`idJag` without a list trusts the login provider; with one, the list", () => {
  assert.deepEqual(oauthOf({ idJag: {} }).idJag, {
    trustedIssuers: [{
      issuer: "https://idp.example",
      jwksUrl: "https://idp.example/jwks",
      expectedClientIds: null,
      subjectMapping: "issuer-subject",
    }],
  });
  const issuer = { issuer: "https://other.example", jwksUrl: "https://other.example/jwks" };
  const listed = { ...issuer, expectedClientIds: ["a"], subjectMapping: "email" };
  assert.deepEqual(oauthOf({ idJag: { trustedIssuers: [listed] } }).idJag, { trustedIssuers: [listed] });
});

Deno.test("`mcpDevOAuth()` has one user unless told otherwise, and the same defaults", () => {
  assert.deepEqual(compile(options()).oauth, {
    login: { kind: "local", users: ["dev-browser-user"] },
    ...DEFAULTS,
  });
  const oauth = mcpDevOAuth({
    users: ["alice", "bob"],
    gateway: { refreshGraceSeconds: 1 },
    browserLoginOverrides: { stateTtlSeconds: 5 },
  });
  const settings = compile(options({ oauth })).oauth;
  assert.deepEqual(settings.login, { kind: "local", users: ["alice", "bob"] });
  assert.equal(settings.tokens.refreshGraceSeconds, 1);
  assert.deepEqual([settings.stateTtlSeconds, settings.sessionTtlSeconds], [5, 28_800]);
});

interface Wrong {
  readonly name: string;
  readonly given: Loose;
  readonly path: string;
  readonly problem: RegExp;
}

const login = (changes: Loose): Loose => ({ browserLogin: { ...OIDC.browserLogin, ...changes } });
const oidc = (changes: Loose): Loose => ({ oidc: { ...OIDC.oidc, ...changes } });

const WRONG: readonly Wrong[] = [
  { name: "no oidc", given: { oidc: undefined }, path: "oidc", problem: /required/ },
  { name: "no browserLogin", given: { browserLogin: undefined }, path: "browserLogin", problem: /required/ },
  { name: "no issuer", given: oidc({ issuer: undefined }), path: "oidc.issuer", problem: /required/ },
  {
    name: "an http issuer",
    given: oidc({ issuer: "http://idp.example" }),
    path: "oidc.issuer",
    problem: /plain http/,
  },
  {
    name: "an issuer's query",
    given: oidc({ issuer: "https://a.b/?c" }),
    path: "oidc.issuer",
    problem: /query/,
  },
  {
    name: "http keys",
    given: oidc({ jwksUrl: "http://idp.example/k" }),
    path: "oidc.jwksUrl",
    problem: /plain http/,
  },
  {
    name: "an http page",
    given: login({ url: "http://a.b" }),
    path: "browserLogin.url",
    problem: /plain http/,
  },
  {
    name: "an http token",
    given: login({ tokenUrl: "http://a.b" }),
    path: "browserLogin.tokenUrl",
    problem: /plain/,
  },
  {
    name: "no secret",
    given: login({ clientSecret: "" }),
    path: "browserLogin.clientSecret",
    problem: /empty/,
  },
  {
    name: "pkce plain",
    given: login({ pkce: "plain" }),
    path: "browserLogin.pkce",
    problem: /"plain" is not a choice/,
  },
  {
    name: "scope without openid",
    given: login({ scope: "email" }),
    path: "browserLogin.scope",
    problem: /"openid"/,
  },
  {
    name: "double spaces",
    given: login({ scope: "openid  x" }),
    path: "browserLogin.scope",
    problem: /no list/,
  },
  {
    name: "an unknown option",
    given: login({ tokenURL: "x" }),
    path: "browserLogin.tokenURL",
    problem: /no such/,
  },
  {
    name: "an access token for two days",
    given: { gateway: { accessTokenTtlSeconds: 172_800 } },
    path: "gateway.accessTokenTtlSeconds",
    problem: /out of bounds/,
  },
  {
    name: "a grace as long as the refresh token",
    given: { gateway: { refreshTokenTtlSeconds: 100, refreshGraceSeconds: 100 } },
    path: "gateway.refreshGraceSeconds",
    problem: /not shorter/,
  },
  {
    name: "a refresh token longer than the grant",
    given: { gateway: { refreshTokenTtlSeconds: 200, grantTtlSeconds: 199 } },
    path: "gateway.grantTtlSeconds",
    problem: /ends before/,
  },
  {
    name: "nobody trusted",
    given: { idJag: { trustedIssuers: [] } },
    path: "idJag.trustedIssuers",
    problem: /empty/,
  },
  {
    name: "an issuer twice",
    given: {
      idJag: {
        trustedIssuers: ["a", "b"].map((k) => ({ issuer: "https://i.example", jwksUrl: `https://${k}` })),
      },
    },
    path: "idJag.trustedIssuers[1].issuer",
    problem: /already/,
  },
  {
    name: "an unknown mapping",
    given: {
      idJag: { trustedIssuers: [{ issuer: "https://i", jwksUrl: "https://i", subjectMapping: "mail" }] },
    },
    path: "idJag.trustedIssuers[0].subjectMapping",
    problem: /not a choice/,
  },
];

for (const { name, given, path, problem } of WRONG) {
  Deno.test(`mcpOAuth() refuses ${name}`, () => {
    const found = faults(options({ oauth: loosely(mcpOAuth, { ...OIDC, ...given }) }));
    assert.deepEqual(found.map((fault) => fault.path), [`oauth.${path}`]);
    assert.match(found[0]?.problem ?? "", problem);
  });
}

const WRONG_DEV: readonly Wrong[] = [
  { name: "nobody", given: { users: [] }, path: "users", problem: /list is empty/ },
  { name: "a user twice", given: { users: ["a", "b", "a"] }, path: "users[2]", problem: /already/ },
  { name: "a control character", given: { users: ["a\u0000b"] }, path: "users[0]", problem: /no user name/ },
  { name: "a lone user", given: { users: "alice" }, path: "users", problem: /list is expected/ },
  { name: "a client id", given: { clientId: "x" }, path: "clientId", problem: /no such option/ },
  {
    name: "ID-JAG without issuers",
    given: { idJag: {} },
    path: "idJag.trustedIssuers",
    problem: /local login is no/,
  },
];

for (const { name, given, path, problem } of WRONG_DEV) {
  Deno.test(`mcpDevOAuth() refuses ${name}`, () => {
    const found = faults(options({ oauth: loosely(mcpDevOAuth, given) }));
    assert.deepEqual(found.map((fault) => fault.path), [`oauth.${path}`]);
    assert.match(found[0]?.problem ?? "", problem);
  });
}

Deno.test("`mcpOAuth()` without options is a fault, and not an exception", () => {
  assert.match(faults(options({ oauth: loosely(mcpOAuth, undefined) }))[0]?.problem ?? "", /required/);
});
