/** Client authentication: which credentials let which client pass, in every spelling that clients use. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { ClientKeys } from "../../../lib/authorization_server/client_assertion.ts";
import { authenticateClient } from "../../../lib/authorization_server/client_authentication.ts";
import type { OAuthError } from "../../../lib/oauth/errors.ts";
import { Secret } from "../../../lib/runtime/secret.ts";
import { type TestServices, testServices } from "../../support/services.ts";
import { REDIRECT_URI, refuses, someClient } from "./stage.ts";

const WILD_SECRET = "p%c+ä:ö & =/ü";
const WILD_ID = "https://client.example/a b?c+d";
const configured = [
  {
    clientId: "secret",
    name: "Secret",
    redirectUris: [REDIRECT_URI],
    clientSecret: new Secret("s3cret"),
    jwks: null,
  },
  {
    clientId: WILD_ID,
    name: "Wild",
    redirectUris: [REDIRECT_URI],
    clientSecret: new Secret(WILD_SECRET),
    jwks: null,
  },
];

const base64 = (text: string) => Buffer.from(text).toString("base64");
const basic = (id: string, secret: string) => `Basic ${base64(`${id}:${secret}`)}`;
const encode = (text: string) => encodeURIComponent(text).replaceAll("%20", "+");

function ask(
  services: TestServices,
  given: { authorization?: string; clientId?: string; clientSecret?: string },
) {
  const keys = new ClientKeys(() => Promise.reject(new Error("no client here has its keys elsewhere")));
  const authority = { sources: { configured, documents: null }, keys, audiences: ["https://gw.test"] };
  return authenticateClient(services, authority, {
    authorization: given.authorization ?? null,
    clientId: given.clientId ?? null,
    clientSecret: given.clientSecret ?? null,
    assertionType: null,
    assertion: null,
  });
}

Deno.test("Basic is read as RFC 6749 encodes it and as SDKs send it raw (B8 131)", async () => {
  using services = await testServices();
  for (
    const authorization of [
      basic("secret", "s3cret"),
      basic("secret", "s3cret").replace("Basic", "bAsIc"),
      basic("secret", "s3cret").replace(" ", "   "),
    ]
  ) assert.equal((await ask(services, { authorization })).clientId, "secret", authorization);
  for (
    const authorization of [
      basic(encode(WILD_ID), encode(WILD_SECRET)),
      basic(encode(WILD_ID), WILD_SECRET),
      basic(encodeURIComponent(WILD_ID), encodeURIComponent(WILD_SECRET)),
    ]
  ) assert.equal((await ask(services, { authorization })).clientId, WILD_ID, authorization);
});

Deno.test("a secret may come in the body instead, whichever method the client registered (AS-55)", async () => {
  using services = await testServices();
  assert.equal((await ask(services, { clientId: "secret", clientSecret: "s3cret" })).clientId, "secret");
  for (const method of ["client_secret_basic", "client_secret_post"]) {
    const { clientId, secret } = await someClient(services, { token_endpoint_auth_method: method });
    assert.ok(secret);
    assert.equal((await ask(services, { clientId, clientSecret: secret })).clientId, clientId);
    assert.equal((await ask(services, { authorization: basic(clientId, secret) })).clientId, clientId);
    assert.equal(
      (await ask(services, { authorization: basic(clientId, secret), clientId })).clientId,
      clientId,
    );
  }
});

Deno.test("a malformed Basic header is `invalid_client` with a challenge, never a crash (B8 131)", async () => {
  using services = await testServices();
  for (
    const authorization of [
      "Basic",
      "Basic ",
      "Basic !!!!",
      `Basic ${base64("secret")}`,
      `Basic ${base64(":s3cret")}`,
      `Basic ${base64("")}`,
      `Basic ${base64("secret:s3cret")} trailing`,
      "Basic /w==",
      `Bearer ${base64("secret:s3cret")}`,
      "Digest username=secret",
      "",
    ]
  ) {
    await assert.rejects(() => ask(services, { authorization }), (error: OAuthError) => {
      assert.deepEqual([error.code, error.status], ["invalid_client", 401], authorization);
      assert.match(error.headers["WWW-Authenticate"] ?? "", /^Basic realm=/);
      return true;
    });
  }
});

Deno.test("a wrong, empty or missing secret is refused (AS-54)", async () => {
  using services = await testServices();
  const wrong = "client_secret_wrong";
  for (const secret of ["S3cret", "s3cret ", "s3cre", "x".repeat(10_000)]) {
    await refuses(() => ask(services, { authorization: basic("secret", secret) }), "invalid_client", wrong);
    await refuses(() => ask(services, { clientId: "secret", clientSecret: secret }), "invalid_client", wrong);
  }
  await refuses(() => ask(services, { authorization: basic("secret", "") }), "invalid_client", wrong);
  await refuses(() => ask(services, { clientId: "secret" }), "invalid_client", "client_secret_missing");
  await refuses(
    () => ask(services, { clientId: "secret", clientSecret: "" }),
    "invalid_client",
    "client_secret_missing",
  );
});

Deno.test("two methods at once are `invalid_request`, and so is a `client_id` that differs (RFC 6749 §2.3)", async () => {
  using services = await testServices();
  const authorization = basic("secret", "s3cret");
  await refuses(
    () => ask(services, { authorization, clientSecret: "s3cret" }),
    "invalid_request",
    "two_client_auth_methods",
  );
  await refuses(
    () => ask(services, { authorization, clientId: WILD_ID }),
    "invalid_request",
    "client_id_differs",
  );
});

Deno.test("a public client passes by its id alone, and with a secret not at all", async () => {
  using services = await testServices();
  const { clientId } = await someClient(services);
  assert.equal((await ask(services, { clientId })).clientId, clientId);
  assert.equal((await ask(services, { clientId, clientSecret: "" })).clientId, clientId);
  const refusal = "secret_of_public_client";
  await refuses(() => ask(services, { clientId, clientSecret: "any" }), "invalid_client", refusal);
  await refuses(() => ask(services, { authorization: basic(clientId, "any") }), "invalid_client", refusal);
});

Deno.test("a registration that named no method may leave its secret out, and may not send a wrong one (AS-48)", async () => {
  using services = await testServices();
  const unstated = await someClient(services, { token_endpoint_auth_method: null });
  const { clientId, secret } = unstated;
  assert.ok(secret);
  assert.equal((await ask(services, { clientId })).clientId, clientId);
  assert.equal((await ask(services, { clientId, clientSecret: secret })).clientId, clientId);
  await refuses(
    () => ask(services, { clientId, clientSecret: "wrong" }),
    "invalid_client",
    "client_secret_wrong",
  );
  const stated = await someClient(services, { token_endpoint_auth_method: "client_secret_basic" });
  await refuses(
    () => ask(services, { clientId: stated.clientId }),
    "invalid_client",
    "client_secret_missing",
  );
});

Deno.test("an unknown client is answered as a wrong secret is (AS-54)", async () => {
  using services = await testServices();
  const messages = new Set<string>();
  for (
    const given of [
      { clientId: "unknown" },
      { clientId: "unknown", clientSecret: "x" },
      { clientId: "secret", clientSecret: "x" },
      {},
    ]
  ) {
    await assert.rejects(() => ask(services, given), (error: OAuthError) => {
      assert.deepEqual([error.code, error.status], ["invalid_client", 401]);
      messages.add(error.message);
      return true;
    });
  }
  assert.equal(messages.size, 1);
});
