/** Attack corpus B14: our own client id metadata documents, as strangers ask for them and as an authorization server reads them. */
import assert from "node:assert/strict";
import { readDocument } from "../../lib/authorization_server/client_id_metadata_document.ts";
import { z } from "zod";
import { authorizeUrl } from "../support/oauth_flow.ts";
import { documentClient, documentHost, Names } from "../support/document_host.ts";
import { startHarness } from "../support/harness.ts";
import { certificateAuthority } from "../support/tls.ts";
import { publicConnectScene } from "./public_connect_scene.ts";

const DOCUMENT = "/.well-known/oauth-client/acme?authProfileId=acme%3Auser-oauth";

/** The document, no member more and none less. */
const shape = z.strictObject({
  client_id: z.literal(`https://gw.test${DOCUMENT}`),
  client_name: z.literal("Sallyport"),
  client_uri: z.literal("https://gw.test"),
  application_type: z.literal("web"),
  redirect_uris: z.tuple([z.literal("https://gw.test/auth/connections/acme/callback")]),
  grant_types: z.tuple([z.literal("authorization_code"), z.literal("refresh_token")]),
  response_types: z.tuple([z.literal("code")]),
  token_endpoint_auth_method: z.literal("private_key_jwt"),
  token_endpoint_auth_methods_supported: z.tuple([z.literal("private_key_jwt"), z.literal("none")]),
  token_endpoint_auth_signing_alg: z.literal("ES256"),
  jwks_uri: z.literal("https://gw.test/.well-known/jwks.json"),
});

Deno.test("our document is fixed, public, and the same for everybody, whoever is signed in and whatever the request says (B14 239, UP-08)", async () => {
  await using scene = await publicConnectScene();
  const { gateway } = scene;
  const { browser } = await scene.signIn();
  const texts = new Set<string>();
  for (
    const headers of [
      {},
      { cookie: browser.cookies.header(new URL(gateway.origin)) ?? "" },
      { "x-forwarded-host": "evil.test", "x-forwarded-proto": "http", forwarded: "host=evil.test" },
      { origin: "https://evil.test" },
    ]
  ) {
    const response = await gateway.fetch(DOCUMENT, { headers });
    assert.equal(response.status, 200);
    assert.match(response.headers.get("content-type") ?? "", /^application\/json/);
    assert.deepEqual(response.headers.getSetCookie(), []);
    texts.add(await response.text());
  }
  for (const noise of ["&redirect_uri=https://evil.test", "&client_id=x", "&authProfileId=evil"]) {
    const response = await gateway.fetch(DOCUMENT + noise);
    texts.add(await response.text());
  }
  assert.equal(texts.size, 1);
  const [text = ""] = texts;
  shape.parse(JSON.parse(text));
  assert.equal((await gateway.fetch(`https://evil.test${DOCUMENT}`)).status, 421);
  // Its keys are public halves, and nothing more.
  const keys = await (await gateway.fetch("/.well-known/jwks.json")).json();
  for (const key of keys.keys) {
    assert.deepEqual(Object.keys(key).sort(), ["alg", "crv", "kid", "kty", "use", "x", "y"]);
  }
});

Deno.test("any other name, profile, spelling or method has no document (B14 239)", async () => {
  await using scene = await publicConnectScene();
  const { gateway } = scene;
  const base = "/.well-known/oauth-client";
  for (
    const path of [
      `${base}/acme`,
      `${base}/acme?authProfileId=`,
      `${base}/acme?authProfileId=acme`,
      `${base}/acme?authProfileId=acme:shared-oauth`,
      `${base}/acme?authProfileId=ACME:user-oauth`,
      `${base}/acme?authProfileId=other:user-oauth`,
      `${base}/acme?authProfileId=acme:user-oauth%00`,
      `${base}/acme?authProfileId=%3Cscript%3Ealert(1)%3C/script%3E`,
      `${base}/other?authProfileId=other:user-oauth`,
      `${base}/ACME?authProfileId=acme:user-oauth`,
      `${base}/acme%00?authProfileId=acme:user-oauth`,
      `${base}/acme%2f..%2facme?authProfileId=acme:user-oauth`,
      `${base}/%2e%2e/acme?authProfileId=acme:user-oauth`,
      `${base}/acme/?authProfileId=acme:user-oauth`,
      `${base}/%3Cimg%20src=x%3E?authProfileId=acme:user-oauth`,
      `${base}/${"x".repeat(5_000)}?authProfileId=acme:user-oauth`,
      `${base}/?authProfileId=acme:user-oauth`,
      base,
    ]
  ) {
    const response = await gateway.fetch(path);
    const text = await response.text();
    assert.equal(response.status, 404, path.slice(0, 90));
    assert.ok(!/<|alert|redirect_uris/.test(text), text);
    assert.ok(!(response.headers.get("content-type") ?? "").includes("html"));
  }
  for (const method of ["POST", "PUT", "DELETE"]) {
    const response = await gateway.fetch(DOCUMENT, { method });
    assert.ok([404, 405].includes(response.status), method);
    await response.body?.cancel();
  }
});

Deno.test("an authorization server of our own kind takes our document, over TLS, keys and all (UP-08)", async () => {
  await using us = await publicConnectScene();
  const authority = await certificateAuthority();
  await using host = documentHost({
    tls: await authority.issue({ names: ["localhost"] }),
    name: "localhost",
  });
  // The same gateway behind a socket: host and port are all that differs.
  const clientId = host.origin + DOCUMENT;
  const serve = async (request: Request) => {
    const { pathname, search } = new URL(request.url);
    const answer = await us.gateway.fetch(pathname + search);
    const text = (await answer.text()).replaceAll("https://gw.test", host.origin);
    return new Response(text, { status: answer.status, headers: answer.headers });
  };
  host.answers.set("/.well-known/oauth-client/acme", serve);
  host.answers.set("/.well-known/jwks.json", serve);
  await using server = await startHarness({
    strangers: { resolve: new Names().set("localhost", ["127.0.0.1"]).resolve, ca: authority.certificate },
  });
  const document = await (await us.gateway.fetch(DOCUMENT)).text();
  const read = readDocument(`https://gw.test${DOCUMENT}`, document, {
    schemes: new Set(),
    ownOrigins: [],
  });
  assert.deepEqual(read.authMethods.toSorted(), ["none", "private_key_jwt"]);
  const page = await server.fetch(authorizeUrl(server, {
    ...documentClient(clientId),
    redirectUri: `${host.origin}/auth/connections/acme/callback`,
  }));
  assert.equal(page.status, 303, JSON.stringify(server.events));
  assert.deepEqual(host.requests.map(({ url }) => new URL(url).pathname), ["/.well-known/oauth-client/acme"]);
});
