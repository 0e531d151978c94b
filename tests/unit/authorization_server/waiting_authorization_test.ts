/** A waiting request: one browser, one user, one lifetime. */
import assert from "node:assert/strict";
import {
  bindUser,
  findAuthorization,
  hasAuthorization,
} from "../../../lib/authorization_server/waiting_authorization.ts";
import { testServices } from "../../support/services.ts";
import { ALPHA, BROWSER, CHALLENGE, ORIGIN, REDIRECT_URI, someClient, someWaiting, USER } from "./stage.ts";

Deno.test("a request is kept with what its decision needs, and bound to nobody yet", async () => {
  using services = await testServices();
  const client = await someClient(services);
  const { value } = await someWaiting(services, client);
  assert.deepEqual(
    [value.clientId, value.redirectUri, value.codeChallenge, value.origin, value.issuer, value.operationId],
    [client.clientId, REDIRECT_URI, CHALLENGE, ORIGIN, ORIGIN, ALPHA.operationId],
  );
  assert.deepEqual([value.userId, value.state, value.redirectUriGiven], [null, "s", true]);
  assert.notEqual((await someWaiting(services, client)).value.csrfToken, value.csrfToken);
});

Deno.test("only the browser that brought it finds it (B6 091)", async () => {
  using services = await testServices();
  const { value: { transactionId: id } } = await someWaiting(services, await someClient(services));
  assert.ok(await findAuthorization(services, id, BROWSER));
  for (const browser of [undefined, "", "br_other", `${BROWSER} `]) {
    assert.equal(await findAuthorization(services, id, browser), null);
  }
  assert.equal(await findAuthorization(services, "unknown", BROWSER), null);
  assert.deepEqual(
    [await hasAuthorization(services, id), await hasAuthorization(services, "unknown")],
    [true, false],
  );
});

Deno.test("it ends after its lifetime", async () => {
  using services = await testServices();
  const { value: { transactionId: id } } = await someWaiting(services, await someClient(services));
  services.clock.advance({ seconds: 899 });
  assert.ok(await findAuthorization(services, id, BROWSER));
  services.clock.advance({ seconds: 1 });
  assert.equal(await findAuthorization(services, id, BROWSER), null);
});

Deno.test("`bindUser()` binds once: of two at a time one loses, and the end is not moved", async () => {
  using services = await testServices();
  const entry = await someWaiting(services, await someClient(services));
  const bound = await Promise.all([bindUser(services, entry, USER), bindUser(services, entry, "user-bob")]);
  assert.equal(bound.filter((each) => each !== null).length, 1);
  const [winner] = bound.filter((each) => each !== null);
  const found = await findAuthorization(services, entry.value.transactionId, BROWSER);
  assert.equal(found?.value.userId, winner?.value.userId);
  assert.equal(found?.value.expiresAt, entry.value.expiresAt);
  const again = await Promise.all([1, 2].map(() => bindUser(services, entry, winner?.value.userId ?? null)));
  assert.deepEqual(again.map((each) => each?.value.userId), [winner?.value.userId, winner?.value.userId]);
  const freed = found === null ? null : await bindUser(services, found, null);
  assert.equal(freed?.value.userId, null);
});
