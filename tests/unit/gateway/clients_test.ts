import assert from "node:assert/strict";
import { env } from "../../../lib/gateway/env.ts";
import { compile, faults, type Loose, publicOptions, report } from "./configurations.ts";

const KEY = { kty: "EC", crv: "P-256", x: "AA", y: "AA", kid: "1" };
const CLIENT = { clientId: "assistant", redirectUris: ["https://assistant.example/cb"] };

function client(changes: Loose): Loose {
  return publicOptions({ clients: [{ ...CLIENT, ...changes }] });
}

Deno.test("`clients` become complete", () => {
  const clients = [
    { ...CLIENT, clientSecret: env("SECRET") },
    {
      clientId: "robot",
      name: "Robot",
      redirectUris: ["cursor://a/b", "http://127.0.0.1/cb"],
      jwks: { keys: [KEY] },
    },
  ];
  const [first, second] = compile(publicOptions({ clients }), { env: () => "client-secret" }).clients;
  assert.equal(first?.name, "assistant");
  assert.equal(first?.clientSecret?.reveal(), "client-secret");
  assert.equal(first?.jwks, null);
  assert.deepEqual(second, {
    clientId: "robot",
    name: "Robot",
    redirectUris: ["cursor://a/b", "http://127.0.0.1/cb"],
    clientSecret: null,
    jwks: { keys: [KEY] },
  });
});

const WRONG: readonly { name: string; given: Loose; path: string; problem: RegExp }[] = [
  {
    name: "a URL as client id",
    given: { clientId: "https://a.example/c" },
    path: "clientId",
    problem: /metadata doc/,
  },
  {
    name: "its upper-case form",
    given: { clientId: "HTTPS://a.example/c" },
    path: "clientId",
    problem: /metadata doc/,
  },
  { name: "a client id with a space", given: { clientId: "a b" }, path: "clientId", problem: /no client id/ },
  { name: "no redirect URI", given: { redirectUris: [] }, path: "redirectUris", problem: /empty/ },
  {
    name: "plain http",
    given: { redirectUris: ["http://a.example/"] },
    path: "redirectUris[0]",
    problem: /loopback/,
  },
  {
    name: "a fragment",
    given: { redirectUris: ["https://a.example/#x"] },
    path: "redirectUris[0]",
    problem: /fragment/,
  },
  {
    name: "a wildcard",
    given: { redirectUris: ["https://a.example/*"] },
    path: "redirectUris[0]",
    problem: /wildcard/,
  },
  {
    name: "javascript:",
    given: { redirectUris: ["javascript:alert(1)"] },
    path: "redirectUris[0]",
    problem: /never/,
  },
  {
    name: "an unlisted scheme",
    given: { redirectUris: ["evil://x"] },
    path: "redirectUris[0]",
    problem: /not on the/,
  },
  {
    name: "ourselves",
    given: { redirectUris: ["https://gw.example/x"] },
    path: "redirectUris[0]",
    problem: /itself/,
  },
  {
    name: "a private key",
    given: { jwks: { keys: [{ ...KEY, d: "canary" }] } },
    path: "jwks",
    problem: /consider it/,
  },
  {
    name: "a symmetric key",
    given: { jwks: { keys: [{ kty: "oct" }] } },
    path: "jwks",
    problem: /consider it lost/,
  },
  { name: "no keys", given: { jwks: { keys: [] } }, path: "jwks", problem: /1 to 20 keys/ },
  {
    name: "a secret as number",
    given: { clientSecret: 5 },
    path: "clientSecret",
    problem: /a number was given/,
  },
  { name: "an unknown option", given: { secret: "canary" }, path: "secret", problem: /no such option/ },
];

for (const { name, given, path, problem } of WRONG) {
  Deno.test(`clients refuse ${name}`, () => {
    const found = faults(client(given));
    assert.deepEqual(found.map((fault) => fault.path), [`clients[0].${path}`]);
    assert.match(found[0]?.problem ?? "", problem);
    assert.doesNotMatch(JSON.stringify(found), /canary/);
  });
}

Deno.test("`clients` refuse a client id twice, and a secret beside keys", () => {
  assert.deepEqual(report(publicOptions({ clients: [CLIENT, CLIENT] })), [
    "clients[1].clientId: clients[0] has this client id already",
  ]);
  assert.match(report(client({ clientSecret: "s", jwks: { keys: [KEY] } })).join(), /both a secret and keys/);
});

Deno.test("`redirectSchemes` decide which native redirect URIs a client may have", () => {
  const redirectUris = ["com.example.app:/cb"];
  assert.equal(faults(client({ redirectUris })).length, 1);
  assert.deepEqual(report({ ...client({ redirectUris }), redirectSchemes: ["com.example.app"] }), []);
});
