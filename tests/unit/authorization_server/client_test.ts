/** Clients: where they are known from, how long, and what they may do. */
import assert from "node:assert/strict";
import { CLIENT_TTL_MS, findClient, renewClient } from "../../../lib/authorization_server/client.ts";
import { hashSecret } from "../../../lib/crypto/secret_token.ts";
import { Secret } from "../../../lib/runtime/secret.ts";
import { clients } from "../../../lib/store/schema.ts";
import { testServices } from "../../support/services.ts";
import { REDIRECT_URI, someClient } from "./stage.ts";

const configured = [
  { clientId: "public", name: "Public", redirectUris: [REDIRECT_URI], clientSecret: null, jwks: null },
  {
    clientId: "secret",
    name: "Secret",
    redirectUris: [REDIRECT_URI],
    clientSecret: new Secret("s3cret"),
    jwks: null,
  },
];

Deno.test("`findClient()` knows clients of the configuration without asking the store", async () => {
  using services = await testServices();
  const open = await findClient(services, { configured, documents: null }, "public");
  assert.deepEqual([open?.authMethods, open?.secretHash], [["none"], null]);
  assert.deepEqual([open?.source, open?.expiresAt, open?.registeredAt], ["configuration", null, null]);
  const secret = await findClient(services, { configured, documents: null }, "secret");
  assert.deepEqual([secret?.authMethods, secret?.secretHash], [
    ["client_secret_basic", "client_secret_post"],
    hashSecret("s3cret"),
  ]);
  assert.equal(secret?.mayRefresh, true);
  assert.deepEqual(services.reads, []);
});

Deno.test("`findClient()` finds a registration, and nobody for any other name", async () => {
  using services = await testServices();
  const client = await someClient(services);
  assert.equal(
    (await findClient(services, { configured, documents: null }, client.clientId))?.source,
    "registration",
  );
  for (const name of ["", "unknown", client.clientId.toLowerCase() + "x", "x".repeat(10_000), "\u0000"]) {
    assert.equal(await findClient(services, { configured, documents: null }, name), null);
  }
});

Deno.test("a registration that is not used ends after 90 days", async () => {
  using services = await testServices();
  const client = await someClient(services);
  services.clock.advance({ ms: CLIENT_TTL_MS - 1 });
  assert.ok(await findClient(services, { configured: [], documents: null }, client.clientId));
  services.clock.advance({ ms: 1 });
  assert.equal(await findClient(services, { configured: [], documents: null }, client.clientId), null);
});

Deno.test("`renewClient()` renews a used registration, at most once a day", async () => {
  using services = await testServices();
  const unused = await someClient(services);
  assert.equal(unused.wasUsed, false);
  await renewClient(services, unused);
  const client = await findClient(services, { configured: [], documents: null }, unused.clientId);
  assert.ok(client?.wasUsed);
  assert.equal((await Array.fromAsync(services.kv.list({ prefix: ["unused_registration"] }))).length, 0);
  const version = async () => (await services.store.get(clients, client.clientId))?.version;
  const first = await version();
  services.clock.advance({ days: 1 });
  services.clock.advance({ ms: -1 });
  await renewClient(services, client);
  assert.equal(await version(), first);
  services.clock.advance({ ms: 1 });
  await renewClient(services, client);
  assert.notEqual(await version(), first);
  services.clock.advance({ ms: CLIENT_TTL_MS - 1 });
  assert.ok(await findClient(services, { configured: [], documents: null }, client.clientId));
});

Deno.test("`renewClient()` does not bring back a deleted registration, nor write for the configuration", async () => {
  using services = await testServices();
  const client = await someClient(services);
  services.clock.advance({ days: 2 });
  await renewClient(services, client);
  await services.store.write().delete(clients, client.clientId).commit();
  await renewClient(services, client);
  assert.equal(await findClient(services, { configured: [], documents: null }, client.clientId), null);
  const known = await findClient(services, { configured, documents: null }, "public");
  assert.ok(known);
  await renewClient(services, known);
  assert.equal((await Array.fromAsync(services.kv.list({ prefix: [] }))).length, 0);
});

Deno.test("the metadata hash changes with whatever a user was shown, and with nothing else", async () => {
  using services = await testServices();
  const hash = async (metadata: Record<string, unknown>) =>
    (await someClient(services, metadata)).metadataHash;
  const base = await hash({});
  assert.equal(await hash({}), base);
  assert.equal(await hash({ unknown_member: 1 }), base);
  for (
    const change of [
      { client_name: "Other" },
      { redirect_uris: [`${REDIRECT_URI}2`] },
      { client_uri: "https://client.example/" },
      { token_endpoint_auth_method: "client_secret_basic" },
    ]
  ) assert.notEqual(await hash(change), base, JSON.stringify(change));
});

Deno.test("a client that registered without the refresh grant may not refresh", async () => {
  using services = await testServices();
  assert.equal((await someClient(services, { grant_types: ["authorization_code"] })).mayRefresh, false);
  assert.equal((await someClient(services)).mayRefresh, true);
});
