/** What clients learn before they have a token: RFC 8414, OpenID Connect Discovery and RFC 9728 documents. */
import assert from "node:assert/strict";
import {
  authorizeUrl,
  callMcp,
  obtainCode,
  postForm,
  redeem,
  registerClient,
} from "../support/oauth_flow.ts";
import { type WatchedGateway, watchedGateway } from "../security/watched_gateway.ts";

const AS = "/.well-known/oauth-authorization-server";
const OIDC = "/.well-known/openid-configuration";
const PRM = "/.well-known/oauth-protected-resource";

async function read(gateway: WatchedGateway, path: string): Promise<Record<string, unknown>> {
  const response = await gateway.fetch(path);
  assert.equal(response.status, 200, path);
  assert.match(response.headers.get("content-type") ?? "", /^application\/json/, path);
  return await response.json();
}

Deno.test("the authorization server's document has its fields, and one issuer everywhere (AS-01, AS-02, AS-03, RS-01)", async () => {
  await using gateway = await watchedGateway();
  const document = await read(gateway, AS);
  const { origin } = gateway;
  assert.equal(document.issuer, origin);
  assert.equal(document.authorization_endpoint, `${origin}/oauth/authorize`);
  assert.equal(document.token_endpoint, `${origin}/oauth/token`);
  assert.equal(document.registration_endpoint, `${origin}/oauth/register`);
  assert.equal(document.revocation_endpoint, `${origin}/oauth/revoke`);
  assert.deepEqual(document.response_types_supported, ["code"]);
  assert.deepEqual(document.code_challenge_methods_supported, ["S256"]);
  for (const path of ["/alpha", "/beta"]) {
    const resource = await read(gateway, PRM + path);
    assert.equal(resource.resource, origin + path);
    assert.deepEqual(resource.authorization_servers, [document.issuer]);
    assert.deepEqual(resource.bearer_methods_supported, ["header"]);
    assert.deepEqual(resource.scopes_supported, ["mcp:tools"]);
  }
});

Deno.test("every place where clients look holds the same document (AS-04, AS-05)", async () => {
  await using gateway = await watchedGateway();
  const { origin } = gateway;
  const ofOrigin = await read(gateway, AS);
  assert.deepEqual(await read(gateway, OIDC), ofOrigin);
  for (const member of ["jwks_uri", "subject_types_supported", "id_token_signing_alg_values_supported"]) {
    assert.ok(ofOrigin[member], member);
  }
  const keys = await read(gateway, new URL(String(ofOrigin.jwks_uri)).pathname);
  assert.ok(Array.isArray(keys.keys));
  const ofRoute = await read(gateway, `${AS}/alpha`);
  assert.deepEqual(await read(gateway, `${OIDC}/alpha`), ofRoute);
  assert.deepEqual(await read(gateway, `/alpha${OIDC}`), ofRoute);
  assert.deepEqual(ofRoute, {
    ...ofOrigin,
    issuer: `${origin}/alpha`,
    authorization_endpoint: `${origin}/oauth/authorize/alpha`,
  });
  for (const path of [`${AS}/nope`, `/nope${OIDC}`, `/token${OIDC}`, `${OIDC}/nope`]) {
    const missing = await gateway.fetch(path);
    assert.equal(missing.status, 404, path);
    assert.match(missing.headers.get("content-type") ?? "", /json/, path);
  }
});

Deno.test("the aliases at the origin are the same endpoints (AS-06)", async () => {
  await using gateway = await watchedGateway();
  const registered = await gateway.fetch("/register", {
    method: "POST",
    body: JSON.stringify({
      redirect_uris: ["https://client.example/callback"],
      token_endpoint_auth_method: "none",
    }),
    headers: { "content-type": "application/json" },
  });
  assert.equal(registered.status, 201);
  const registration = await registered.json();
  const client = {
    clientId: registration.client_id,
    clientSecret: null,
    redirectUri: registration.redirect_uris[0],
    registration,
  };
  const end = await gateway.browser().signInAndApprove(authorizeUrl(gateway, client, {}, "/authorize"));
  const form = {
    grant_type: "authorization_code",
    client_id: client.clientId,
    code: end.searchParams.get("code"),
    redirect_uri: client.redirectUri,
    code_verifier: "verifier-0123456789-0123456789-0123456789-abc",
  };
  assert.equal((await postForm(gateway, "/token", form)).status, 200);
});

Deno.test("the iss of every response is the issuer of the document that led to it (AS-07, AS-24)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  for (const suffix of ["", "/alpha"]) {
    const document = await read(gateway, AS + suffix);
    assert.equal(document.authorization_response_iss_parameter_supported, true);
    const path = new URL(String(document.authorization_endpoint)).pathname;
    for (const decision of ["approve", "cancel"]) {
      const url = authorizeUrl(gateway, client, {}, path);
      const end = await gateway.browser().signInAndApprove(url, { decision });
      assert.deepEqual(end.searchParams.getAll("iss"), [document.issuer]);
    }
    const refused = await gateway.fetch(authorizeUrl(gateway, client, { response_type: "token" }, path));
    const location = new URL(refused.headers.get("location") ?? "");
    assert.deepEqual(location.searchParams.getAll("iss"), [document.issuer]);
  }
});

Deno.test("every advertised method, grant and scope works (AS-09, AS-10)", async () => {
  await using gateway = await watchedGateway();
  const document = await read(gateway, AS);
  assert.deepEqual(document.scopes_supported, ["mcp:tools"]);
  assert.deepEqual(document.grant_types_supported, ["authorization_code", "refresh_token"]);
  const methods = document.token_endpoint_auth_methods_supported;
  assert.deepEqual(document.revocation_endpoint_auth_methods_supported, methods);
  assert.ok(Array.isArray(methods) && methods.includes("none"));
  for (const method of methods.filter((name) => name !== "private_key_jwt")) {
    const client = await registerClient(gateway, { token_endpoint_auth_method: method });
    assert.equal(client.registration.token_endpoint_auth_method, method);
    const tokens = await (await redeem(gateway, client, await obtainCode(gateway, client))).json();
    assert.equal(tokens.scope, "mcp:tools", method);
  }
  await using closed = await watchedGateway({ gatewayOptions: { gateway: { dcrEnabled: false } } });
  assert.equal("registration_endpoint" in await read(closed, AS), false);
  assert.equal((await closed.fetch("/oauth/register", { method: "POST", body: "{}" })).status, 404);
  assert.equal((await closed.fetch("/register", { method: "POST", body: "{}" })).status, 404);
});

Deno.test("metadata is open to browsers: CORS, preflight, HEAD, one trailing slash (AS-11)", async () => {
  await using gateway = await watchedGateway();
  for (const path of [AS, `${AS}/alpha`, OIDC, `/alpha${OIDC}`, `${PRM}/alpha`]) {
    const preflight = await gateway.fetch(path, {
      method: "OPTIONS",
      headers: {
        origin: "http://localhost:6274",
        "access-control-request-method": "GET",
        "access-control-request-headers": "mcp-protocol-version",
      },
    });
    assert.equal(preflight.status, 204, path);
    assert.equal(preflight.headers.get("access-control-allow-origin"), "*");
    assert.match(preflight.headers.get("access-control-allow-headers") ?? "", /mcp-protocol-version/i);
    const head = await gateway.fetch(path, { method: "HEAD" });
    assert.equal(head.status, 200);
    assert.equal(await head.text(), "");
    const read = await gateway.fetch(`${path}/`);
    assert.equal(read.status, path === `/alpha${OIDC}` ? 404 : 200, path);
    const plain = await gateway.fetch(path, { headers: { origin: "http://localhost:6274" } });
    assert.equal(plain.headers.get("access-control-allow-origin"), "*");
  }
});

Deno.test("a document at the root names a resource only where there is just one (RS-02)", async () => {
  await using several = await watchedGateway();
  const missing = await several.fetch(PRM);
  assert.equal(missing.status, 404);
  assert.match(missing.headers.get("content-type") ?? "", /json/);
  await using one = await watchedGateway({ paths: ["/mcp/only"] });
  assert.equal((await read(one, PRM)).resource, `${one.origin}/mcp/only`);
});

Deno.test("offline_access is nowhere in what a resource asks for (RS-03)", async () => {
  await using gateway = await watchedGateway();
  const refused = await callMcp(gateway, "/alpha", null);
  const texts = [
    JSON.stringify(await read(gateway, `${PRM}/alpha`)),
    refused.headers.get("www-authenticate"),
  ];
  for (const text of texts) assert.doesNotMatch(text ?? "", /offline_access|openid/);
});
