/** Ending a grant: every process knows, and nothing issued under it remains valid. */
import assert from "node:assert/strict";
import { revokeGrant } from "../../../lib/authorization_server/grant.ts";
import { grants, grantsByUser } from "../../../lib/store/schema.ts";
import { testServices } from "../../support/services.ts";
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

/** Writes that were prepared before a revocation must not undo it. */
Deno.test("a redemption that was read before the revocation does not bring the grant back (B10 161)", async () => {
  using services = await testServices();
  const client = await someClient(services);
  const { code, grant } = await someCode(services, client);
  const get = services.store.get.bind(services.store);
  let reads = 0;
  services.store.get = async (...asked) => {
    const entry = await get(...asked);
    // The second read of a redemption is that of the grant; after it only the commit is left.
    if (++reads === 2) await revokeGrant(services, grant, "test");
    return entry;
  };
  await refuses(() => redeem(services, client, code), "invalid_grant", "grant_ended");
  assert.equal(await get(grants, grant.grantId), null);
});
