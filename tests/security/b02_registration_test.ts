/** Attack corpus B2, dynamic client registration: redirect URIs, links and keys, judged as addresses. */
import assert from "node:assert/strict";
import { canary, Names } from "../support/document_host.ts";
import { postForm, postJson, registerClient } from "../support/oauth_flow.ts";
import { assertOAuthError, publicGateway } from "./answers.ts";
import { watchedGateway } from "./watched_gateway.ts";
import { redirect_uris, refusesAll } from "./refused_registrations.ts";

Deno.test("redirect URIs that run or read something are refused, in every spelling (B2 016)", async () => {
  await using gateway = await watchedGateway();
  const uris = [
    "javascript:alert(1)//",
    "javascript://client.example/%0aalert(1)",
    "JaVaScRiPt:alert(1)",
    " javascript:alert(1)",
    "\tjavascript:alert(1)",
    "java\nscript:alert(1)",
    "\u0000javascript:alert(1)",
    "javascript\u0000:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "DATA:text/html;base64,PHNjcmlwdD4=",
    "vbscript:msgbox(1)",
    "file:///etc/passwd",
    "blob:https://client.example/1",
    "about:blank",
    "filesystem:https://client.example/temporary/1",
    "view-source:https://client.example/callback",
    "ws://client.example/cb",
    "ftp://client.example/cb",
    "unknown-scheme://cb",
    " https://client.example/callback",
    "https://client.example/callback\n",
    "https://client.example/call\tback",
  ];
  await refusesAll(gateway, uris.map((uri) => ({ redirect_uris: [uri] })), "invalid_redirect_uri");
  await refusesAll(
    gateway,
    uris.map((uri) => ({ redirect_uris: [...redirect_uris, uri] })),
    "invalid_redirect_uri",
  );
});

Deno.test("plain http leads to loopback only, whatever the host is dressed as (B2 017)", async () => {
  await using gateway = await watchedGateway();
  const uris = [
    "http://evil.test/cb",
    "HTTP://evil.test/cb",
    "http://evil.test/redirect/127.0.0.1",
    "http://127.0.0.1.evil.test/cb",
    "http://localhost.evil.test/cb",
    "http://evil.test:80/cb?localhost",
    "http://10.0.0.1/cb",
    "http://0.0.0.0/cb",
    "http://127.1/cb",
    "http://2130706433/cb",
    "http://[::ffff:127.0.0.1]/cb",
    "http://evil.localhost/cb",
  ];
  await refusesAll(gateway, uris.map((uri) => ({ redirect_uris: [uri] })), "invalid_redirect_uri");
});

Deno.test("a refused plain http URI is told so with the words that clients look for (B2 017)", async () => {
  await using gateway = await watchedGateway();
  const response = await postJson(gateway, "/oauth/register", { redirect_uris: ["http://evil.test/cb"] });
  const { error_description } = await assertOAuthError(response, "invalid_redirect_uri");
  assert.match(String(error_description), /redirect/i);
});

Deno.test("user information, fragments, wildcards and backslashes are refused (B2 018)", async () => {
  await using gateway = await watchedGateway(publicGateway());
  const uris = [
    "https://u:p@evil.test/cb",
    "https://u@evil.test/cb",
    "https://@evil.test/cb",
    "https://client.example@evil.test/cb",
    "https://client.example/cb#",
    "https://client.example/cb#f",
    "https://*.example/cb",
    "https://client.example/*",
    "https://client.example\\cb",
    "https:\\\\client.example\\cb",
    "https://gw.test.evil.test\\@gw.test",
    "https:/client.example/cb",
    "https:client.example/cb",
    "https:///client.example/cb",
    "//client.example/cb",
    "/cb",
    "https://client.example%2eevil.test/cb",
    "https://client.example/%",
    "https://ｃlient.example/cb",
    "https://client.example/ü",
    "",
    "cursor://u:p@host/cb",
    "cursor://",
    "cursor:",
  ];
  await refusesAll(gateway, uris.map((uri) => ({ redirect_uris: [uri] })), "invalid_redirect_uri");
});

Deno.test("redirect_uris is a list of reasonable length with reasonable strings (B2 019)", async () => {
  await using gateway = await watchedGateway();
  const bad: unknown[] = [
    {},
    { redirect_uris: [] },
    { redirect_uris: null },
    { redirect_uris: "https://client.example/callback" },
    { redirect_uris: { 0: "https://client.example/callback", length: 1 } },
    { redirect_uris: [null] },
    { redirect_uris: [["https://client.example/callback"]] },
    { redirect_uris: [7] },
    { redirect_uris: Array.from({ length: 500 }, (_, index) => `https://client.example/${index}`) },
    { redirect_uris: [`https://client.example/${"a".repeat(10_240)}`] },
    null,
    7,
    "text",
    [],
    [{ redirect_uris }],
  ];
  await refusesAll(gateway, bad, ["invalid_redirect_uri", "invalid_client_metadata"]);
});

Deno.test("no code can be sent to the gateway itself, under any of its names (B2 020)", async () => {
  await using gateway = await watchedGateway(publicGateway());
  const own = [
    "https://gw.test/oauth/callback",
    "https://gw.test/",
    "https://gw.test",
    "https://GW.test/oauth/callback",
    "https://gw.test:443/alpha",
    "https://gw.test./oauth/callback",
    "https://gw.test/oauth/token?x=1",
  ];
  await refusesAll(gateway, own.map((uri) => ({ redirect_uris: [uri] })), "invalid_redirect_uri");
  await using local = await watchedGateway();
  const names = ["127.0.0.1", "localhost", "[::1]"].map((host) => `http://${host}:9000/oauth/callback`);
  await refusesAll(local, names.map((uri) => ({ redirect_uris: [uri] })), "invalid_redirect_uri");
});

Deno.test("links that run something or lead to bare addresses are refused, and none is fetched (B2 021)", async () => {
  await using trap = canary();
  const names = new Names();
  await using gateway = await watchedGateway({ ...publicGateway(), strangers: { resolve: names.resolve } });
  const links = [
    "javascript:alert(1)",
    "JAVASCRIPT:alert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "http://169.254.169.254/",
    "http://[fd00:ec2::254]/",
    `http://127.0.0.1:${trap.port}/`,
    `https://[::1]:${trap.port}/`,
    "http://2130706433/",
    "https://u:p@client.example/",
    "//client.example/",
    "https://client.example/\u0000",
  ];
  for (const member of ["client_uri", "logo_uri", "policy_uri", "tos_uri"]) {
    await refusesAll(
      gateway,
      links.map((link) => ({ redirect_uris, [member]: link })),
      "invalid_client_metadata",
    );
  }
  await registerClient(gateway, {
    logo_uri: "https://pictures.evil.test/logo.png",
    client_uri: "https://evil.test/",
  });
  assert.deepEqual([trap.hits, names.queries], [0, []]);
});

Deno.test("keys on this machine are refused, and a name that leads there later is not followed (B2 022)", async () => {
  await using trap = canary();
  const names = new Names().set("keys.evil.test", ["127.0.0.1"]);
  await using gateway = await watchedGateway({
    ...publicGateway(),
    strangers: { resolve: names.resolve },
    expect5xx: [503],
  });
  const bad = [
    `http://127.0.0.1:${trap.port}/k`,
    `https://127.0.0.1:${trap.port}/k`,
    `https://[::1]:${trap.port}/k`,
    `https://localhost:${trap.port}/k`,
    `https://2130706433:${trap.port}/k`,
    `http://keys.evil.test:${trap.port}/k`,
    "https://169.254.169.254/k",
    "https://u:p@keys.evil.test/k",
    "file:///etc/passwd",
  ];
  await refusesAll(
    gateway,
    bad.map((jwks_uri) => ({ redirect_uris, token_endpoint_auth_method: "private_key_jwt", jwks_uri })),
    "invalid_client_metadata",
  );
  // Also without the method that would use them.
  await refusesAll(gateway, bad.map((jwks_uri) => ({ redirect_uris, jwks_uri })), "invalid_client_metadata");
  const client = await registerClient(gateway, {
    token_endpoint_auth_method: "private_key_jwt",
    jwks_uri: `https://keys.evil.test:${trap.port}/k`,
  });
  const part = (value: unknown) => btoa(JSON.stringify(value)).replaceAll("=", "");
  const claims = { iss: client.clientId, sub: client.clientId, aud: gateway.origin, jti: "1", exp: 2e9 };
  const response = await postForm(gateway, "/oauth/token", {
    grant_type: "authorization_code",
    client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    client_assertion: `${part({ alg: "ES256", kid: "1" })}.${part(claims)}.${"A".repeat(86)}`,
  });
  await assertOAuthError(response, "temporarily_unavailable", { status: 503 });
  assert.deepEqual([trap.hits, names.queries], [0, ["keys.evil.test"]]);
});
