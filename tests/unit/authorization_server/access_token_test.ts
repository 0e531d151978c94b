/** The bearer check: what it remembers, and what makes it forget. */
import assert from "node:assert/strict";
import { AccessTokenVerifier } from "../../../lib/authorization_server/access_token.ts";
import { revokeGrant } from "../../../lib/authorization_server/grant.ts";
import { revokeToken } from "../../../lib/authorization_server/revocation.ts";
import { hashSecret, tokenId } from "../../../lib/crypto/secret_token.ts";
import { accessTokens, grants } from "../../../lib/store/schema.ts";
import { type TestServices, testServices } from "../../support/services.ts";
import { ALPHA, olderForm, someClient, somePair, USER } from "./stage.ts";

type Stage = {
  services: TestServices;
  verifier: AccessTokenVerifier;
  pair: Awaited<ReturnType<typeof somePair>>;
};

async function withToken(act: (stage: Stage) => Promise<void>): Promise<void> {
  using services = await testServices();
  const verifier = new AccessTokenVerifier(services);
  await act({ services, verifier, pair: await somePair(services, await someClient(services)) });
}

/** How often the store was asked for a token or grant during `act`. */
async function readsDuring(services: TestServices, act: () => Promise<unknown>): Promise<number> {
  services.reads.length = 0;
  await act();
  return services.reads.filter(([kind]) => kind === "access_token" || kind === "grant").length;
}

Deno.test("a valid token gets a verdict with all that a route compares", () =>
  withToken(async ({ services, verifier, pair }) => {
    const verdict = await verifier.verify(pair.accessToken);
    assert.deepEqual(
      [verdict?.userId, verdict?.resource, verdict?.operationId, verdict?.grantId, verdict?.expiresAt],
      [USER, ALPHA.resource, "alpha", pair.grantId, services.clock.now() + 900_000],
    );
    assert.equal(verdict?.tokenId, tokenId(pair.accessToken));
  }));

Deno.test("whatever is no access token of ours is refused, mostly without asking the store", () =>
  withToken(async ({ services, verifier, pair }) => {
    const malformed = [
      "",
      "at_",
      pair.refreshToken,
      `${pair.accessToken}=`,
      `${pair.accessToken}x`,
      "at_" + "é".repeat(43),
    ];
    for (const token of malformed) {
      assert.equal(
        await readsDuring(services, async () => assert.equal(await verifier.verify(token), null)),
        0,
        token,
      );
    }
    for (const hash of [hashSecret(pair.accessToken), tokenId(pair.accessToken)]) {
      assert.equal(await verifier.verify(`at_${hash}`), null);
    }
  }));

Deno.test("a token of the older form, without its time, is valid until it ends, and can be revoked", () =>
  withToken(async ({ services, verifier, pair }) => {
    const older = await olderForm(services, pair.accessToken);
    assert.equal(older.length, 46);
    assert.equal(await verifier.verify(pair.accessToken), null);
    const verdict = await verifier.verify(older);
    assert.deepEqual([verdict?.grantId, verdict?.tokenId], [pair.grantId, hashSecret(older)]);
    services.clock.advance({ seconds: 900 });
    assert.equal(await verifier.verify(older), null);
  }));

Deno.test("the second look costs no read (`peek()` and `verify()` alike)", () =>
  withToken(async ({ services, verifier, pair }) => {
    assert.equal(verifier.peek(pair.accessToken), undefined);
    assert.equal(await readsDuring(services, () => verifier.verify(pair.accessToken)), 2);
    services.reads.length = 0;
    for (let count = 0; count < 10; count++) assert.ok(await verifier.verify(pair.accessToken));
    assert.ok(verifier.peek(pair.accessToken));
    assert.deepEqual(services.reads, []);
  }));

Deno.test("20 requests at a time with a new token read it once", () =>
  withToken(async ({ services, verifier, pair }) => {
    const reads = await readsDuring(services, async () => {
      const verdicts = await Promise.all(Array.from({ length: 20 }, () => verifier.verify(pair.accessToken)));
      assert.ok(verdicts.every((verdict) => verdict !== null));
    });
    assert.equal(reads, 2);
  }));

Deno.test("expiry is checked at every look, also at a remembered verdict (RS-04)", () =>
  withToken(async ({ services, verifier, pair }) => {
    // Young enough for the cache, and about to end.
    services.clock.advance({ ms: 899_990 });
    assert.ok(await verifier.verify(pair.accessToken));
    services.clock.advance({ ms: 9 });
    assert.ok(verifier.peek(pair.accessToken));
    services.clock.advance({ ms: 1 });
    assert.equal(verifier.peek(pair.accessToken), undefined);
    assert.equal(await verifier.verify(pair.accessToken), null);
  }));

Deno.test("a revocation in this process is felt by the next request: by grant and by token (AS-62)", async () => {
  using services = await testServices();
  const verifier = new AccessTokenVerifier(services);
  const client = await someClient(services);
  const [one, two] = [await somePair(services, client), await somePair(services, client)];
  for (const { accessToken } of [one, two]) assert.ok(await verifier.verify(accessToken));
  await revokeGrant(services, { ...one, clientId: client.clientId }, "test");
  assert.equal(verifier.peek(one.accessToken), undefined);
  assert.equal(await verifier.verify(one.accessToken), null);
  assert.ok(verifier.peek(two.accessToken));
  await revokeToken(services, client, two.accessToken);
  assert.equal(verifier.peek(two.accessToken), undefined);
  assert.equal(await verifier.verify(two.accessToken), null);
});

Deno.test("a revocation in another process is felt within 100 ms (RS-14)", () =>
  withToken(async ({ services, verifier, pair }) => {
    using other = await testServices({ kv: services.kv, clock: services.clock });
    assert.ok(await verifier.verify(pair.accessToken));
    await revokeGrant(other, { ...pair, clientId: "c" }, "test");
    services.clock.advance({ ms: 100 });
    assert.equal(verifier.peek(pair.accessToken), undefined);
    assert.equal(await verifier.verify(pair.accessToken), null);
  }));

Deno.test("a verdict is read anew after 30 seconds even if no revocation was heard", () =>
  withToken(async ({ services, verifier, pair }) => {
    assert.ok(await verifier.verify(pair.accessToken));
    await services.store.write().delete(grants, pair.grantId).commit();
    services.clock.advance({ ms: 29_999 });
    assert.ok(await verifier.verify(pair.accessToken));
    services.clock.advance({ ms: 1 });
    assert.equal(await verifier.verify(pair.accessToken), null);
  }));

Deno.test("a clock that is set back does not keep a verdict", () =>
  withToken(async ({ services, verifier, pair }) => {
    assert.ok(await verifier.verify(pair.accessToken));
    services.clock.advance({ seconds: -60 });
    assert.equal(await readsDuring(services, () => verifier.verify(pair.accessToken)), 2);
  }));

Deno.test("a token is dead without its grant, and a grant alone makes no token", () =>
  withToken(async ({ services, verifier, pair }) => {
    await services.store.write().delete(grants, pair.grantId).commit();
    assert.equal(await verifier.verify(pair.accessToken), null);
    await services.store.write().delete(accessTokens, tokenId(pair.accessToken)).commit();
    assert.equal(await verifier.verify(pair.accessToken), null);
  }));

Deno.test("a revocation between the reads of token and grant is not remembered as a pass (B10 161)", async () => {
  for (const revoked of ["grant", "token"] as const) {
    await withToken(async ({ services, verifier, pair }) => {
      await services.revocations.refresh();
      const get = services.store.get.bind(services.store);
      services.store.get = async (...asked) => {
        const entry = await get(...asked);
        if (asked[0].name === "grant") {
          services.store.get = get;
          // The read has its answer already; only now the revocation happens, in this process.
          services.revocations.announce(revoked === "grant" ? pair.grantId : tokenId(pair.accessToken));
        }
        return entry;
      };
      assert.equal(await verifier.verify(pair.accessToken), null);
      assert.equal(verifier.peek(pair.accessToken), undefined);
    });
  }
});

Deno.test("a token that was unknown a moment ago is found once it exists", () =>
  withToken(async ({ services, verifier, pair }) => {
    const id = tokenId(pair.accessToken);
    const entry = await services.store.get(accessTokens, id);
    assert.ok(entry);
    await services.store.write().delete(accessTokens, id).commit();
    assert.equal(await verifier.verify(pair.accessToken), null);
    await services.store.write().set(accessTokens, [id], entry.value).commit();
    assert.ok(await verifier.verify(pair.accessToken));
  }));
