import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { format, inspect } from "node:util";
import { resolveGateway } from "../../../lib/gateway/compile.ts";
import { ConfigError } from "../../../lib/gateway/config_error.ts";
import { defineGateway } from "../../../lib/gateway/define_gateway.ts";
import { describeGateway } from "../../../lib/gateway/describe.ts";
import { env } from "../../../lib/gateway/env.ts";
import { mcpProxy } from "../../../lib/gateway/mcp_proxy.ts";
import { mcpDevOAuth } from "../../../policies/mcp_dev_oauth.ts";
import { mcpOAuth } from "../../../policies/mcp_oauth.ts";
import { setHeaders } from "../../../policies/set_headers.ts";
import { tokenExchange } from "../../../policies/token_exchange.ts";
import { upstreamApiKey } from "../../../policies/upstream_api_key.ts";
import {
  compile,
  faults,
  type Loose,
  loosely,
  OIDC,
  options,
  publicOptions,
  route,
} from "./configurations.ts";

const KEY = `-----BEGIN PRIVATE KEY-----\ncanary-tls\n-----END PRIVATE KEY-----`;
const CERT = "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----";

const EXCHANGE_SECRET = {
  method: "client_secret_basic",
  clientId: "a",
  clientSecret: "canary-exchange",
} as const;
const EXCHANGE_KEY = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" });
const EXCHANGE = tokenExchange({
  id: "a",
  displayName: "A",
  authMode: "id-jag",
  clientRegistration: { mode: "manual", clientId: "a", clientSecret: "canary-client" },
  idJag: {
    idp: { tokenUrl: "https://idp.example/token", clientAuth: EXCHANGE_SECRET },
    resourceAs: {
      tokenUrl: "https://as.example/token",
      audience: "https://as.example",
      clientAuth: {
        method: "private_key_jwt",
        clientId: "a",
        privateKeyPem: String(EXCHANGE_KEY),
        algorithm: "EdDSA",
      },
    },
  },
});

/** A sound configuration with a secret wherever one can stand, some literal and some from the environment. */
function secretive(): Loose {
  const browserLogin = { ...OIDC.browserLogin, clientSecret: "canary-literal-idp" };
  return publicOptions({
    oauth: mcpOAuth({ ...OIDC, browserLogin }),
    clients: [{ clientId: "a", redirectUris: ["https://a.example/"], clientSecret: env("CLIENT_SECRET") }],
    routes: [
      route({
        upstream: "https://up.example/mcp?key=canary-query",
        clientCertificate: { cert: CERT, key: KEY },
        policies: [
          upstreamApiKey({ value: env("API_KEY", { default: "canary-default" }) }),
          setHeaders({ "x-team": "canary-header" }),
        ],
      }),
      route({ operationId: "two", policies: [EXCHANGE] }, "/mcp/two"),
    ],
  });
}

const how = { env: () => "canary-from-environment" };

/** Everything that printing a value by accident might write. */
function printed(value: unknown): string {
  const deep = { depth: 20, showHidden: true };
  return [
    Deno.inspect(value, deep),
    inspect(value, { ...deep, getters: true }),
    format("%s %o %O %j", value, value, value, value),
    JSON.stringify(value),
    String(value),
    JSON.stringify(Object.getOwnPropertyDescriptors(Object(value))),
  ].join("\n");
}

Deno.test("a definition shows its builder's name, and none of its options, however it is printed", () => {
  const given = secretive();
  const definitions = [
    loosely(defineGateway, given),
    loosely(defineGateway, () => given),
    given["oauth"],
    ...(Array.isArray(given["routes"]) ? given["routes"] : []),
    upstreamApiKey({ value: "canary" }),
    setHeaders({ "x-a": "canary" }),
    EXCHANGE,
    mcpProxy("/mcp/canary", { operationId: "canary", upstream: "https://canary.example" }),
    mcpDevOAuth({ users: ["canary"] }),
  ];
  for (const definition of definitions) {
    assert.doesNotMatch(printed(definition), /canary/);
    assert.match(String(definition), /^\w+\(…\)$/);
    assert.ok(Object.isFrozen(definition));
  }
});

Deno.test("a compiled gateway and its table show no secret", () => {
  const resolved = resolveGateway(loosely(defineGateway, secretive()), { mode: "production", ...how });
  const [first, second] = resolved.gateway.routes;
  const { upstream: _url, ...rest } = first ?? {};
  const everything = printed({ ...resolved.gateway, routes: [rest, second] });
  assert.match(everything, /tokenExchange/);
  assert.doesNotMatch(everything, /canary|PRIVATE KEY/);
  const table = describeGateway(resolved);
  assert.doesNotMatch(table, /canary|PRIVATE KEY/);
  assert.match(table, /oauth\.browserLogin\.clientSecret +\[secret\]\n/);
  assert.match(table, /clients\[0\]\.clientSecret +\[secret\] {2}\(from CLIENT_SECRET\)/);
  assert.match(table, /policies\[0\]\.value +\[secret\] {2}\(from API_KEY\)/);
  assert.match(table, /routes\[0\]\.upstream +https:\/\/up\.example\/mcp\?\*\*\*/);
});

Deno.test("the secrets are there all the same", () => {
  const gateway = compile(secretive(), how);
  const [only, other] = gateway.routes;
  assert.ok(gateway.oauth.login.kind === "oidc" && only?.credential.kind === "static");
  assert.equal(gateway.oauth.login.clientSecret.reveal(), "canary-literal-idp");
  assert.equal(gateway.clients[0]?.clientSecret?.reveal(), "canary-from-environment");
  assert.equal(only.credential.value.reveal(), "Bearer canary-from-environment");
  assert.equal(only.headers[0]?.[1].reveal(), "canary-header");
  assert.equal(only.clientCertificate?.key.reveal(), KEY);
  assert.ok(other?.credential.kind === "tokenExchange");
  const { clientRegistration, idJag } = other.credential.connection;
  assert.ok(clientRegistration.mode === "manual");
  assert.equal(clientRegistration.clientSecret?.reveal(), "canary-client");
  assert.ok(idJag?.resourceAs.clientAuth.method === "private_key_jwt");
  assert.equal(idJag.resourceAs.clientAuth.privateKeyPem.reveal(), String(EXCHANGE_KEY).trim());
});

Deno.test("faults never repeat a secret, even one that stands in the wrong place or has the wrong type", () => {
  const wrong: Loose[] = [
    options({ routes: [route({ policies: [upstreamApiKey({ value: "canary\n" })] })] }),
    options({ routes: [route({ policies: [loosely(upstreamApiKey, { value: { canary: "canary" } })] })] }),
    options({ routes: [route({ policies: [loosely(upstreamApiKey, "canary")] })] }),
    options({ routes: [route({ policies: [loosely(setHeaders, { "x-a": ["canary"] })] })] }),
    options({ routes: [route({ policies: [loosely(setHeaders, ["canary"])] })] }),
    options({ routes: [route({ clientCertificate: { cert: "canary", key: "canary" } })] }),
    options({ routes: [route({ upstream: "https://user:canary@up.example" })] }),
    options({ routes: [route({ upstream: "https://canary@up.example" })] }),
    options({ routes: [route({ upstream: "http://up.example /?key=canary" })] }),
    options({ routes: [route({ upstream: "ftp://u:canary@up.example/?key=canary" })] }),
    options({ routes: [route({ upstream: "https://up.example/?key=canary#x" })] }),
    publicOptions({ publicUrl: "https://u:canary@gw.example" }),
    publicOptions({ clients: [{ clientId: "a", redirectUris: ["https://u:canary@a.example/"] }] }),
    publicOptions({ clients: [{ clientId: "a", redirectUris: [], clientSecret: ["canary"] }] }),
    publicOptions({
      clients: [{ clientId: "a", redirectUris: [], jwks: { keys: [{ kty: "RSA", d: "canary" }] } }],
    }),
    publicOptions({ clients: [{ clientId: "a", redirectUris: [], client_secret: "canary" }] }),
    options({ oauth: loosely(mcpOAuth, { ...OIDC, clientSecret: "canary" }) }),
    options({
      oauth: loosely(mcpOAuth, { browserLogin: { ...OIDC.browserLogin, clientSecret: { a: "canary" } } }),
    }),
    options({ corsOrigins: ["https://u:canary@a.example"] }),
    options({ secret: "canary" }),
  ];
  for (const [index, given] of wrong.entries()) {
    const found = faults(given, how);
    assert.notEqual(found.length, 0, `row ${index}`);
    assert.doesNotMatch(printed(new ConfigError(found)), /canary/, `row ${index}`);
  }
});

Deno.test("`ConfigError` prints all faults, without a stack trace and in every way of printing", () => {
  const error = new ConfigError([
    { path: "a.b", variable: "A_B", problem: "One is wrong", mend: "Mend it" },
    { path: "c[0]", problem: "Another\nis wrong", mend: "Mend that" },
  ]);
  assert.equal(
    error.format(),
    "The configuration has 2 faults:\n\n" +
      "  a.b  (environment variable A_B)\n    One is wrong.\n    Mend: Mend it.\n\n" +
      "  c[0]\n    Another\n    is wrong.\n    Mend: Mend that.",
  );
  for (const text of [Deno.inspect(error), inspect(error), error.message, error.stack ?? ""]) {
    assert.equal(text, error.format());
  }
});

Deno.test("a terminal does not obey what a configuration says", () => {
  const found = faults(options({ routes: [route({}, "/a\u001b[31mb")] }));
  // deno-lint-ignore no-control-regex -- the control character is the point
  assert.doesNotMatch(new ConfigError(found).format(), /\x1b/);
  const resolved = resolveGateway(
    loosely(defineGateway, options({ routes: [route({ summary: "a\u001b[31mb" })] })),
    {
      mode: "development",
      ...how,
    },
  );
  // deno-lint-ignore no-control-regex -- the control character is the point
  assert.doesNotMatch(describeGateway(resolved), /\x1b/);
});
