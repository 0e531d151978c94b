/** Authorization server metadata, read with suspicion. */
import assert from "node:assert/strict";
import { type BrowserHosts, readServer } from "../../../lib/upstream/server_metadata.ts";
import { ISSUER } from "./stage.ts";

const PUBLIC: BrowserHosts = { home: "https://up.test", allowLoopback: false, allowPrivateNetwork: false };

const sound = {
  issuer: ISSUER,
  authorization_endpoint: `${ISSUER}/authorize`,
  token_endpoint: `${ISSUER}/token`,
  code_challenge_methods_supported: ["S256"],
};

function read(
  changes: Record<string, unknown> = {},
  expected: { issuer?: string; assumePkce?: boolean; hosts?: Partial<BrowserHosts> } = {},
) {
  const { issuer = ISSUER, assumePkce = false } = expected;
  return readServer({ ...sound, ...changes }, {
    issuer,
    assumePkce,
    hosts: { ...PUBLIC, ...expected.hosts },
  });
}

const refused = (reason: string) => ({ name: "UpstreamError", kind: "refused", reason });

Deno.test("`readServer()` fills in what the RFC says a missing member means", () => {
  assert.deepEqual(read(), {
    issuer: ISSUER,
    authorizationEndpoint: `${ISSUER}/authorize`,
    tokenEndpoint: `${ISSUER}/token`,
    registrationEndpoint: null,
    revocationEndpoint: null,
    authMethods: ["client_secret_basic"],
    sendsIss: false,
    takesMetadataDocuments: false,
    offersOfflineAccess: false,
  });
});

Deno.test("`readServer()` takes no issuer but the expected one, and no server without S256 unless told (UP-04, UP-06)", () => {
  for (const issuer of [`${ISSUER}/`, "https://AS.test", "http://as.test"]) {
    assert.throws(() => read({ issuer }), refused("issuer_differs"));
  }
  assert.equal(read({ issuer: `${ISSUER}/` }, { issuer: `${ISSUER}/` }).issuer, `${ISSUER}/`);
  for (const methods of [undefined, ["plain"], "S256"]) {
    const changes = { code_challenge_methods_supported: methods };
    assert.throws(() => read(changes), refused("server_without_pkce"));
    assert.equal(read(changes, { assumePkce: true }).issuer, ISSUER);
  }
});

Deno.test("`readServer()` takes https addresses without user information, and http only from an issuer on http (UP-16)", () => {
  for (
    const name of ["authorization_endpoint", "token_endpoint", "registration_endpoint", "revocation_endpoint"]
  ) {
    for (
      const url of [
        "http://as.test/x",
        "javascript:x",
        "https://u:p@as.test/",
        "https://as.test/#f",
        "x",
        "https://as.test/a b",
      ]
    ) {
      assert.throws(() => read({ [name]: url }), refused("endpoint_refused"), `${name} ${url}`);
    }
  }
  const issuer = "http://127.0.0.1:9";
  const local = { issuer, authorization_endpoint: `${issuer}/a`, token_endpoint: `${issuer}/t` };
  assert.equal(read(local, { issuer, hosts: { home: issuer } }).tokenEndpoint, `${issuer}/t`);
  // What is merely odd is left out, and the rest stands.
  assert.equal(
    read({ registration_endpoint: 7, scopes_supported: "a", token_endpoint_auth_methods_supported: null })
      .registrationEndpoint,
    null,
  );
});

Deno.test("`readServer()` sends browsers to private addresses only where the operator has said so (B14 229, UP-16)", () => {
  const at = (host: string) => ({ authorization_endpoint: `https://${host}/authorize` });
  for (const host of ["127.0.0.1", "localhost", "app.localhost", "[::1]"]) {
    assert.throws(() => read(at(host)), refused("endpoint_refused"), host);
    assert.throws(
      () => read(at(host), { hosts: { allowPrivateNetwork: true } }),
      refused("endpoint_refused"),
      host,
    );
    assert.ok(read(at(host), { hosts: { allowLoopback: true } }));
  }
  for (const host of ["10.0.0.1", "192.168.0.1", "169.254.169.254", "[fd00::1]", "0x0a000001"]) {
    assert.throws(() => read(at(host)), refused("endpoint_refused"), host);
    assert.throws(
      () => read(at(host), { hosts: { allowLoopback: true } }),
      refused("endpoint_refused"),
      host,
    );
    assert.ok(read(at(host), { hosts: { allowPrivateNetwork: true } }));
  }
  // The upstream's own origin is the operator's word.
  assert.ok(read(at("10.0.0.1"), { hosts: { home: "https://10.0.0.1" } }));
  // What we ask ourselves is judged when its name is resolved.
  assert.ok(read({ token_endpoint: "https://10.0.0.1/token" }));
});

Deno.test("`readServer()` keeps of long lists what is asked of them, and refuses addresses that a row has no room for", () => {
  const methods = ["tls_client_auth", "private_key_jwt", "none", "x".repeat(50_000)];
  const found = read({
    token_endpoint_auth_methods_supported: methods,
    scopes_supported: ["a", "offline_access"],
  });
  assert.deepEqual(found.authMethods, ["none", "private_key_jwt"]);
  assert.equal(found.offersOfflineAccess, true);
  assert.equal(read({ scopes_supported: ["offline"] }).offersOfflineAccess, false);
  for (const long of ["x".repeat(2_048), "ü".repeat(400)]) {
    for (const name of ["authorization_endpoint", "token_endpoint", "registration_endpoint"]) {
      assert.throws(() => read({ [name]: `${ISSUER}/${long}` }), refused("endpoint_refused"), name);
    }
  }
  const issuer = `${ISSUER}/${"x".repeat(2_048)}`;
  assert.throws(() => read({ issuer }, { issuer }), refused("server_metadata_malformed"));
});
