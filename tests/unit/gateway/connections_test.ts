/** Rules about upstream connections across routes, and across the whole configuration (contract section 2). */
import assert from "node:assert/strict";
import { resolveGateway } from "../../../lib/gateway/compile.ts";
import { overridesInUse } from "../../../lib/gateway/connections.ts";
import { defineGateway } from "../../../lib/gateway/define_gateway.ts";
import { describeGateway } from "../../../lib/gateway/describe.ts";
import { env } from "../../../lib/gateway/env.ts";
import type { Connection, Gateway } from "../../../lib/gateway/gateway.ts";
import { mcpDevOAuth } from "../../../policies/mcp_dev_oauth.ts";
import { mcpWorkosOAuth } from "../../../policies/identity_providers.ts";
import { tokenExchange } from "../../../policies/token_exchange.ts";
import { upstreamApiKey } from "../../../policies/upstream_api_key.ts";
import {
  compile,
  faults,
  type Loose,
  loosely,
  options,
  publicOptions,
  report,
  route,
} from "./configurations.ts";

const make = (changes: Loose = {}) => loosely(tokenExchange, { id: "a", displayName: "A", ...changes });
const on = (policy: unknown, changes: Loose = {}) => route({ policies: [policy], ...changes });
const two = (policy: unknown, changes: Loose = {}) =>
  route({ operationId: "two", policies: [policy], ...changes }, "/mcp/two");

function connections({ routes }: Gateway): Connection[] {
  return routes.flatMap(({ credential }) =>
    credential.kind === "tokenExchange" ? [credential.connection] : []
  );
}

Deno.test("routes with the same policy value have the very same connection", () => {
  const shared = make();
  const apart = make({ id: "b" });
  const third = route({ operationId: "three", policies: [apart] }, "/mcp/three");
  const [first, second, other] = connections(compile(options({ routes: [on(shared), two(shared), third] })));
  assert.ok(first !== undefined && first === second);
  assert.notEqual(other, first);
  assert.equal(other?.id, "b");
  assert.ok(Object.isFrozen(first));
});

Deno.test("the same policy value serves one upstream only, and the fault names both routes", () => {
  const shared = make();
  const routes = [on(shared), two(shared, { upstream: "https://other.example/mcp?key=canary" })];
  const found = report(options({ routes }));
  assert.deepEqual(found, [
    'routes[1].upstream: routes[0] shares the connection "a", and its upstream is "https://up.example/mcp", ' +
    'not "https://other.example/mcp?***"',
  ]);
});

Deno.test("routes that share a connection reach its servers in one way, and all faults are told at once", () => {
  const certificate = (key: string) => ({
    cert: "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----",
    key: `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----`,
  });
  const shared = make();
  const found = (first: Loose, second: Loose) =>
    report(options({ routes: [on(shared, first), two(shared, second)] }));
  const start = 'routes[0] shares the connection "a", and has';
  const [own, other] = [{ clientCertificate: certificate("one") }, { clientCertificate: certificate("two") }];
  const network = { allowPrivateNetwork: true };
  assert.deepEqual(found({ ...network, ...own }, {}), [
    `routes[1].allowPrivateNetwork: ${start} allowPrivateNetwork: true`,
    `routes[1].clientCertificate: ${start} a client certificate`,
  ]);
  assert.deepEqual(found({}, { ...network, ...own }), [
    `routes[1].allowPrivateNetwork: ${start} allowPrivateNetwork: false`,
    `routes[1].clientCertificate: ${start} no client certificate`,
  ]);
  const keys = found(own, other);
  assert.deepEqual(keys, [`routes[1].clientCertificate: ${start} another client certificate`]);
  // Equal is enough: it need not be one value.
  assert.deepEqual(found({ ...network, ...own }, { ...network, clientCertificate: certificate("one") }), []);
  const apart = [on(shared, { ...network, ...own }), two(make({ id: "b" }))];
  assert.deepEqual(report(options({ routes: apart })), []);
  // Without the environment nobody knows whether two certificates are one.
  const fromEnvironment = { clientCertificate: { cert: env("CERT"), key: env("KEY") } };
  const routes = [on(shared, own), two(shared, fromEnvironment)];
  assert.ok(compile(options({ routes }), { env: () => undefined, placeholders: true }));
});

Deno.test("two values never share an id, even with equal options, and even when the environment names it", () => {
  const problem = 'routes[1].policies[0].id: routes[0] has a tokenExchange with the id "a" already';
  assert.deepEqual(report(options({ routes: [on(make()), two(make())] })), [problem]);
  const fromEnvironment = make({ id: env("ID") });
  const [fault] = faults(options({ routes: [on(make()), two(fromEnvironment)] }), { env: () => "a" });
  assert.deepEqual([`${fault?.path}: ${fault?.problem}`, fault?.variable], [problem, "ID"]);
});

Deno.test("a route takes one credential: not two connections, and no key beside one", () => {
  const routes = (...policies: unknown[]) => options({ routes: [route({ policies })] });
  const second = /^routes\[0\]\.policies\[1\]: tokenExchange\(…\) is a second credential/;
  assert.match(report(routes(make(), make({ id: "b" }))).join("\n"), second);
  assert.match(report(routes(upstreamApiKey({ value: "k" }), make())).join("\n"), second);
});

const SHARED = make({ authMode: "shared-oauth" });

for (const admins of [undefined, {}, { emails: [] }, { subjects: [], emails: [] }]) {
  Deno.test(`a shared upstream is a fault with ${JSON.stringify(admins) ?? "no"} admins`, () => {
    assert.deepEqual(report(options({ admins, routes: [on(SHARED), two(SHARED)] })), [
      "routes[0].policies[0].authMode: An administrator has to connect this upstream, and nobody is one",
    ]);
  });
}

for (const admins of [() => false, { emails: ["a@example.com"] }, { subjects: ["a"] }]) {
  Deno.test(`a shared upstream may have ${typeof admins === "function" ? "a function" : Object.keys(admins)}`, () => {
    assert.deepEqual(report(options({ admins, routes: [on(SHARED)] })), []);
  });
}

Deno.test("admins that have a fault of their own are one fault", () => {
  assert.deepEqual(
    faults(options({ admins: { emails: ["x"] }, routes: [on(SHARED)] })).map(({ path }) => path),
    [
      "admins.emails[0]",
    ],
  );
});

const clientAuth = { method: "client_secret_post", clientId: "a", clientSecret: "b" };
const ID_JAG = make({
  authMode: "id-jag",
  idJag: {
    idp: { tokenUrl: "https://idp.example/token", clientAuth },
    resourceAs: { tokenUrl: "https://as.example/token", audience: "https://as.example", clientAuth },
  },
});

Deno.test("id-jag needs a login that gives an ID token (EM-10)", () => {
  const at = "routes[0].policies[0].authMode: ";
  assert.match(
    report(options({ oauth: mcpDevOAuth(), routes: [on(ID_JAG)] })).join("\n"),
    /The local login is no/,
  );
  const workos = mcpWorkosOAuth({ clientId: "client_a", clientSecret: "b" });
  const [found = ""] = report(publicOptions({ oauth: workos, routes: [on(ID_JAG)] }));
  assert.ok(found.startsWith(at) && found.includes("gives no ID token"), found);
  assert.deepEqual(report(publicOptions({ routes: [on(ID_JAG)] })), []);
});

Deno.test("an upstream with a connection has TLS, except on loopback (B13 197)", () => {
  const at = (upstream: string, changes: Loose = {}) =>
    report(publicOptions({ routes: [on(make(), { upstream, allowPrivateNetwork: true })], ...changes }));
  assert.match(
    at("http://up.example/mcp").join("\n"),
    /^routes\[0\]\.upstream: The upstream uses plain http[^\n]+$/,
  );
  assert.match(at("http://10.0.0.1/mcp").join("\n"), /plain http/);
  assert.match(
    at("http://127.0.0.1/mcp").join("\n"),
    /^routes\[0\]\.upstream: The upstream is on loopback[^\n]+$/,
  );
  assert.deepEqual(at("http://127.0.0.1/mcp", { outbound: { allowLoopback: true } }), []);
  assert.deepEqual(at("https://127.0.0.1/mcp"), []);
  const local = on(make(), { upstream: "http://127.0.0.1:9001/mcp" });
  assert.deepEqual(report(options({ routes: [local] })), []);
});

Deno.test("servers on loopback are asked over plain http only if the gateway is on loopback itself", () => {
  const local = "http://localhost:9001/x";
  const policy = make({ protectedResourceMetadataUrl: local, overrides: { issuer: local } });
  assert.deepEqual(report(options({ routes: [on(policy)] })), []);
  assert.deepEqual(faults(publicOptions({ routes: [on(policy)] })).map(({ path }) => path), [
    "routes[0].policies[0].protectedResourceMetadataUrl",
    "routes[0].policies[0].overrides.issuer",
  ]);
  assert.deepEqual(report(publicOptions({ routes: [on(policy)], outbound: { allowLoopback: true } })), []);
  assert.equal(faults(options({ routes: [on(policy)], outbound: { allowLoopback: false } })).length, 2);
  const idJag = {
    idp: { tokenUrl: local, clientAuth },
    resourceAs: { tokenUrl: local, resource: local, audience: "a", clientAuth },
  };
  const found = faults(publicOptions({ routes: [on(make({ authMode: "id-jag", idJag }))] }));
  assert.deepEqual(found.map(({ path }) => path.replace("routes[0].policies[0].idJag.", "")), [
    "idp.tokenUrl",
    "resourceAs.tokenUrl",
    "resourceAs.resource",
  ]);
});

const OVERRIDES = { issuer: "https://accounts.example/", resource: "https://up.example", assumePkce: true };

Deno.test("`overridesInUse()` lists each override once, and only what is out of the ordinary (UP-04, UP-06)", () => {
  const shared = make({ overrides: { ...OVERRIDES, omitResource: false } });
  const gateway = compile(options({ routes: [on(shared), two(shared)] }));
  assert.deepEqual(overridesInUse(gateway), [
    { connection: "a", override: "issuer", value: "https://accounts.example/" },
    { connection: "a", override: "resource", value: "https://up.example" },
    { connection: "a", override: "assumePkce", value: true },
  ]);
  assert.deepEqual(overridesInUse(compile(options({ routes: [on(make())] }))), []);
});

/** What `deno task check` prints. */
function table(given: Loose, variables: (name: string) => string | undefined = () => undefined): string {
  const how = { mode: "production", env: variables, placeholders: true } as const;
  return describeGateway(resolveGateway(loosely(defineGateway, given), how));
}

Deno.test("the table lists overrides in a section of their own, and no secret", () => {
  const clientRegistration = { mode: "manual", clientId: "c", clientSecret: env("SECRET") };
  const policy = make({ overrides: OVERRIDES, clientRegistration });
  const text = table(publicOptions({ routes: [on(policy)] }), () => "canary");
  assert.match(
    text,
    /\n\n {2}overrides → a\.issuer +https:\/\/accounts\.example\/\n {2}overrides → a\.resource +https/,
  );
  assert.match(text, /overrides → a\.assumePkce +true$/);
  assert.match(text, /clientRegistration\.clientSecret +\[secret\] {2}\(from SECRET\)/);
  assert.doesNotMatch(text, /canary|omitResource/);
});

Deno.test("made-up values break no rule across options and routes", () => {
  const all = make({
    id: env("ID"),
    displayName: env("NAME"),
    summary: env("SUMMARY"),
    authMode: "id-jag",
    scopes: [env("SCOPE")],
    scopeDelimiter: env("DELIMITER"),
    protectedResourceMetadataUrl: env("PRM"),
    clientRegistration: { mode: "manual", clientId: env("CLIENT"), clientSecret: env("SECRET") },
    overrides: { issuer: env("ISSUER"), resource: env("RESOURCE") },
    idJag: {
      idp: { tokenUrl: env("IDP"), clientAuth: { ...clientAuth, clientSecret: env("IDP_SECRET") } },
      resourceAs: {
        tokenUrl: env("AS"),
        audience: env("AUDIENCE"),
        resource: env("AS_RESOURCE"),
        clientAuth: {
          method: "private_key_jwt",
          clientId: env("AS_CLIENT"),
          privateKeyPem: env("KEY"),
          algorithm: "RS256",
          keyId: env("KEY_ID"),
          audience: env("KEY_AUDIENCE"),
        },
      },
    },
  });
  const apart = make({ id: env("OTHER_ID"), overrides: { resource: "https://up.example" } });
  const third = route({ operationId: "three", policies: [apart], upstream: env("UPSTREAM") }, "/mcp/three");
  const routes = [on(all), two(all, { upstream: env("UPSTREAM") }), third];
  const text = table(publicOptions({ routes }));
  for (const name of ["ID", "DELIMITER", "PRM", "SECRET", "RESOURCE", "KEY", "KEY_AUDIENCE", "OTHER_ID"]) {
    assert.match(text, new RegExp(`\\(from ${name}\\)`), name);
  }
});

Deno.test("a path and an operationId from the environment collide like literal ones", () => {
  const variables: Record<string, string> = { A: "same", B: "same", P: "/oauth/token" };
  const from = { env: (name: string) => variables[name] };
  const routes = [route({ operationId: env("A") }), route({ operationId: env("B") }, "/mcp/two")];
  assert.deepEqual(report(options({ routes }), from), [
    'routes[1].operationId: routes[0] has the operationId "same" already',
  ]);
  const path: string = loosely((given) => given, env("P"));
  assert.deepEqual(report(options({ routes: [route({}, path)] }), from), [
    "routes[0].path: The gateway itself answers at /oauth",
  ]);
});
