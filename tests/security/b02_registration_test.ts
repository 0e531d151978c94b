/** Attack corpus B2: dynamic client registration. */
import assert from "node:assert/strict";
import { canary, Names } from "../support/document_host.ts";
import { authorizeUrl, postForm, postJson, redeem, registerClient } from "../support/oauth_flow.ts";
import { assertOAuthError, publicGateway } from "./answers.ts";
import { type WatchedGateway, watchedGateway } from "./watched_gateway.ts";

const redirect_uris = ["https://client.example/callback"];

/** Every body is refused with one of the errors, and nothing is written. */
async function refusesAll(
  gateway: WatchedGateway,
  bodies: readonly unknown[],
  error: string | readonly string[],
): Promise<void> {
  const before = await gateway.contents();
  for (const body of bodies) {
    const what = JSON.stringify(body).slice(0, 200);
    // One address each, so that no quota answers instead.
    const response = await gateway.fetch("/oauth/register", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      peer: `2001:4860::${(++peers).toString(16)}`,
    });
    await assertOAuthError(response, error, { what });
  }
  assert.deepEqual(await gateway.contents(), before);
}
let peers = 0;

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

Deno.test("only unambiguous JSON of sane size and depth is read, and quickly (B2 029)", async () => {
  await using gateway = await watchedGateway();
  const before = await gateway.contents();
  const good = JSON.stringify({ redirect_uris });
  const latin1 = new Uint8Array([
    ...new TextEncoder().encode('{"redirect_uris":["https://client.example/callback"],"client_name":"'),
    0xe9,
    0x22,
    0x7d,
  ]);
  const bad: [string, string | Uint8Array<ArrayBuffer> | URLSearchParams, number][] = [
    ["text/plain", good, 400],
    ["application/x-www-form-urlencoded", good, 400],
    ["application/jsonp", good, 400],
    ["", good, 400],
    ["application/json", `${good}x`, 400],
    [
      "application/json",
      '{"redirect_uris":["https://client.example/callback"],"redirect_uris":["https://evil.test/cb"]}',
      400,
    ],
    [
      "application/json",
      '{"redirect_uris":["https://client.example/callback"],"redirect\\u005furis":["https://evil.test/cb"]}',
      400,
    ],
    [
      "application/json",
      `{"redirect_uris":["https://client.example/callback"],"x":${"[".repeat(10_000)}${"]".repeat(10_000)}}`,
      400,
    ],
    ["application/json", `${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}`, 400],
    ["application/json", "[".repeat(60_000), 400],
    ["application/json", latin1, 400],
    ["application/json", "", 400],
    ["application/json", JSON.stringify({ redirect_uris, x: "y".repeat(1_048_576) }), 413],
  ];
  for (const [type, body, status] of bad) {
    const started = performance.now();
    const response = await gateway.fetch("/oauth/register", {
      method: "POST",
      headers: { "content-type": type },
      body,
    });
    const what = `${type} ${String(body).slice(0, 80)}`;
    await response.body?.cancel();
    assert.equal(response.status, status, what);
    assert.ok(performance.now() - started < 1000, what);
  }
  assert.deepEqual(await gateway.contents(), before);
});

Deno.test("20,000 registrations from one machine, forged headers or not, are 60 (B2 030, AS-49)", async () => {
  await using gateway = await watchedGateway();
  const body = JSON.stringify({ redirect_uris });
  const tally = new Map<number, number>();
  for (let index = 0; index < 20_000; index++) {
    const response = await gateway.fetch("/oauth/register", {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(index % 2 === 0 ? {} : {
          "x-forwarded-for": `198.51.${index >> 8 & 255}.${index & 255}`,
          forwarded: `for=198.51.100.${index & 255}`,
        }),
      },
      body: body.replace("callback", `callback${index}`),
    });
    tally.set(response.status, (tally.get(response.status) ?? 0) + 1);
    if (response.status === 429) assert.match(response.headers.get("retry-after") ?? "", /^\d+$/);
    await response.body?.cancel();
  }
  assert.deepEqual([...tally], [[201, 60], [429, 19_940]]);
  const rows = [...await gateway.contents()].filter(([key]) => key.startsWith('["client"'));
  assert.ok(rows.length <= 60, `${rows.length} rows`);
  // The honest neighbour is served, and so is everybody a minute later.
  const neighbour = await gateway.fetch("/oauth/register", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
    peer: "198.51.100.7",
  });
  assert.equal(neighbour.status, 201);
  gateway.clock.advance({ seconds: 61 });
  await registerClient(gateway);
});

Deno.test("a registration is read and deleted with its own token, and changed with none (B2 031, AS-50)", async () => {
  await using gateway = await watchedGateway();
  const own = await registerClient(gateway, { client_name: "Own" });
  const other = await registerClient(gateway, { client_name: "Other" });
  const at = (clientId: string, method: string, token: unknown) =>
    gateway.fetch(`/oauth/register/${clientId}`, {
      method,
      headers: token === null ? {} : { authorization: `Bearer ${token}` },
    });
  const foreign = other.registration.registration_access_token;
  const before = await gateway.contents();
  const bodies = new Set<string>();
  for (const method of ["GET", "DELETE"]) {
    for (const clientId of [own.clientId, "unknown", "__proto__", "%00", `${own.clientId}%2f`]) {
      for (const token of [null, "", "x", foreign, own.clientId]) {
        const response = await at(clientId, method, token);
        assert.ok(
          response.status === 401 || response.status === 404,
          `${method} ${clientId}: ${response.status}`,
        );
        if (response.status === 401) bodies.add(await response.text());
        else await response.body?.cancel();
      }
    }
  }
  assert.equal(bodies.size, 1, "unknown and wrong are told apart");
  for (const method of ["PUT", "PATCH", "POST"]) {
    const response = await at(own.clientId, method, own.registration.registration_access_token);
    await response.body?.cancel();
    assert.equal(response.status, 405, method);
  }
  assert.deepEqual(await gateway.contents(), before);
  assert.equal((await at(own.clientId, "GET", own.registration.registration_access_token)).status, 200);
  assert.equal((await at(own.clientId, "DELETE", own.registration.registration_access_token)).status, 204);
  assert.equal((await at(own.clientId, "GET", own.registration.registration_access_token)).status, 401);
});

Deno.test("with dcrEnabled: false nobody registers, nothing advertises it, and other clients work (B2, AS-44)", async () => {
  await using gateway = await watchedGateway({
    gatewayOptions: { gateway: { dcrEnabled: false } },
    config: () => ({ clients: [{ clientId: "known", redirectUris: ["https://client.example/callback"] }] }),
  });
  for (const path of ["/oauth/register", "/register", "/oauth/register/x"]) {
    for (const method of ["POST", "GET", "DELETE"]) {
      const response = await gateway.fetch(path, {
        method,
        ...(method === "POST"
          ? { body: JSON.stringify({ redirect_uris }), headers: { "content-type": "application/json" } }
          : {}),
      });
      assert.equal(response.status, 404, `${method} ${path}`);
      assert.match(response.headers.get("content-type") ?? "", /json/);
      await response.body?.cancel();
    }
  }
  const metadata = await (await gateway.fetch("/.well-known/oauth-authorization-server")).json();
  assert.equal("registration_endpoint" in metadata, false);
  assert.equal(metadata.client_id_metadata_document_supported, true);
  const client = {
    clientId: "known",
    clientSecret: null,
    redirectUri: "https://client.example/callback",
    registration: {},
  };
  const end = await gateway.browser().signInAndApprove(authorizeUrl(gateway, client));
  assert.equal((await redeem(gateway, client, end.searchParams.get("code") ?? "")).status, 200);
});
