import assert from "node:assert/strict";
import { OAuthClientInformationFullSchema } from "@modelcontextprotocol/sdk/shared/auth.js";
import {
  clientInformation,
  type ClientMetadata,
  parseClientMetadata,
} from "../../../lib/oauth/client_metadata.ts";

const POLICY = { schemes: new Set(["cursor", "vscode"]), ownOrigins: ["https://gw.test"] };
const CALLBACK = "https://good.example/cb";
const PUBLIC_KEY = { kty: "EC", crv: "P-256", x: "eA", y: "eQ", kid: "1" };
const JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer";

function parse(members: Record<string, unknown> = {}): ClientMetadata {
  // through JSON, as it arrives
  return parseClientMetadata(JSON.parse(JSON.stringify({ redirect_uris: [CALLBACK], ...members })), POLICY);
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
    grantTypes: ["authorization_code", "refresh_token"],
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

Deno.test("`clientInformation()` answers arrays, and nothing null or empty; the SDK parses it (AS-44, Q-08)", () => {
  const minimal = clientInformation(parse());
  assert.deepEqual(minimal, {
    redirect_uris: [CALLBACK],
    grant_types: ["authorization_code", "refresh_token"],
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
