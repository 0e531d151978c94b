/** Registering, reading and deleting a client: what is answered, and what is kept of it. */
import assert from "node:assert/strict";
import { findClient, renewClient } from "../../../lib/authorization_server/client.ts";
import {
  deleteRegistration,
  readRegistration,
  registerClient,
} from "../../../lib/authorization_server/client_registration.ts";
import { hashSecret } from "../../../lib/crypto/secret_token.ts";
import { testServices } from "../../support/services.ts";
import { POLICY, REDIRECT_URI, refuses } from "./stage.ts";

const metadata = { redirect_uris: [REDIRECT_URI], client_name: "Test client" };

Deno.test("a public client gets an id and a registration token, and no secret", async () => {
  using services = await testServices();
  const { clientId, answer } = await registerClient(
    services,
    { ...metadata, token_endpoint_auth_method: "none" },
    POLICY,
  );
  assert.equal(answer.client_id, clientId);
  assert.equal(answer.client_id_issued_at, Math.floor(services.clock.now() / 1000));
  assert.ok(!("client_secret" in answer) && !("client_secret_expires_at" in answer));
  assert.match(String(answer.registration_access_token), /^rat_[A-Za-z0-9_-]{43}$/);
});

Deno.test("a confidential client gets its secret once, and the store keeps the hash of it alone (B15 243)", async () => {
  using services = await testServices();
  for (const method of ["client_secret_basic", "client_secret_post"]) {
    const { clientId, answer } = await registerClient(
      services,
      { ...metadata, token_endpoint_auth_method: method },
      POLICY,
    );
    const secret = String(answer.client_secret);
    assert.match(secret, /^cs_[A-Za-z0-9_-]{43}$/);
    assert.equal(answer.client_secret_expires_at, 0);
    assert.equal(
      (await findClient(services, { configured: [], documents: null }, clientId))?.secretHash,
      hashSecret(secret),
    );
    const read = await readRegistration(services, clientId, String(answer.registration_access_token));
    assert.ok(!("client_secret" in read) && !("registration_access_token" in read));
    for await (const { value } of services.kv.list<Uint8Array>({ prefix: [] })) {
      const text = new TextDecoder().decode(value);
      assert.ok(!text.includes(secret) && !text.includes(String(answer.registration_access_token)));
    }
  }
});

Deno.test("a registration that says nothing about authentication gets a secret that it may leave out (AS-48)", async () => {
  using services = await testServices();
  const { clientId, answer } = await registerClient(services, metadata, POLICY);
  assert.equal(answer.token_endpoint_auth_method, "client_secret_basic");
  assert.equal(typeof answer.client_secret, "string");
  assert.ok(
    (await findClient(services, { configured: [], documents: null }, clientId))?.authMethods.includes("none"),
  );
});

Deno.test("a refused registration writes nothing", async () => {
  using services = await testServices();
  for (
    const [body, code] of [
      [null, "invalid_client_metadata"],
      [[], "invalid_client_metadata"],
      [{}, "invalid_redirect_uri"],
      [{ ...metadata, redirect_uris: ["https://gateway.example/oauth/callback"] }, "invalid_redirect_uri"],
      [{ ...metadata, redirect_uris: ["javascript:alert(1)"] }, "invalid_redirect_uri"],
      [{ ...metadata, token_endpoint_auth_method: "tls_client_auth" }, "invalid_client_metadata"],
      [{ ...metadata, grant_types: ["client_credentials"] }, "invalid_client_metadata"],
    ] as const
  ) {
    await assert.rejects(() => registerClient(services, body, POLICY), { code }, JSON.stringify(body));
  }
  assert.equal((await Array.fromAsync(services.kv.list({ prefix: [] }))).length, 0);
});

Deno.test("reading and deleting need the registration's own token; unknown and wrong look alike (AS-50)", async () => {
  using services = await testServices();
  const mine = await registerClient(services, metadata, POLICY);
  const other = await registerClient(services, metadata, POLICY);
  const token = String(mine.answer.registration_access_token);
  const attempts: [string, string | null][] = [
    [mine.clientId, null],
    [mine.clientId, ""],
    [mine.clientId, `${token}x`],
    [mine.clientId, hashSecret(token)],
    [mine.clientId, String(other.answer.registration_access_token)],
    ["unknown", token],
  ];
  const messages = new Set<string>();
  for (const [clientId, given] of attempts) {
    for (const act of [readRegistration, deleteRegistration]) {
      await assert.rejects(() => act(services, clientId, given), (error: Error) => {
        assert.ok("code" in error && error.code === "invalid_token");
        messages.add(error.message);
        return true;
      });
    }
  }
  assert.equal(messages.size, 1);
  assert.equal((await readRegistration(services, mine.clientId, token)).client_name, "Test client");
  await deleteRegistration(services, mine.clientId, token);
  assert.equal(await findClient(services, { configured: [], documents: null }, mine.clientId), null);
  assert.ok(await findClient(services, { configured: [], documents: null }, other.clientId));
  await refuses(
    () => readRegistration(services, mine.clientId, token),
    "invalid_token",
    "registration_token_refused",
  );
});

Deno.test("a public client that registers again from the same address keeps its id; from elsewhere it gets another (AS-49, Q-04)", async () => {
  using services = await testServices();
  const metadata = { redirect_uris: ["https://client.example/callback"], token_endpoint_auth_method: "none" };
  const register = (address: string, changes = {}) =>
    registerClient(services, { ...metadata, ...changes }, { ...POLICY, address });
  const first = await register("192.0.2.1");
  const ids = new Set<string>();
  for (let count = 0; count < 100; count++) ids.add((await register("192.0.2.1")).clientId);
  assert.deepEqual([...ids], [first.clientId]);
  assert.equal((await Array.fromAsync(services.kv.list({ prefix: ["client"] }))).length, 1);
  assert.notEqual((await register("192.0.2.2")).clientId, first.clientId);
  assert.notEqual((await register("192.0.2.1", { client_name: "Other" })).clientId, first.clientId);
  // A secret is each registration's own.
  const confidential = { token_endpoint_auth_method: "client_secret_post" };
  const secrets = [await register("192.0.2.1", confidential), await register("192.0.2.1", confidential)];
  assert.notEqual(secrets[0]?.clientId, secrets[1]?.clientId);
});

Deno.test("unused registrations push each other out of a fixed number of places; used ones stay (B2 030, B17 260)", async () => {
  // Every random number is the same, so everybody gets the same place.
  let count = 0;
  using services = await testServices({
    random: (length) => new Uint8Array(length).fill(length === 4 ? 7 : ++count),
  });
  const metadata = {
    redirect_uris: ["https://client.example/callback"],
    token_endpoint_auth_method: "client_secret_post",
  };
  const sources = { configured: [], documents: null };
  const used = await registerClient(services, metadata, POLICY);
  const found = await findClient(services, sources, used.clientId);
  assert.ok(found);
  await renewClient(services, found);
  const pushedOut = await registerClient(services, metadata, POLICY);
  const newest = await registerClient(services, metadata, POLICY);
  assert.ok(await findClient(services, sources, used.clientId));
  assert.equal(await findClient(services, sources, pushedOut.clientId), null);
  assert.ok(await findClient(services, sources, newest.clientId));
});

Deno.test("repeating a public client's metadata gives its id and no power over it, and a client in use cannot be deleted (B2 031)", async () => {
  using services = await testServices();
  const metadata = { redirect_uris: ["https://client.example/callback"], token_endpoint_auth_method: "none" };
  const context = { ...POLICY, address: "192.0.2.1" };
  const first = await registerClient(services, metadata, context);
  const repeated = await registerClient(services, metadata, context);
  assert.equal(repeated.clientId, first.clientId);
  assert.equal(repeated.answer.registration_access_token, undefined);
  const token = String(first.answer.registration_access_token);
  assert.equal((await readRegistration(services, first.clientId, token)).client_id, first.clientId);
  const client = await findClient(services, { configured: [], documents: null }, first.clientId);
  assert.ok(client);
  await renewClient(services, client);
  await assert.rejects(() => deleteRegistration(services, first.clientId, token), { status: 405 });
  assert.ok(await findClient(services, { configured: [], documents: null }, first.clientId));
});
