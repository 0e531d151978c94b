/** Attack corpus B3: what a client metadata document is, and what it may not say. */
import assert from "node:assert/strict";
import { exportJWK, generateKeyPair } from "jose";
import { authorizeAs, clientDocument, documentHost, publish } from "../support/document_host.ts";
import { authorizeUrl } from "../support/oauth_flow.ts";
import { assertPage400 } from "./answers.ts";
import { watchedGateway } from "./watched_gateway.ts";

const json = { "content-type": "application/json" };

Deno.test("only JSON that says it is JSON is a document (B3 048, AS-36)", async () => {
  await using host = documentHost();
  await using gateway = await watchedGateway();
  const types: [type: string | null, status: number][] = [
    ["application/json", 303],
    ["application/json; charset=utf-8", 303],
    ["APPLICATION/JSON", 303],
    ["application/client+json", 303],
    ["application/vnd.example.v1+json", 303],
    ["text/html", 400],
    ["text/html; application/json", 400],
    ["image/svg+xml", 400],
    ["text/json", 400],
    ["text/plain", 400],
    ["application/jsonp", 400],
    ["application/json+xml", 400],
    ["application/+json", 400],
    ["application/javascript", 400],
    ["application/octet-stream", 400],
    ["", 400],
    [null, 400],
  ];
  for (const [index, [type, status]] of types.entries()) {
    const clientId = `${host.origin}/${index}.json`;
    const bytes = new TextEncoder().encode(JSON.stringify(clientDocument(clientId)));
    host.answers.set(
      `/${index}.json`,
      () => new Response(bytes, { headers: type === null ? {} : { "content-type": type } }),
    );
    const response = await authorizeAs(gateway, clientId);
    if (status === 400) await assertPage400(response, String(type));
    assert.equal(response.status, status, String(type));
  }
});

Deno.test("only 200 counts, and no failure is remembered (B3 049, AS-40)", async () => {
  await using host = documentHost();
  await using gateway = await watchedGateway();
  const clientId = `${host.origin}/c.json`;
  const good = JSON.stringify(clientDocument(clientId));
  for (const status of [201, 202, 203, 204, 205, 206, 300, 304, 400, 401, 403, 404, 410, 429, 500, 503]) {
    const path = `/${status}.json`;
    const body = good.replace("/c.json", path);
    const headers = { ...json, "cache-control": "max-age=86400" };
    host.answers.set(
      path,
      () => new Response([204, 205, 304].includes(status) ? null : body, { status, headers }),
    );
    await assertPage400(await authorizeAs(gateway, host.origin + path), String(status));
    // Mended: it works at once.
    host.answers.set(path, () => new Response(body, { headers }));
    assert.equal((await authorizeAs(gateway, host.origin + path)).status, 303, String(status));
    gateway.clock.advance({ seconds: 10 });
  }
  // What is no valid document is not remembered, either.
  host.answers.set("/c.json", () => new Response("{", { headers: json }));
  await assertPage400(await authorizeAs(gateway, clientId));
  host.answers.set("/c.json", clientDocument(clientId, { client_name: undefined }));
  await assertPage400(await authorizeAs(gateway, clientId));
  host.answers.set("/c.json", clientDocument(clientId));
  assert.equal((await authorizeAs(gateway, clientId)).status, 303);
});

Deno.test("a document is unambiguous JSON in UTF-8, and an object (AS-36)", async () => {
  await using host = documentHost();
  await using gateway = await watchedGateway();
  const clientId = `${host.origin}/c.json`;
  const good = JSON.stringify(clientDocument(clientId));
  const bytes = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
  const bad: Uint8Array<ArrayBuffer>[] = [
    bytes(good.replace("Document", "Docum\xe9nt")),
    bytes(`\xef\xbb\xbf${good}`),
    bytes(good.replace("{", `{"client_id":"https://other.example/c.json",`)),
    bytes(good.replace("{", `{"redirect\\u005furis":["https://evil.test/cb"],`)),
    bytes(`[${good}]`),
    bytes(`${good}${good}`),
    bytes(good.replace("}", `,"x":${"[".repeat(20)}${"]".repeat(20)}}`)),
    bytes("null"),
    bytes('"text"'),
    bytes(""),
  ];
  for (const [index, body] of bad.entries()) {
    host.answers.set("/c.json", () => new Response(body, { headers: json }));
    await assertPage400(await authorizeAs(gateway, clientId), String(index));
  }
  host.answers.set("/c.json", () => new Response(good, { headers: json }));
  assert.equal((await authorizeAs(gateway, clientId)).status, 303);
});

Deno.test("documents with secrets, private keys, missing parts or no usable method are refused (B3 051, AS-37, AS-38)", async () => {
  await using host = documentHost();
  await using gateway = await watchedGateway();
  const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
  const [open, secret] = [await exportJWK(publicKey), await exportJWK(privateKey)];
  gateway.canary(secret.d ?? "");
  const bad: Record<string, unknown>[] = [
    { client_secret: "s3cret" },
    { client_secret: "" },
    { client_secret: null },
    { client_secret_expires_at: 0 },
    { token_endpoint_auth_method: "client_secret_basic" },
    { token_endpoint_auth_method: "client_secret_post" },
    { token_endpoint_auth_method: "client_secret_jwt" },
    { token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post"] },
    { token_endpoint_auth_methods_supported: [] },
    { token_endpoint_auth_methods_supported: [["none"]] },
    { token_endpoint_auth_method: "private_key_jwt" },
    { token_endpoint_auth_methods_supported: ["private_key_jwt"] },
    { token_endpoint_auth_method: "tls_client_auth" },
    { jwks: { keys: [secret] } },
    { jwks: { keys: [open, secret] } },
    { jwks: { keys: [{ kty: "oct", k: "AAAA" }] } },
    { jwks: { keys: [open] }, jwks_uri: "https://client.example/keys" },
    { jwks_uri: "http://client.example/keys" },
    { jwks_uri: "https://169.254.169.254/keys" },
    { client_name: undefined },
    { client_name: "" },
    { client_name: "\u200b" },
    { client_name: 7 },
    { redirect_uris: undefined },
    { redirect_uris: [] },
    { redirect_uris: ["http://evil.test/cb"] },
    { redirect_uris: [`${gateway.origin}/oauth/callback`] },
    { grant_types: ["client_credentials"] },
    { response_types: ["token"] },
  ];
  for (const [index, changes] of bad.entries()) {
    const { clientId } = publish(host, `/${index}.json`, changes);
    await assertPage400(await authorizeAs(gateway, clientId), JSON.stringify(changes));
    gateway.clock.advance({ seconds: 5 });
  }
  assert.equal(host.requests.length, bad.length);
});

Deno.test("one bad redirect URI spoils the document; native ones on the list do not (B3 052, AS-19)", async () => {
  await using host = documentHost();
  await using gateway = await watchedGateway();
  const ok = "https://client.example/callback";
  for (
    const [index, uri] of ["javascript:alert(1)", "data:text/html,x", "unknown://cb", "https://u@x.example/"]
      .entries()
  ) {
    const { clientId } = publish(host, `/${index}.json`, { redirect_uris: [uri, ok] });
    await assertPage400(await authorizeAs(gateway, clientId), uri);
    await assertPage400(await authorizeAs(gateway, clientId, { changes: { redirect_uri: uri } }), uri);
  }
  const client = publish(host, "/native.json", { redirect_uris: ["cursor://x/cb", ok] });
  for (const redirect_uri of ["cursor://x/cb", ok]) {
    const end = await gateway.browser().signInAndApprove(authorizeUrl(gateway, client, { redirect_uri }));
    assert.ok(end.href.startsWith(redirect_uri), end.href);
    assert.equal(end.searchParams.has("code"), true);
  }
  const other = await gateway.fetch(authorizeUrl(gateway, client, { redirect_uri: "cursor://x/other" }));
  await assertPage400(other);
});
