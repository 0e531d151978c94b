import assert from "node:assert/strict";
import { env } from "../../../lib/gateway/env.ts";
import type { Connection } from "../../../lib/gateway/gateway.ts";
import { setHeaders } from "../../../policies/set_headers.ts";
import { tokenExchange } from "../../../policies/token_exchange.ts";
import {
  compile,
  type Loose,
  loosely,
  options,
  publicOptions,
  report,
  route,
  type WrongRow,
} from "../gateway/configurations.ts";

const SOUND = { id: "linear", displayName: "Linear" };

/** The connection of the only route, on loopback. */
function connection(changes: Loose = {}, on: Loose = {}): Connection {
  const policies = [loosely(tokenExchange, { ...SOUND, ...changes })];
  const [compiled] = compile(options({ admins: () => true, routes: [route({ policies, ...on })] })).routes;
  assert.ok(compiled?.credential.kind === "tokenExchange");
  return compiled.credential.connection;
}

Deno.test("`tokenExchange()` fills in every default of the contract (section 2.3)", () => {
  assert.deepEqual(connection(), {
    id: "linear",
    displayName: "Linear",
    summary: null,
    authMode: "user-oauth",
    upstream: "https://up.example/mcp",
    scopes: [],
    scopeDelimiter: " ",
    prompt: null,
    clientRegistration: { mode: "auto" },
    protectedResourceMetadataUrl: null,
    overrides: { issuer: null, resource: null, assumePkce: false, omitResource: false },
    idJag: null,
  });
});

Deno.test("`tokenExchange()` takes every option of section 2.3, from the environment too (UP-04, UP-06, UP-12)", () => {
  const metadata = "https://up.example/.well-known/oauth-protected-resource";
  const variables: Record<string, string> = {
    ID: "up",
    NAME: "Up",
    SCOPE: "read",
    SECRET: "s3cret",
    PRM: metadata,
  };
  const policy = tokenExchange({
    id: env("ID"),
    displayName: env("NAME"),
    summary: "A server.",
    authMode: "shared-oauth",
    scopes: [env("SCOPE"), "write", "read"],
    scopeDelimiter: env("DELIMITER", { default: "," }),
    prompt: "select_account",
    clientRegistration: {
      mode: "manual",
      clientId: "client",
      clientSecret: env("SECRET"),
      tokenEndpointAuthMethod: "client_secret_post",
    },
    protectedResourceMetadataUrl: env("PRM"),
    overrides: {
      issuer: "https://accounts.example/",
      resource: "https://up.example",
      assumePkce: true,
      omitResource: true,
    },
  });
  const given = publicOptions({
    admins: { emails: ["a@example.com"] },
    routes: [route({ policies: [policy] })],
  });
  const [compiled] = compile(given, { mode: "production", env: (name) => variables[name] }).routes;
  assert.ok(compiled?.credential.kind === "tokenExchange");
  const { clientRegistration, ...rest } = compiled.credential.connection;
  assert.deepEqual(rest, {
    id: "up",
    displayName: "Up",
    summary: "A server.",
    authMode: "shared-oauth",
    upstream: "https://up.example/mcp",
    scopes: ["read", "write"],
    scopeDelimiter: ",",
    prompt: "select_account",
    protectedResourceMetadataUrl: metadata,
    overrides: {
      issuer: "https://accounts.example/",
      resource: "https://up.example",
      assumePkce: true,
      omitResource: true,
    },
    idJag: null,
  });
  assert.ok(clientRegistration.mode === "manual");
  assert.equal(clientRegistration.clientId, "client");
  assert.equal(clientRegistration.clientSecret?.reveal(), "s3cret");
  assert.equal(clientRegistration.tokenEndpointAuthMethod, "client_secret_post");
});

Deno.test("a client that is registered by hand may leave the rest to the server's metadata, or have no secret (UP-21)", () => {
  const registration = (changes: Loose) =>
    connection({ clientRegistration: { mode: "manual", clientId: "a", ...changes } }).clientRegistration;
  const none = { mode: "manual", clientId: "a", clientSecret: null, tokenEndpointAuthMethod: null };
  assert.deepEqual(registration({}), none);
  for (const tokenEndpointAuthMethod of ["none", "private_key_jwt"]) {
    assert.deepEqual(registration({ tokenEndpointAuthMethod }), { ...none, tokenEndpointAuthMethod });
  }
  const withSecret = registration({ clientSecret: "s" });
  assert.equal(withSecret.mode === "manual" && withSecret.clientSecret?.reveal(), "s");
});

Deno.test("`prompt: false` is kept apart from no prompt", () => {
  assert.equal(connection({ prompt: false }).prompt, false);
  assert.equal(connection({ prompt: "none" }).prompt, "none");
  assert.equal(connection({ scopes: [] }).prompt, null);
});

Deno.test("a display name is shown as people can read it", () => {
  assert.equal(connection({ displayName: "Li\u202ene  ar" }).displayName, "Line ar");
  assert.equal(connection({ displayName: "é".repeat(100) }).displayName.length, 100);
});

for (
  const [upstream, resource] of [
    ["https://up.example/a/b", "https://up.example/a/b"],
    ["https://up.example/a/b", "https://up.example/a"],
    ["https://up.example/a/b", "https://up.example/a/"],
    ["https://up.example/a/b", "https://up.example/"],
    ["https://up.example/a/b", "https://up.example/a/b/"],
    ["https://up.example/a/b", "https://up.example:443"],
    ["https://up.example/a/b?key=1", "https://UP.example"],
  ] as const
) {
  Deno.test(`overrides.resource may be ${resource} for ${upstream} (UP-02)`, () => {
    assert.equal(connection({ overrides: { resource } }, { upstream }).overrides.resource, resource);
  });
}

const WRONG: readonly (Omit<WrongRow, "given"> & { readonly given: Loose; readonly on?: Loose })[] = [
  { name: "no id", given: { id: undefined }, path: ".id", problem: /required/ },
  { name: "an id with a slash", given: { id: "a/b" }, path: ".id", problem: /no id/ },
  { name: "an id that is a path segment", given: { id: ".." }, path: ".id", problem: /no id/ },
  { name: "an id with a colon", given: { id: "a:b" }, path: ".id", problem: /no id/ },
  { name: "a long id", given: { id: "a".repeat(65) }, path: ".id", problem: /no id/ },
  { name: "no name", given: { displayName: undefined }, path: ".displayName", problem: /required/ },
  {
    name: "an invisible name",
    given: { displayName: "\u202e" },
    path: ".displayName",
    problem: /can be seen/,
  },
  { name: "a long name", given: { displayName: "a".repeat(101) }, path: ".displayName", problem: /too long/ },
  { name: "an unknown mode", given: { authMode: "user" }, path: ".authMode", problem: /not a choice/ },
  { name: "two scopes in one", given: { scopes: ["a b"] }, path: ".scopes[0]", problem: /entry of its own/ },
  { name: "a scope with a quote", given: { scopes: ["a", 'b"'] }, path: ".scopes[1]", problem: /no scope/ },
  { name: "scopes as text", given: { scopes: "a" }, path: ".scopes", problem: /list is expected/ },
  {
    name: "a scope with the delimiter in it",
    given: { scopes: ["a", "b,c"], scopeDelimiter: "," },
    path: ".scopes[1]",
    problem: /separates scopes/,
  },
  {
    name: "a long delimiter",
    given: { scopeDelimiter: ", " },
    path: ".scopeDelimiter",
    problem: /no delimiter/,
  },
  { name: "no delimiter", given: { scopeDelimiter: "" }, path: ".scopeDelimiter", problem: /no delimiter/ },
  {
    name: "an odd delimiter",
    given: { scopeDelimiter: "\n" },
    path: ".scopeDelimiter",
    problem: /no delimiter/,
  },
  { name: "an odd prompt", given: { prompt: "create" }, path: ".prompt", problem: /not a choice/ },
  { name: "prompt: true", given: { prompt: true }, path: ".prompt", problem: /boolean was given/ },
  { name: "an unknown option", given: { scope: "a" }, path: ".scope", problem: /no such option/ },
  {
    name: "metadata over plain http",
    given: { protectedResourceMetadataUrl: "http://up.example/prm" },
    path: ".protectedResourceMetadataUrl",
    problem: /plain http/,
  },
  {
    name: "an issuer with a query",
    given: { overrides: { issuer: "https://a.example/?b" } },
    path: ".overrides.issuer",
    problem: /query/,
  },
  {
    name: "an unknown override",
    given: { overrides: { pkce: true } },
    path: ".overrides.pkce",
    problem: /no such option/,
  },
  {
    name: "a flag as text",
    given: { overrides: { assumePkce: "yes" } },
    path: ".overrides.assumePkce",
    problem: /true or false/,
  },
  ...[
    "https://evil.example",
    "http://127.0.0.1",
    "https://up.example:8443",
    "https://up.example/mc",
    "https://up.example/mcp/more",
    "https://up.example/.",
    "https://up.example/x/%2e%2e",
    "https://up.example.evil.example",
  ].map((resource) => ({
    name: `the resource ${resource}`,
    given: { overrides: { resource } },
    path: ".overrides.resource",
    problem: /no parent path/,
  })),
  ...["..", ".%2E"].map((dots) => ({
    name: `a parent that a path with ${dots} leaves`,
    given: { overrides: { resource: "https://up.example/a" } },
    on: { upstream: `https://up.example/a/${dots}/b` },
    path: ".overrides.resource",
    problem: /no parent path/,
  })),
  {
    name: "an unknown registration",
    given: { clientRegistration: { mode: "dcr" } },
    path: ".clientRegistration.mode",
    problem: /not a choice/,
  },
  {
    name: "a client id in auto mode",
    given: { clientRegistration: { mode: "auto", clientId: "a" } },
    path: ".clientRegistration.clientId",
    problem: /belongs to the mode "manual"/,
  },
  {
    name: "manual without client id",
    given: { clientRegistration: { mode: "manual" } },
    path: ".clientRegistration.clientId",
    problem: /needs it/,
  },
  {
    name: "a secret method without secret",
    given: {
      clientRegistration: { mode: "manual", clientId: "a", tokenEndpointAuthMethod: "client_secret_basic" },
    },
    path: ".clientRegistration.clientSecret",
    problem: /needs it/,
  },
  {
    name: "a secret without a method for it",
    given: {
      clientRegistration: {
        mode: "manual",
        clientId: "a",
        clientSecret: "canary",
        tokenEndpointAuthMethod: "none",
      },
    },
    path: ".clientRegistration.clientSecret",
    problem: /no use/,
  },
  {
    name: "a secret that cannot be sent",
    given: { clientRegistration: { mode: "manual", clientId: "a", clientSecret: "canäry" } },
    path: ".clientRegistration.clientSecret",
    problem: /printable ASCII/,
  },
];

for (const { name, given, on, path, problem } of WRONG) {
  Deno.test(`tokenExchange() refuses ${name}`, () => {
    const policies = [loosely(tokenExchange, { ...SOUND, ...given })];
    const found = report(options({ routes: [route({ policies, ...on })] }));
    assert.equal(found.length, 1, found.join("\n"));
    assert.ok(found[0]?.startsWith(`routes[0].policies[0]${path}: `), found[0]);
    assert.match(found[0] ?? "", problem);
    assert.doesNotMatch(found[0] ?? "", /can[aä]ry/);
  });
}

Deno.test("`tokenExchange()` sets Authorization, which no other policy may", () => {
  const policies = [tokenExchange(SOUND), setHeaders({ authorization: "Bearer x" })];
  assert.match(
    report(options({ routes: [route({ policies })] })).join(),
    /policies\[1\].*"authorization" already/,
  );
});
