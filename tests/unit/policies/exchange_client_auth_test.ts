/** ID-JAG upstreams: the options of `idJag`, its client authentication and its keys (EM-10). */
import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { env } from "../../../lib/gateway/env.ts";
import type { IdJagExchange } from "../../../lib/upstream/connection_settings.ts";
import { tokenExchange } from "../../../policies/token_exchange.ts";
import {
  compile,
  faults,
  type Loose,
  loosely,
  publicOptions,
  report,
  route,
} from "../gateway/configurations.ts";

const rsa = (modulusLength: number) => generateKeyPairSync("rsa", { modulusLength });
const ec = (namedCurve: string) => generateKeyPairSync("ec", { namedCurve });
const pem = ({ privateKey }: { privateKey: KeyObject }) =>
  String(privateKey.export({ type: "pkcs8", format: "pem" }));
const KEYS = {
  rsa: pem(rsa(2048)),
  weak: pem(rsa(1024)),
  p256: pem(ec("P-256")),
  p384: pem(ec("P-384")),
  ed25519: pem(generateKeyPairSync("ed25519")),
  x25519: pem(generateKeyPairSync("x25519")),
};
const SECRET = { method: "client_secret_basic", clientId: "a", clientSecret: "canary-secret" };
const KEY = { method: "private_key_jwt", clientId: "a", privateKeyPem: KEYS.p256, algorithm: "ES256" };
const IDP_AT = "routes[0].policies[0].idJag.idp.clientAuth";

function idJag(changes: Loose = {}): Loose {
  return {
    idp: { tokenUrl: "https://idp.example/token", clientAuth: SECRET },
    resourceAs: {
      tokenUrl: "https://as.example/token",
      audience: "https://as.example",
      clientAuth: { ...SECRET, method: "client_secret_post" },
    },
    ...changes,
  };
}

function configuration(changes: Loose, policy: Loose = {}): Loose {
  const given = { id: "a", displayName: "A", authMode: "id-jag", idJag: idJag(changes), ...policy };
  return publicOptions({ routes: [route({ policies: [loosely(tokenExchange, given)] })] });
}

function exchange(changes: Loose = {}, policy: Loose = {}): IdJagExchange {
  const [compiled] = compile(configuration(changes, policy)).routes;
  assert.ok(compiled?.credential.kind === "tokenExchange" && compiled.credential.connection.idJag !== null);
  return compiled.credential.connection.idJag;
}

const idpWith = (clientAuth: Loose) => ({ idp: { tokenUrl: "https://idp.example/token", clientAuth } });

Deno.test("`idJag` fills in its defaults, its scopes from the policy (EM-10)", () => {
  const { idp, resourceAs, ...rest } = exchange({}, { scopes: ["a", "b"], scopeDelimiter: "," });
  assert.deepEqual(rest, { scopes: ["a", "b"], scopeDelimiter: "," });
  assert.equal(idp.tokenUrl, "https://idp.example/token");
  assert.equal(resourceAs.audience, "https://as.example");
  assert.equal(resourceAs.resource, null);
  assert.ok(idp.clientAuth.method === "client_secret_basic");
  assert.equal(idp.clientAuth.clientSecret.reveal(), "canary-secret");
  assert.equal(resourceAs.clientAuth.method, "client_secret_post");
  assert.deepEqual(exchange({ scopes: ["c"] }, { scopes: ["a"] }).scopes, ["c"]);
});

Deno.test("`private_key_jwt` keeps what it is given, with 60 seconds for an assertion (EM-10)", () => {
  const { clientAuth } = exchange(idpWith(KEY)).idp;
  assert.ok(clientAuth.method === "private_key_jwt");
  const { privateKeyPem, ...rest } = clientAuth;
  assert.equal(privateKeyPem.reveal(), KEYS.p256.trim());
  assert.deepEqual(rest, {
    method: "private_key_jwt",
    clientId: "a",
    algorithm: "ES256",
    keyId: null,
    audience: null,
    expiresInSeconds: 60,
  });
  const full = { keyId: "k", audience: "https://idp.example", expiresInSeconds: 300 };
  const { clientAuth: other } = exchange(idpWith({ ...KEY, ...full })).idp;
  assert.deepEqual({ ...other, ...full }, other);
});

Deno.test("a private key may have its line breaks written as \\n, or as Windows does", () => {
  for (const privateKeyPem of [KEYS.p256.replaceAll("\n", "\\n"), KEYS.p256.replaceAll("\n", "\r\n")]) {
    assert.equal(exchange(idpWith({ ...KEY, privateKeyPem })).idp.clientAuth.method, "private_key_jwt");
  }
});

const FITTING = { RS256: "rsa", PS256: "rsa", ES256: "p256", ES384: "p384", EdDSA: "ed25519" } as const;

for (const [algorithm, fitting] of Object.entries(FITTING)) {
  Deno.test(`${algorithm} takes the key ${fitting}, and no other`, () => {
    for (const [name, privateKeyPem] of Object.entries(KEYS)) {
      const found = faults(configuration(idpWith({ ...KEY, algorithm, privateKeyPem })));
      assert.deepEqual(
        found.map(({ path }) => path),
        name === fitting ? [] : [`${IDP_AT}.privateKeyPem`],
        name,
      );
    }
  });
}

const body = KEYS.p256.split("\n")[1] ?? "";
for (
  const [name, privateKeyPem, says] of [
    ["a key of PKCS#1", KEYS.rsa.replaceAll(" PRIVATE", " RSA PRIVATE"), /RSA PRIVATE KEY, not PRIVATE KEY/],
    ["an encrypted key", KEYS.rsa.replaceAll(" PRIVATE", " ENCRYPTED PRIVATE"), /ENCRYPTED PRIVATE KEY/],
    ["a public key", KEYS.rsa.replaceAll(" PRIVATE", " PUBLIC"), /PUBLIC KEY/],
    ["a key without its head", body, /no private key in PEM/],
    ["a key without its tail", KEYS.p256.slice(0, -20), /no private key in PEM/],
    ["a damaged key", KEYS.p256.replace(body, body.slice(9)), /cannot be read/],
    ["an empty key", "", /empty/],
    ["no text", { canary: body }, /string is expected/],
  ] as const
) {
  Deno.test(`private_key_jwt refuses ${name}, and shows nothing of it`, () => {
    const [fault, ...others] = faults(configuration(idpWith({ ...KEY, privateKeyPem })));
    assert.deepEqual(others, []);
    assert.equal(fault?.path, `${IDP_AT}.privateKeyPem`);
    assert.match(fault?.problem ?? "", says);
    assert.ok(!JSON.stringify(fault).includes(body.slice(10, 30)));
  });
}

for (
  const [clientAuth, path, says] of [
    [{ ...SECRET, clientSecret: undefined }, "clientSecret", /client_secret_basic needs it/],
    [{ ...SECRET, algorithm: "ES256" }, "algorithm", /no use for it/],
    [{ ...SECRET, expiresInSeconds: 60 }, "expiresInSeconds", /no use for it/],
    [{ ...KEY, clientSecret: "canary-secret" }, "clientSecret", /no use for it/],
    [{ ...KEY, privateKeyPem: undefined }, "privateKeyPem", /private_key_jwt needs it/],
    [{ ...KEY, algorithm: undefined }, "algorithm", /private_key_jwt needs it/],
    [{ ...KEY, algorithm: "HS256" }, "algorithm", /not a choice/],
    [{ ...KEY, algorithm: "none" }, "algorithm", /not a choice/],
    [{ ...KEY, expiresInSeconds: 0 }, "expiresInSeconds", /out of bounds/],
    [{ ...KEY, expiresInSeconds: 301 }, "expiresInSeconds", /out of bounds/],
    [{ ...SECRET, method: "none" }, "method", /not a choice/],
    [{ ...SECRET, clientId: undefined }, "clientId", /required/],
  ] as const
) {
  Deno.test(`clientAuth refuses ${JSON.stringify(Object.keys(clientAuth))} for ${path}: ${says.source}`, () => {
    const found = report(configuration(idpWith(clientAuth)));
    assert.equal(found.length, 1, found.join("\n"));
    assert.ok(found[0]?.startsWith(`${IDP_AT}.${path}: `), found[0]);
    assert.match(found[0] ?? "", says);
    assert.doesNotMatch(found[0] ?? "", /canary/);
  });
}

Deno.test("`idJag` and `authMode` go together", () => {
  const at = (policy: Loose) => report(configuration({}, policy));
  assert.match(
    at({ idJag: undefined }).join("\n"),
    /^routes\[0\]\.policies\[0\]\.idJag: authMode "id-jag" needs[^\n]+$/,
  );
  for (const authMode of [undefined, "user-oauth"]) {
    assert.match(
      at({ authMode }).join("\n"),
      /^routes\[0\]\.policies\[0\]\.idJag: authMode "user-oauth" has no use[^\n]+$/,
    );
  }
});

Deno.test("`idJag` refuses plain http, scopes that its delimiter cuts, and an audience that is none", () => {
  const wrong = configuration({
    scopeDelimiter: ",",
    idp: { tokenUrl: "http://idp.example/token", clientAuth: SECRET },
    resourceAs: {
      tokenUrl: "https://as.example/token#a",
      audience: "a b",
      resource: "x",
      clientAuth: SECRET,
    },
  });
  assert.deepEqual(faults(wrong).map(({ path }) => path.replace("routes[0].policies[0].idJag.", "")), [
    "idp.tokenUrl",
    "resourceAs.tokenUrl",
    "resourceAs.audience",
    "resourceAs.resource",
  ]);
  assert.match(
    report(configuration({ scopeDelimiter: "," }, { scopes: ["a,b"] })).join("\n"),
    /^routes\[0\]\.policies\[0\]\.idJag\.scopeDelimiter: [^\n]+$/,
  );
});

Deno.test("`deno task check` needs no key to check a configuration that has one", () => {
  const key = { ...KEY, privateKeyPem: env("KEY"), algorithm: "EdDSA" };
  assert.deepEqual(faults(configuration(idpWith(key)), { placeholders: true }), []);
  const [fault] = faults(configuration(idpWith(key)));
  assert.equal(fault?.variable, "KEY");
  assert.match(fault?.mend ?? "", /^Set KEY to a private key in PEM/);
});
