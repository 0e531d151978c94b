/** Ending a grant: every process knows, and nothing issued under it remains valid. */
import assert from "node:assert/strict";
import { revokeGrant } from "../../../lib/authorization_server/grant.ts";
import { accessTokens, grants, grantsByUser, refreshTokens } from "../../../lib/store/schema.ts";
import { type TestServices, testServices } from "../../support/services.ts";
import { redeem, refuses, rotate, someClient, someCode, somePair, USER } from "./stage.ts";

Deno.test("`revokeGrant()` removes the grant and its place in the user's list, and says why", async () => {
  using services = await testServices();
  const client = await someClient(services);
  const { grant } = await someCode(services, client);
  const other = await someCode(services, client);
  const heard: string[] = [];
  services.revocations.listen((id) => heard.push(id));
  await revokeGrant(services, grant, "revoked_by_user");
  assert.equal(await services.store.get(grants, grant.grantId), null);
  assert.equal(await services.store.get(grantsByUser, USER, grant.grantId), null);
  assert.ok(await services.store.get(grants, other.grant.grantId));
  assert.deepEqual(heard, [grant.grantId]);
  assert.deepEqual(services.emitted.at(-1), {
    level: "warn",
    event: "mcp_auth_downstream_grant_revoked",
    grantId: grant.grantId,
    clientId: client.clientId,
    subjectId: USER,
    reasonCode: "revoked_by_user",
  });
});

Deno.test("neither a code nor a refresh token outlives its grant", async () => {
  using services = await testServices();
  const client = await someClient(services);
  const { code, grant } = await someCode(services, client);
  await revokeGrant(services, grant, "test");
  await refuses(() => redeem(services, client, code), "invalid_grant", "grant_ended");
  const pair = await somePair(services, client);
  await revokeGrant(services, { ...pair, clientId: client.clientId }, "test");
  await refuses(() => rotate(services, client, pair.refreshToken), "invalid_grant", "grant_ended");
});

/** From the second read on — that of the grant, after which only the commit is left — the grant is revoked. */
function revokeAfterSecondRead(services: TestServices, grant: Parameters<typeof revokeGrant>[1]): void {
  const get = services.store.get.bind(services.store);
  let reads = 0;
  services.store.get = async (...asked) => {
    const entry = await get(...asked);
    if (++reads === 2) await revokeGrant(services, grant, "test");
    return entry;
  };
}

Deno.test("a redemption that was read before the revocation does not bring the grant back (B10 161)", async () => {
  using services = await testServices();
  const client = await someClient(services);
  const { code, grant } = await someCode(services, client);
  revokeAfterSecondRead(services, grant);
  await refuses(() => redeem(services, client, code), "invalid_grant", "grant_ended");
  assert.equal(await services.store.get(grants, grant.grantId), null);
});

Deno.test("a refresh that was read before the revocation issues nothing (B10 161)", async () => {
  using services = await testServices();
  const client = await someClient(services);
  const pair = await somePair(services, client);
  revokeAfterSecondRead(services, { ...pair, clientId: client.clientId });
  await refuses(() => rotate(services, client, pair.refreshToken), "invalid_grant", "grant_ended");
  assert.equal((await Array.fromAsync(services.store.list(refreshTokens))).length, 1);
  assert.equal((await Array.fromAsync(services.store.list(accessTokens))).length, 1);
});
