/** Attack corpus B2, dynamic client registration: names, ids, methods, keys and statements. */
import assert from "node:assert/strict";
import { authorizeUrl, postJson, registerClient } from "../support/oauth_flow.ts";
import { assertOAuthError } from "./answers.ts";
import { watchedGateway } from "./watched_gateway.ts";
import { redirect_uris, refusesAll } from "./refused_registrations.ts";

Deno.test("markup in a client's name is text on the consent page (B2 023)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway, { client_name: "<img src=x onerror=alert(1)>\"'&<b>" });
  const page = await gateway.browser().get(authorizeUrl(gateway, client));
  assert.equal(page.status, 200);
  assert.ok(page.html.includes("&lt;img src=x onerror=alert(1)&gt;"), page.html);
  assert.doesNotMatch(page.html, /<img src=x/i);
  const policy = page.headers.get("content-security-policy") ?? "";
  assert.match(policy, /default-src 'none'/);
  assert.doesNotMatch(policy, /unsafe|script-src [^;]*\*/);
});

Deno.test("a name cannot disguise itself on the consent page (B2 024)", async () => {
  await using gateway = await watchedGateway();
  const names: [string, string | undefined][] = [
    ["Claude\u202e yb detseuqer\u202c", "Claude yb detseuqer"],
    ["Cl\u200bau\u200dde\ufeff", "Claude"],
    ["Claude\u0000\r\n\r\nby gw.test", "Claude by gw.test"],
    ["\u{e0041}\u{e0042}Claude", "Claude"],
    ["\u200b\u2066", undefined],
    ["   ", undefined],
  ];
  for (const [client_name, shown] of names) {
    const { registration } = await registerClient(gateway, { client_name, "client_name#de": "Vom Gateway" });
    assert.equal(registration.client_name, shown, JSON.stringify(client_name));
    assert.equal("client_name#de" in registration, false);
  }
  const long = await postJson(gateway, "/oauth/register", { redirect_uris, client_name: "x".repeat(10_240) });
  await assertOAuthError(long, "invalid_client_metadata");
  const { registration } = await registerClient(gateway, { client_name: "x".repeat(2_000) });
  assert.equal(String(registration.client_name).length, 100);
});

Deno.test("the server chooses the client id, and a registration overwrites nothing (B2 025, AS-34)", async () => {
  await using gateway = await watchedGateway();
  const honest = await registerClient(gateway, { client_name: "Honest" });
  const rows = await gateway.contents();
  for (const client_id of ["https://good.example/c.json", honest.clientId, "__proto__", "constructor", ""]) {
    const { clientId } = await registerClient(gateway, { client_id, client_name: "Other" });
    assert.notEqual(clientId, client_id);
    assert.match(clientId, /^[\w-]{20,}$/);
    assert.doesNotMatch(clientId, /^https?:/);
  }
  const after = await gateway.contents();
  for (const [key, value] of rows) assert.equal(after.get(key), value);
  // JSON's own prototype members neither reach the object nor count as metadata.
  const body =
    '{"redirect_uris":["https://client.example/callback"],"__proto__":{"client_id":"x","grant_types":["password"]}}';
  const response = await gateway.fetch("/oauth/register", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
  assert.equal(response.status, 201);
  assert.deepEqual((await response.json()).grant_types, ["authorization_code", "refresh_token"]);
});

Deno.test("grants, responses and methods that need no user or prove nothing are refused (B2 026)", async () => {
  await using gateway = await watchedGateway();
  await refusesAll(gateway, [
    { redirect_uris, grant_types: ["password"] },
    { redirect_uris, grant_types: ["implicit"] },
    { redirect_uris, grant_types: ["client_credentials"] },
    { redirect_uris, grant_types: ["authorization_code", "password"] },
    { redirect_uris, grant_types: ["refresh_token"] },
    { redirect_uris, grant_types: "authorization_code" },
    { redirect_uris, response_types: ["token"] },
    { redirect_uris, response_types: ["code", "id_token"] },
    { redirect_uris, token_endpoint_auth_method: "client_secret_jwt" },
    { redirect_uris, token_endpoint_auth_method: "tls_client_auth" },
    { redirect_uris, token_endpoint_auth_method: ["none"] },
    { redirect_uris, token_endpoint_auth_method: "private_key_jwt" },
  ], "invalid_client_metadata");
});

Deno.test("private and symmetric keys are refused, and never stored or echoed (B2 027)", async () => {
  await using gateway = await watchedGateway();
  const { privateKey } = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, [
    "sign",
  ]);
  const leaked = await crypto.subtle.exportKey("jwk", privateKey);
  gateway.canary(leaked.d ?? "");
  const open = { kty: leaked.kty, crv: leaked.crv, x: leaked.x, y: leaked.y };
  const rsa = { kty: "RSA", n: "AQAB", e: "AQAB" };
  await refusesAll(
    gateway,
    [
      { keys: [leaked] },
      { keys: [open, leaked] },
      { keys: [{ ...rsa, d: "AQAB" }] },
      { keys: [{ ...rsa, p: "AQAB" }] },
      { keys: [{ ...rsa, oth: [] }] },
      { keys: [{ kty: "oct", k: "c2VjcmV0" }] },
      { keys: [{ ...open, k: "c2VjcmV0" }] },
      { keys: [] },
      { keys: "none" },
      { keys: [null] },
      { keys: [{}] },
      { keys: Array.from({ length: 21 }, () => open) },
      [open],
      {},
    ].map((jwks) => ({ redirect_uris, jwks })),
    "invalid_client_metadata",
  );
  await refusesAll(
    gateway,
    [{ redirect_uris, jwks: { keys: [open] }, jwks_uri: "https://client.example/keys" }],
    "invalid_client_metadata",
  );
});

Deno.test("what a software statement claims counts for nothing (B2 028)", async () => {
  await using gateway = await watchedGateway();
  const part = (value: unknown) => btoa(JSON.stringify(value)).replaceAll("=", "");
  const claims = {
    client_name: "From the statement",
    redirect_uris: ["https://evil.test/cb"],
    token_endpoint_auth_method: "private_key_jwt",
  };
  for (
    const software_statement of [
      `${part({ alg: "none" })}.${part(claims)}.`,
      `${part({ alg: "RS256" })}.${part(claims)}.AAAA`,
      "x",
    ]
  ) {
    const { registration } = await registerClient(gateway, { client_name: "Stated", software_statement });
    assert.equal(registration.client_name, "Stated");
    assert.deepEqual(registration.redirect_uris, redirect_uris);
    assert.equal(registration.token_endpoint_auth_method, "none");
    assert.equal("software_statement" in registration, false);
  }
});
