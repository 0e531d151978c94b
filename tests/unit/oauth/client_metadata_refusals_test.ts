import assert from "node:assert/strict";
import {
  clientInformation,
  type ClientMetadata,
  parseClientMetadata,
} from "../../../lib/oauth/client_metadata.ts";
import { OAuthError } from "../../../lib/oauth/errors.ts";

const POLICY = { schemes: new Set(["cursor", "vscode"]), ownOrigins: ["https://gw.test"] };
const CALLBACK = "https://good.example/cb";
const PUBLIC_KEY = { kty: "EC", crv: "P-256", x: "eA", y: "eQ", kid: "1" };

function parse(members: Record<string, unknown> = {}): ClientMetadata {
  // through JSON, as it arrives
  return parseClientMetadata(JSON.parse(JSON.stringify({ redirect_uris: [CALLBACK], ...members })), POLICY);
}

function refuses(body: unknown, code: string): void {
  assert.throws(() => parseClientMetadata(body, POLICY), (error) => {
    assert.ok(error instanceof OAuthError, String(error));
    assert.equal(error.code, code);
    assert.equal(error.status, 400);
    assert.match(error.reason, /^[a-z_]+$/);
    // RFC 6749 §5.2: what may stand in an error_description
    assert.match(error.message, /^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/);
    return true;
  });
}

Deno.test("`parseClientMetadata()` refuses a body that is no object (B2 029)", () => {
  for (const body of [undefined, null, "", "{}", 1, true, [], [{ redirect_uris: [CALLBACK] }]]) {
    refuses(body, "invalid_client_metadata");
  }
});

Deno.test("`parseClientMetadata()` refuses bad redirect URIs (AS-19, AS-46, B2 016-020)", async (t) => {
  const lists: Record<string, unknown> = {
    "missing": undefined,
    "null": null,
    "empty": [],
    "a string": CALLBACK,
    "an object": { 0: CALLBACK, length: 1 },
    "500 entries": Array.from({ length: 500 }, (_, i) => `https://good.example/${i}`),
    "21 entries": Array.from({ length: 21 }, (_, i) => `https://good.example/${i}`),
    "10 KiB": ["https://good.example/" + "a".repeat(10240)],
    "numbers": [1],
    "null inside": [CALLBACK, null],
    "nested": [[CALLBACK]],
    "an empty string": [""],
    "javascript": ["javascript:alert(1)//"],
    "a bad one among good ones": [CALLBACK, "http://evil.test/cb"],
    "user information": ["https://u:p@evil.test/cb"],
    "our own origin": ["https://gw.test/oauth/callback"],
  };
  for (const [name, list] of Object.entries(lists)) {
    await t.step(name, () => refuses({ redirect_uris: list }, "invalid_redirect_uri"));
  }
  assert.throws(
    () => parse({ redirect_uris: [CALLBACK, "http://evil.test/cb"] }),
    /^OAuthError: redirect_uris\[1\]: A redirect URI with plain http/,
  );
  const twenty = Array.from({ length: 20 }, (_, i) => `https://good.example/${i}`);
  assert.equal(parse({ redirect_uris: twenty }).redirectUris.length, 20);
  assert.deepEqual(parse({ redirect_uris: [CALLBACK, CALLBACK] }).redirectUris, [CALLBACK]);
});

Deno.test("`parseClientMetadata()` refuses what we don't serve (AS-09, B2 026)", async (t) => {
  const cases: Record<string, unknown>[] = [
    { grant_types: ["password", "implicit", "client_credentials"] },
    { grant_types: ["authorization_code", "password"] },
    { grant_types: ["authorization_code", "implicit"] },
    { grant_types: ["authorization_code", "client_credentials"] },
    { grant_types: ["refresh_token"] },
    { grant_types: ["urn:ietf:params:oauth:grant-type:device_code"] },
    { grant_types: "authorization_code" },
    { grant_types: [1] },
    { grant_types: Array.from({ length: 21 }, () => "authorization_code") },
    { response_types: ["token"] },
    { response_types: ["code", "token"] },
    { response_types: ["code token"] },
    { response_types: ["id_token"] },
    { response_types: "code" },
    { token_endpoint_auth_method: "client_secret_jwt" },
    { token_endpoint_auth_method: "tls_client_auth" },
    { token_endpoint_auth_method: "None" },
    { token_endpoint_auth_method: "__proto__" },
    { token_endpoint_auth_method: ["none"] },
    { token_endpoint_auth_method: "private_key_jwt" },
    { scope: ["mcp:tools"] },
    { contacts: "ops@good.example" },
    { contacts: [1] },
    { client_name: 1 },
    { client_name: { toString: "x" } },
    { client_name: "a".repeat(2049) },
    { software_id: [] },
    { application_type: 1 },
  ];
  for (const members of cases) {
    await t.step(
      JSON.stringify(members).slice(0, 80),
      () => refuses({ redirect_uris: [CALLBACK], ...members }, "invalid_client_metadata"),
    );
  }
});

Deno.test("the client's pages are http(s) with a host name (B2 021)", async (t) => {
  const bad = [
    "javascript:alert(1)",
    "JAVASCRIPT:alert(1)",
    " javascript:alert(1)",
    "data:image/svg+xml,<svg onload=alert(1)>",
    "file:///etc/passwd",
    "ftp://good.example/logo.png",
    "/logo.png",
    "good.example",
    "http://169.254.169.254/",
    "http://169.254.169.254/latest/meta-data",
    "http://10.0.0.1/",
    "https://192.168.0.1/x",
    "http://127.0.0.1:1234/",
    "http://0x7f.1/",
    "http://2852039166/",
    "http://[::1]/",
    "http://[fd00:ec2::254]/",
    "http://[::ffff:169.254.169.254]/",
    "https://u:p@good.example/",
    "https://good.example\\@evil.test/",
    "https://good.example/\u202e",
    'https://good.example/"onerror="alert(1)',
    "https://good.example/" + "a".repeat(2048),
  ];
  for (const member of ["client_uri", "logo_uri", "policy_uri", "tos_uri"]) {
    await t.step(member, () => {
      for (const value of [...bad, 1, ["https://good.example"], {}]) {
        refuses({ redirect_uris: [CALLBACK], [member]: value }, "invalid_client_metadata");
      }
      assert.equal(
        clientInformation(parse({ [member]: "https://good.example/x?y" }))[member],
        "https://good.example/x?y",
      );
    });
  }
});

Deno.test("`jwks_uri` is https on a public name, and no registration fetches it (B2 022)", () => {
  const bad = [
    "http://127.0.0.1:1234/k",
    "https://127.0.0.1:1234/k",
    "http://good.example/k",
    "https://localhost/k",
    "https://localhost:8443/k",
    "https://[::1]/k",
    "https://169.254.169.254/k",
    "https://10.0.0.1/k",
    "https://u@good.example/k",
    "data:application/json,{}",
    "file:///k",
  ];
  for (const jwks_uri of bad) {
    for (const token_endpoint_auth_method of ["private_key_jwt", "none"]) {
      refuses({ redirect_uris: [CALLBACK], token_endpoint_auth_method, jwks_uri }, "invalid_client_metadata");
    }
  }
});

Deno.test("`jwks` holds public keys only (B2 027, AS-37)", async (t) => {
  for (const member of ["d", "p", "q", "dp", "dq", "qi", "k", "oth"]) {
    await t.step(`private member ${member}`, () => {
      for (const value of ["x", "", null, []]) {
        const jwks = { keys: [PUBLIC_KEY, { ...PUBLIC_KEY, [member]: value }] };
        refuses({ redirect_uris: [CALLBACK], jwks }, "invalid_client_metadata");
      }
    });
  }
  const bad: unknown[] = [
    "{}",
    [],
    {},
    { keys: {} },
    { keys: [] },
    { keys: [1] },
    { keys: [null] },
    { keys: [[]] },
    { keys: [{}] },
    { keys: [{ kty: 1 }] },
    { keys: [{ kty: "oct", kid: "1" }] },
    { keys: Array.from({ length: 21 }, () => PUBLIC_KEY) },
  ];
  for (const jwks of bad) {
    await t.step(
      JSON.stringify(jwks).slice(0, 60),
      () => refuses({ redirect_uris: [CALLBACK], jwks }, "invalid_client_metadata"),
    );
  }
  await t.step("both jwks and jwks_uri", () => {
    const both = { jwks: { keys: [PUBLIC_KEY] }, jwks_uri: "https://good.example/k" };
    refuses({ redirect_uris: [CALLBACK], ...both }, "invalid_client_metadata");
  });
});

Deno.test("a refused private key is not repeated in the error", () => {
  const jwks = { keys: [{ ...PUBLIC_KEY, d: "canary-secret" }] };
  assert.throws(() => parse({ jwks }), (error) => !String(error).includes("canary-secret"));
});
