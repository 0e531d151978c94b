/** The decision: one request becomes one grant and one code, in one commit. */
import assert from "node:assert/strict";
import { approve, CODE_TTL_MS } from "../../../lib/authorization_server/consent.ts";
import { findAuthorization } from "../../../lib/authorization_server/waiting_authorization.ts";
import { tokenId } from "../../../lib/crypto/secret_token.ts";
import { authorizationCodes, grants, grantsByUser } from "../../../lib/store/schema.ts";
import { testServices } from "../../support/services.ts";
import { ALPHA, BROWSER, redeem, someClient, someCode, someWaiting, USER } from "./stage.ts";

Deno.test("an approval writes grant and code and removes the request", async () => {
  using services = await testServices();
  const { store, clock } = services;
  const client = await someClient(services);
  const entry = await someWaiting(services, client);
  const approved = await approve(services, entry, {
    userId: USER,
    client,
    target: ALPHA,
    grantTtlSeconds: 1000,
  });
  assert.ok(approved);
  assert.match(approved.code, /^ac_[0-9a-v]{9}[A-Za-z0-9_-]{43}$/);
  assert.equal(await findAuthorization(services, entry.id[0], BROWSER), null);
  const code = await store.get(authorizationCodes, tokenId(approved.code));
  assert.deepEqual(
    [code?.value.grantId, code?.value.usedAt, code?.value.grantExpiresAt, code?.value.expiresAt],
    [approved.grant.grantId, null, clock.now() + 1_000_000, clock.now() + CODE_TTL_MS],
  );
  const grant = await store.get(grants, approved.grant.grantId);
  assert.deepEqual(
    [grant?.value.userId, grant?.value.clientId, grant?.value.resource, grant?.value.approvedAt],
    [USER, client.clientId, ALPHA.resource, clock.now()],
  );
  assert.ok(await store.get(grantsByUser, USER, approved.grant.grantId));
});

Deno.test("of 20 decisions at a time one is taken (B6 088)", async () => {
  using services = await testServices();
  const client = await someClient(services);
  const entry = await someWaiting(services, client);
  const decisions = await Promise.all(
    Array.from(
      { length: 20 },
      () => approve(services, entry, { userId: USER, client, target: ALPHA, grantTtlSeconds: 1000 }),
    ),
  );
  assert.equal(decisions.filter((each) => each !== null).length, 1);
  assert.equal((await Array.fromAsync(services.store.list(grants))).length, 1);
  assert.equal((await Array.fromAsync(services.store.list(authorizationCodes))).length, 1);
});

Deno.test("a grant whose code is never redeemed ends with the code; redeemed, it lives as configured", async () => {
  using services = await testServices();
  const client = await someClient(services);
  const unused = await someCode(services, client);
  const used = await someCode(services, client);
  await redeem(services, client, used.code);
  services.clock.advance({ ms: CODE_TTL_MS });
  assert.equal(await services.store.get(grants, unused.grant.grantId), null);
  assert.equal(await services.store.get(grantsByUser, USER, unused.grant.grantId), null);
  services.clock.advance({ days: 80 });
  assert.ok(await services.store.get(grants, used.grant.grantId));
  assert.ok(await services.store.get(grantsByUser, USER, used.grant.grantId));
  services.clock.advance({ days: 10 });
  assert.equal(await services.store.get(grants, used.grant.grantId), null);
});
