import assert from "node:assert/strict";
import { discoverAuthorizationServerMetadata as discoverV2 } from "@modelcontextprotocol/client";
import { discoverAuthorizationServerMetadata as discoverV1 } from "@modelcontextprotocol/sdk/client/auth.js";
import {
  OAuthMetadataSchema,
  OpenIdProviderDiscoveryMetadataSchema,
} from "@modelcontextprotocol/sdk/shared/auth.js";
import { processDiscoveryResponse } from "@panva/oauth4webapi";
import {
  type AuthorizationServer,
  authorizationServerMetadata,
  CLIENT_ASSERTION_ALGS,
  GRANT_TYPES,
  TOKEN_ENDPOINT_AUTH_METHODS,
} from "../../../lib/oauth/authorization_server_metadata.ts";

const ROOT: AuthorizationServer = {
  issuer: "https://gw.test",
  origin: "https://gw.test",
  basePath: "",
  routePath: null,
  cimd: true,
  dcr: true,
  idJag: false,
  authMethods: TOKEN_ENDPOINT_AUTH_METHODS,
  grantTypes: GRANT_TYPES,
};
const ROUTE: AuthorizationServer = { ...ROOT, issuer: "https://gw.test/mcp/alpha", routePath: "/mcp/alpha" };

Deno.test("`authorizationServerMetadata()` of the origin, word for word (AS-01, AS-03, AS-07 to AS-10, B1 011)", () => {
  assert.deepEqual(authorizationServerMetadata(ROOT), {
    issuer: "https://gw.test",
    authorization_endpoint: "https://gw.test/oauth/authorize",
    token_endpoint: "https://gw.test/oauth/token",
    registration_endpoint: "https://gw.test/oauth/register",
    revocation_endpoint: "https://gw.test/oauth/revoke",
    jwks_uri: "https://gw.test/.well-known/jwks.json",
    scopes_supported: ["mcp:tools"],
    response_types_supported: ["code"],
    response_modes_supported: ["query"],
    grant_types_supported: ["authorization_code", "refresh_token"],
    token_endpoint_auth_methods_supported: [
      "none",
      "client_secret_basic",
      "client_secret_post",
      "private_key_jwt",
    ],
    token_endpoint_auth_signing_alg_values_supported: ["ES256", "ES384", "EdDSA", "PS256", "RS256"],
    revocation_endpoint_auth_methods_supported: [
      "none",
      "client_secret_basic",
      "client_secret_post",
      "private_key_jwt",
    ],
    revocation_endpoint_auth_signing_alg_values_supported: ["ES256", "ES384", "EdDSA", "PS256", "RS256"],
    code_challenge_methods_supported: ["S256"],
    authorization_response_iss_parameter_supported: true,
    client_id_metadata_document_supported: true,
    request_parameter_supported: false,
    request_uri_parameter_supported: false,
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["RS256"],
  });
});

Deno.test("a route's document has its own issuer and authorization endpoint, all else alike (contract 3, AS-05)", () => {
  const root = authorizationServerMetadata(ROOT);
  const route = authorizationServerMetadata(ROUTE);
  assert.equal(route.issuer, "https://gw.test/mcp/alpha");
  assert.equal(route.authorization_endpoint, "https://gw.test/oauth/authorize/mcp/alpha");
  assert.deepEqual(
    { ...route, issuer: root.issuer, authorization_endpoint: root.authorization_endpoint },
    root,
  );
});

Deno.test("`basePath` moves the endpoints, not what is fixed at the origin (contract 2.1)", () => {
  const document = authorizationServerMetadata({ ...ROUTE, basePath: "/gate" });
  assert.equal(document.authorization_endpoint, "https://gw.test/gate/oauth/authorize/mcp/alpha");
  assert.equal(document.token_endpoint, "https://gw.test/gate/oauth/token");
  assert.equal(document.registration_endpoint, "https://gw.test/gate/oauth/register");
  assert.equal(document.revocation_endpoint, "https://gw.test/gate/oauth/revoke");
  assert.equal(document.jwks_uri, "https://gw.test/.well-known/jwks.json");
});

Deno.test("what is switched off is not advertised (AS-08, AS-09)", () => {
  const off = authorizationServerMetadata({ ...ROOT, cimd: false, dcr: false, authMethods: ["none"] });
  const absent = [
    "registration_endpoint",
    "client_id_metadata_document_supported",
    "authorization_grant_profiles_supported",
    "token_endpoint_auth_signing_alg_values_supported",
    "revocation_endpoint_auth_signing_alg_values_supported",
    "introspection_endpoint",
    "userinfo_endpoint",
  ];
  for (const member of absent) assert.equal(member in off, false, member);
  assert.equal(JSON.stringify(off).includes("introspect"), false);
});

Deno.test("ID-JAG brings its grant and its profile, and only where it is on (EM-01)", () => {
  const jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";
  const on = authorizationServerMetadata({ ...ROOT, idJag: true });
  assert.deepEqual(on.grant_types_supported, ["authorization_code", "refresh_token", jwtBearer]);
  assert.deepEqual(on.authorization_grant_profiles_supported, ["urn:ietf:params:oauth:grant-profile:id-jag"]);
  // once, also if the caller lists it already; never, if the caller lists it though it is off
  const listed = { ...ROOT, grantTypes: [...GRANT_TYPES, jwtBearer] };
  assert.deepEqual(
    authorizationServerMetadata({ ...listed, idJag: true }).grant_types_supported,
    on.grant_types_supported,
  );
  assert.deepEqual(authorizationServerMetadata(listed).grant_types_supported, GRANT_TYPES);
});

Deno.test("client assertions are signed asymmetrically (AS-56, B1 011)", () => {
  for (const alg of CLIENT_ASSERTION_ALGS) assert.match(alg, /^(?:ES|PS|RS)\d{3}$|^EdDSA$/);
  const document = authorizationServerMetadata({ ...ROOT, signingAlgs: ["ES256"] });
  assert.deepEqual(document.token_endpoint_auth_signing_alg_values_supported, ["ES256"]);
});

Deno.test("the document parses with the SDK's OAuth and OpenID schemas (AS-04)", () => {
  for (const server of [ROOT, ROUTE, { ...ROOT, cimd: false, dcr: false }, { ...ROOT, idJag: true }]) {
    const document = authorizationServerMetadata(server);
    assert.deepEqual(OAuthMetadataSchema.parse(document), document);
    assert.equal(OpenIdProviderDiscoveryMetadataSchema.parse(document).issuer, document.issuer);
  }
});

Deno.test("both SDKs and a strict client discover the document, at either well-known name (AS-02, AS-04, AS-05)", async () => {
  const names = ["oauth-authorization-server", "openid-configuration"];
  for (const server of [ROOT, ROUTE]) {
    const document = authorizationServerMetadata(server);
    for (const name of names) {
      const place = `https://gw.test/.well-known/${name}${server.routePath ?? ""}`;
      const fetchFn = (url: string | URL) =>
        Promise.resolve(
          String(url) === place ? Response.json(document) : new Response(null, { status: 404 }),
        );
      for (const discover of [discoverV1, discoverV2]) {
        const found = await discover(server.issuer, { fetchFn });
        assert.equal(found?.issuer, server.issuer, place);
        assert.deepEqual(found?.code_challenge_methods_supported, ["S256"], place);
      }
    }
    const found = await processDiscoveryResponse(new URL(server.issuer), Response.json(document));
    assert.equal(found.issuer, server.issuer);
  }
});
