/** What is issued, for how long, and how it is answered. */
import assert from "node:assert/strict";
import { tokenResponse } from "../../../lib/authorization_server/token_pair.ts";
import { issuePair } from "../../../lib/authorization_server/token_pair.ts";
import { tokenId } from "../../../lib/crypto/secret_token.ts";
import type { Expiring } from "../../../lib/store/collection.ts";
import { accessTokens, type GrantRecord, refreshTokens } from "../../../lib/store/schema.ts";
import { type TestServices, testServices } from "../../support/services.ts";
import { ALPHA, LIFETIMES, REDIRECT_URI, USER } from "./stage.ts";

function grantEndingIn(services: TestServices, seconds: number): GrantRecord {
  return {
    grantId: "g",
    userId: USER,
    clientId: "c",
    clientName: null,
    clientMetadataHash: "",
    redirectUri: REDIRECT_URI,
    resource: ALPHA.resource,
    operationId: ALPHA.operationId,
    scope: ["mcp:tools"],
    askedScope: ["mcp:tools", "offline_access"],
    approvedAt: services.clock.now(),
    expiresAt: services.clock.now() + seconds * 1000,
  };
}

async function issue(services: TestServices, seconds: number, withRefreshToken = true) {
  const write = services.store.write();
  const grant = grantEndingIn(services, seconds);
  const pair = issuePair(services, write, {
    grant,
    scope: ["mcp:tools"],
    lifetimes: LIFETIMES,
    withRefreshToken,
  });
  await write.commit();
  return pair;
}

Deno.test("a pair is two secrets, kept by their hashes, for one route and one user", async () => {
  using services = await testServices();
  const pair = await issue(services, 90 * 86_400);
  assert.match(pair.accessToken, /^at_[0-9a-v]{9}[A-Za-z0-9_-]{43}$/);
  assert.match(pair.refreshToken ?? "", /^rt_[0-9a-v]{9}[A-Za-z0-9_-]{43}$/);
  const access = await services.store.get(accessTokens, tokenId(pair.accessToken));
  assert.deepEqual(access?.value, {
    grantId: "g",
    clientId: "c",
    userId: USER,
    resource: ALPHA.resource,
    operationId: "alpha",
    scope: ["mcp:tools"],
    expiresAt: services.clock.now() + 900_000,
  });
  const refresh = await services.store.get(refreshTokens, tokenId(pair.refreshToken ?? ""));
  assert.deepEqual([refresh?.value.rotatedAt, refresh?.value.successor], [null, null]);
  assert.equal(refresh?.value.expiresAt, services.clock.now() + 30 * 86_400_000);
});

Deno.test("nothing that is issued outlives the grant (AS-60)", async () => {
  using services = await testServices();
  const pair = await issue(services, 60);
  assert.equal(pair.accessTokenExpiresAt, services.clock.now() + 60_000);
  for (
    const [kind, token] of [[accessTokens, pair.accessToken], [
      refreshTokens,
      pair.refreshToken ?? "",
    ]] as const
  ) {
    assert.equal(
      (await services.store.get(kind, tokenId(token)))?.value.expiresAt,
      services.clock.now() + 60_000,
    );
  }
});

Deno.test("what is issued later lies behind what was issued before, whatever its random bits", async () => {
  using services = await testServices();
  const issued: string[][] = [[], []];
  for (let count = 0; count < 12; count++) {
    services.clock.advance({ ms: 1 });
    const { accessToken, refreshToken } = await issue(services, 1000);
    issued[0]?.push(tokenId(accessToken));
    issued[1]?.push(tokenId(refreshToken ?? ""));
  }
  for (const [index, kind] of [accessTokens, refreshTokens].entries()) {
    const stored = await Array.fromAsync(services.store.list<Expiring>(kind));
    assert.deepEqual(stored.map(({ id: [id] }) => id), issued[index]);
  }
});

Deno.test("without a refresh token none is written", async () => {
  using services = await testServices();
  assert.equal((await issue(services, 1000, false)).refreshToken, null);
  assert.equal((await Array.fromAsync(services.kv.list({ prefix: ["refresh_token"] }))).length, 0);
});

Deno.test("the answer has the members of RFC 6749 §5.1, and whole seconds rounded down", async () => {
  using services = await testServices();
  const pair = await issue(services, 90 * 86_400);
  const answer = tokenResponse(pair, services.clock.now() + 1);
  assert.deepEqual(answer, {
    access_token: pair.accessToken,
    token_type: "Bearer",
    expires_in: 899,
    refresh_token: pair.refreshToken,
    scope: "mcp:tools",
    resource: ALPHA.resource,
  });
  assert.ok(!("refresh_token" in tokenResponse({ ...pair, refreshToken: null }, services.clock.now())));
  assert.equal(tokenResponse(pair, services.clock.now() + 10_000_000).expires_in, 0);
});
