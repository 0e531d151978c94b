import assert from "node:assert/strict";
import { OAuthClientInformationFullSchema } from "@modelcontextprotocol/sdk/shared/auth.js";
import {
  clientInformation,
  type ClientMetadata,
  parseClientMetadata,
} from "../../../lib/oauth/client_metadata.ts";
import { OAuthError } from "../../../lib/oauth/errors.ts";

const POLICY = { schemes: new Set(["cursor", "vscode"]), ownOrigins: ["https://gw.test"] };
const CALLBACK = "https://good.example/cb";
const PUBLIC_KEY = { kty: "EC", crv: "P-256", x: "eA", y: "eQ", kid: "1" };
const JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer";

function parse(members: Record<string, unknown> = {}): ClientMetadata {
  // through JSON, as it arrives
  return parseClientMetadata(JSON.parse(JSON.stringify({ redirect_uris: [CALLBACK], ...members })), POLICY);
}

function refuses(body: unknown, code: string, policy = POLICY): void {
  assert.throws(() => parseClientMetadata(body, policy), (error) => {
    assert.ok(error instanceof OAuthError, String(error));
    assert.equal(error.code, code);
    assert.equal(error.status, 400);
    assert.match(error.reason, /^[a-z_]+$/);
    // RFC 6749 §5.2: what may stand in an error_description
    assert.match(error.message, /^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/);
    return true;
  });
}

Deno.test("`parseClientMetadata()` fills in RFC 7591's defaults (AS-44, AS-48, Q-07)", () => {
  assert.deepEqual(parse(), {
    redirectUris: [CALLBACK],
    clientName: null,
    clientUri: null,
    logoUri: null,
    policyUri: null,
    tosUri: null,
    contacts: [],
    scope: null,
    grantTypes: ["authorization_code"],
    responseTypes: ["code"],
    tokenEndpointAuthMethod: "client_secret_basic",
    authMethodStated: false,
    applicationType: null,
    softwareId: null,
    softwareVersion: null,
    jwks: null,
    jwksUri: null,
  });
});

Deno.test("`parseClientMetadata()` takes everything that RFC 7591 knows and we use", () => {
  const members = {
    redirect_uris: [CALLBACK, "cursor://anysphere.cursor-mcp/oauth/callback"],
    client_name: "Good Client",
    client_uri: "https://good.example",
    logo_uri: "https://good.example/logo.png?v=2#x",
    policy_uri: "http://good.example/policy",
    tos_uri: "https://good.example/tos",
    contacts: ["ops@good.example"],
    scope: "mcp:tools",
    grant_types: ["authorization_code", "refresh_token", JWT_BEARER],
    response_types: ["code"],
    token_endpoint_auth_method: "private_key_jwt",
    application_type: "native",
    software_id: "4NRB1-0XZABZI9E6-5SM3R",
    software_version: "1.2.3",
    jwks: { keys: [PUBLIC_KEY] },
  };
  const metadata = parse(members);
  assert.equal(metadata.authMethodStated, true);
  assert.deepEqual(clientInformation(metadata), members);
});

Deno.test("`parseClientMetadata()` accepts what real clients register (Q-05 to Q-07, AS-47)", async (t) => {
  const clients: Record<string, Record<string, unknown>> = {
    "Cursor: three URIs and `web`": {
      redirect_uris: [
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "https://www.cursor.com/agents/mcp/oauth/callback",
        "http://localhost:8787/callback",
      ],
      application_type: "web",
      token_endpoint_auth_method: "none",
    },
    "VS Code: no method, and the device grant": {
      client_name: "Visual Studio Code",
      client_uri: "https://code.visualstudio.com",
      grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
      response_types: ["code"],
      redirect_uris: ["https://vscode.dev/redirect", "http://127.0.0.1/", "http://127.0.0.1:33418/"],
      application_type: "native",
    },
    "claude.ai: a secret in the body, scopes of elsewhere": {
      client_name: "Claude",
      redirect_uris: ["https://claude.ai/api/mcp/auth_callback"],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "client_secret_post",
      scope: " openid offline_access claudeai",
    },
    "nulls, empty strings and empty lists": {
      redirect_uris: [CALLBACK],
      client_name: "",
      client_uri: "",
      logo_uri: null,
      tos_uri: "",
      contacts: null,
      grant_types: [],
      response_types: [],
      scope: "",
      jwks: null,
      jwks_uri: "",
    },
  };
  for (const [name, members] of Object.entries(clients)) {
    await t.step(name, () => {
      const metadata = parse(members);
      assert.ok(metadata.grantTypes.includes("authorization_code"));
      assert.deepEqual(metadata.responseTypes, ["code"]);
      assert.deepEqual(metadata.redirectUris, members.redirect_uris);
    });
  }
  assert.deepEqual(parse(clients["VS Code: no method, and the device grant"]).grantTypes, [
    "authorization_code",
    "refresh_token",
  ]);
});

Deno.test("`parseClientMetadata()` drops unknown scopes and keeps no limit (AS-46, Q-06)", () => {
  assert.equal(parse({ scope: "openid admin" }).scope, "mcp:tools");
  assert.equal(parse({ scope: "mcp:tools" }).scope, "mcp:tools");
  assert.equal(parse({}).scope, null);
});

Deno.test("`parseClientMetadata()` ignores unknown members, prototype names among them (AS-46, B2 025, 028)", () => {
  const body: unknown = JSON.parse(`{
    "redirect_uris": ["${CALLBACK}"],
    "resource": "https://gw.test/mcp/alpha", "foo": {"bar": 1},
    "client_id": "https://good.example/c.json", "client_secret": "chosen by the client",
    "client_name#ja": "\u202eevil",
    "software_statement": "eyJhbGciOiJub25lIn0.eyJjbGllbnRfbmFtZSI6IkFkbWluIn0.",
    "__proto__": {"token_endpoint_auth_method": "none", "client_name": "Admin", "isAdmin": true},
    "constructor": {"prototype": {"client_name": "Admin"}}, "toString": 1
  }`);
  assert.deepEqual(parseClientMetadata(body, POLICY), parse());
  assert.equal("isAdmin" in {}, false);
});

Deno.test("`parseClientMetadata()` does not read members that are only inherited", () => {
  const body = Object.create({ token_endpoint_auth_method: "none", client_name: "Admin" });
  body.redirect_uris = [CALLBACK];
  assert.deepEqual(parseClientMetadata(body, POLICY), parse());
});

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

Deno.test("`parseClientMetadata()` keeps each method we have as it was stated (AS-09, AS-48)", () => {
  for (const method of ["none", "client_secret_basic", "client_secret_post"]) {
    const metadata = parse({ token_endpoint_auth_method: method });
    assert.equal(metadata.tokenEndpointAuthMethod, method);
    assert.equal(metadata.authMethodStated, true);
  }
  const keyed = { token_endpoint_auth_method: "private_key_jwt", jwks_uri: "https://good.example/jwks.json" };
  assert.equal(parse(keyed).jwksUri, "https://good.example/jwks.json");
});

Deno.test("names are cleaned for the consent page, and HTML in them stays text (B2 023, 024)", () => {
  const metadata = parse({
    client_name: "\u202eClaude\u200b\nby gw.test\0",
    software_id: "\u200bid",
    software_version: " 1\u2060.0 ",
  });
  assert.equal(metadata.clientName, "Claude by gw.test");
  assert.equal(metadata.softwareId, "id");
  assert.equal(metadata.softwareVersion, "1.0");
  assert.equal(parse({ client_name: "a".repeat(2048) }).clientName, "a".repeat(100));
  assert.equal(parse({ client_name: "\u200b" }).clientName, null);
  const html = "<img src=x onerror=alert(1)>";
  assert.equal(parse({ client_name: html }).clientName, html);
});

Deno.test("`application_type` decides nothing (AS-47)", () => {
  const redirect_uris = ["cursor://x/cb", "http://localhost/cb", CALLBACK];
  for (const [stated, kept] of [["web", "web"], ["native", "native"], ["service", null], [undefined, null]]) {
    const metadata = parse({ redirect_uris, application_type: stated });
    assert.deepEqual(metadata.redirectUris, redirect_uris);
    assert.equal(metadata.applicationType, kept);
  }
});

Deno.test("a client without the authorization code grant has no response type", () => {
  const metadata = parse({ grant_types: [JWT_BEARER] });
  assert.deepEqual(metadata.responseTypes, []);
  assert.equal("response_types" in clientInformation(metadata), false);
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

Deno.test("`clientInformation()` answers arrays, and nothing null or empty; the SDK parses it (AS-44, Q-08)", () => {
  const minimal = clientInformation(parse());
  assert.deepEqual(minimal, {
    redirect_uris: [CALLBACK],
    grant_types: ["authorization_code"],
    response_types: ["code"],
    token_endpoint_auth_method: "client_secret_basic",
  });
  const full = clientInformation(parse({
    client_name: "Good",
    client_uri: "https://good.example",
    logo_uri: "https://good.example/l",
    tos_uri: "https://good.example/t",
    policy_uri: "https://good.example/p",
    contacts: ["a@good.example"],
    scope: "x",
    software_id: "s",
    software_version: "1",
  }));
  for (const echo of [minimal, full]) {
    const answer = {
      ...echo,
      client_id: "c_1",
      client_id_issued_at: 1,
      client_secret: "s",
      client_secret_expires_at: 0,
    };
    assert.deepEqual(OAuthClientInformationFullSchema.parse(answer), answer);
  }
});

Deno.test("what was registered can be registered again with the same result (AS-49)", () => {
  const first = parse({ client_name: "  A\u200bB ", scope: "openid", redirect_uris: [CALLBACK, CALLBACK] });
  const second = parseClientMetadata(clientInformation(first), POLICY);
  assert.deepEqual({ ...second, authMethodStated: false }, first);
});
