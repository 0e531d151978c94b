/** Rotation: one lineage, a grace for lost answers, and an end for everything that looks like theft. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { hashSecret, tokenId } from "../../../lib/crypto/secret_token.ts";
import { grants, refreshTokens } from "../../../lib/store/schema.ts";
import { type TestServices, testServices } from "../../support/services.ts";
import { ALPHA, BETA, olderForm, ORIGIN, refuses, rotate, someClient, somePair } from "./stage.ts";

type Pair = Awaited<ReturnType<typeof somePair>>;
type SomeClient = Awaited<ReturnType<typeof someClient>>;

async function withPair(
  act: (services: TestServices, client: SomeClient, pair: Pair) => Promise<void>,
): Promise<void> {
  using services = await testServices();
  const client = await someClient(services);
  await act(services, client, await somePair(services, client));
}

async function isAlive(services: TestServices, { grantId }: { grantId: string }): Promise<boolean> {
  return await services.store.get(grants, grantId) !== null;
}

const replayed = ["invalid_grant", "refresh_token_replayed"] as const;

Deno.test("a refresh token is exchanged for a new pair of the same grant", () =>
  withPair(async (services, client, first) => {
    const second = await rotate(services, client, first.refreshToken);
    assert.equal(second.grantId, first.grantId);
    assert.notEqual(second.refreshToken, first.refreshToken);
    assert.notEqual(second.accessToken, first.accessToken);
    assert.equal(second.resource, ALPHA.resource);
    const old = await services.store.get(refreshTokens, tokenId(first.refreshToken));
    assert.equal(old?.value.successor, tokenId(second.refreshToken));
    const kept = await services.store.get(refreshTokens, tokenId(second.refreshToken));
    assert.ok(kept?.value.sealedPair);
    for (const secret of [second.refreshToken, second.accessToken]) {
      assert.ok(!Buffer.from(kept.value.sealedPair, "base64").includes(secret.slice(12, 22)));
    }
  }));

Deno.test("within the grace a rotated token answers with the very same pair (AS-58, B9 141)", () =>
  withPair(async (services, client, first) => {
    const second = await rotate(services, client, first.refreshToken);
    services.clock.advance({ ms: 119_999 });
    assert.deepEqual(await rotate(services, client, first.refreshToken), second);
    assert.deepEqual(await rotate(services, client, first.refreshToken), second);
    assert.ok(await rotate(services, client, second.refreshToken));
    assert.ok(await isAlive(services, first));
  }));

Deno.test("after the grace a rotated token ends the grant (AS-58, B9 139)", () =>
  withPair(async (services, client, first) => {
    const second = await rotate(services, client, first.refreshToken);
    services.clock.advance({ seconds: 120 });
    await refuses(() => rotate(services, client, first.refreshToken), ...replayed);
    assert.equal(await isAlive(services, first), false);
    await refuses(() => rotate(services, client, second.refreshToken), "invalid_grant", "grant_ended");
    assert.equal(services.emitted.at(-1)?.reasonCode, "refresh_token_replayed");
  }));

Deno.test("a token whose successor was used ends the grant, even within the grace (B9 142)", () =>
  withPair(async (services, client, first) => {
    const second = await rotate(services, client, first.refreshToken);
    const third = await rotate(services, client, second.refreshToken);
    await refuses(() => rotate(services, client, first.refreshToken), ...replayed);
    assert.equal(await isAlive(services, first), false);
    await refuses(() => rotate(services, client, third.refreshToken), "invalid_grant", "grant_ended");
  }));

Deno.test("a pair is kept until it is rotated, and then nobody's any more", () =>
  withPair(async (services, client, first) => {
    const pairOf = async ({ refreshToken }: Pair) =>
      (await services.store.get(refreshTokens, tokenId(refreshToken)))?.value.sealedPair;
    const second = await rotate(services, client, first.refreshToken);
    assert.equal(await pairOf(first), null);
    assert.ok(await pairOf({ ...first, ...second }));
    await rotate(services, client, second.refreshToken);
    assert.equal(await pairOf({ ...first, ...second }), null);
  }));

Deno.test("a token of the older form, without its time, is rotated, repeated within the grace, and ends the grant after it", () =>
  withPair(async (services, client, first) => {
    const older = await olderForm(services, first.refreshToken);
    const second = await rotate(services, client, older);
    assert.deepEqual(await rotate(services, client, older), second);
    services.clock.advance({ seconds: 120 });
    await refuses(() => rotate(services, client, older), ...replayed);
    assert.equal(await isAlive(services, first), false);
  }));

Deno.test("a row of before, which held its successor's pair itself, still tells theft; its pair is gone", async () => {
  for (
    const [seconds, reason, alive] of [[1, "refresh_token_unreadable", true], [
      120,
      replayed[1],
      false,
    ]] as const
  ) {
    await withPair(async (services, client, first) => {
      const second = await rotate(services, client, first.refreshToken);
      for (
        const [token, successor] of [[second.refreshToken, null], [
          first.refreshToken,
          tokenId(second.refreshToken),
        ]] as const
      ) {
        const row = await services.kv.get<Uint8Array>(["refresh_token", tokenId(token)]);
        const { sealedPair: _, ...record } = JSON.parse(new TextDecoder().decode(row.value?.subarray(1)));
        const older = {
          ...record,
          successor: successor === null ? null : { hash: successor, sealedPair: "AAAA" },
        };
        await services.kv.set(
          row.key,
          new Uint8Array([1, ...new TextEncoder().encode(JSON.stringify(older))]),
        );
      }
      services.clock.advance({ seconds });
      await refuses(() => rotate(services, client, first.refreshToken), "invalid_grant", reason);
      assert.equal(await isAlive(services, first), alive);
    });
  }
});

Deno.test("a grandparent ends the grant long after", () =>
  withPair(async (services, client, first) => {
    const second = await rotate(services, client, first.refreshToken);
    services.clock.advance({ days: 10 });
    await rotate(services, client, second.refreshToken);
    services.clock.advance({ days: 10 });
    await refuses(() => rotate(services, client, first.refreshToken), ...replayed);
    assert.equal(await isAlive(services, first), false);
  }));

Deno.test("with a grace of zero the second use ends the grant", () =>
  withPair(async (services, client, first) => {
    const lifetimes = { refreshGraceSeconds: 0 };
    await rotate(services, client, first.refreshToken, { lifetimes });
    await refuses(() => rotate(services, client, first.refreshToken, { lifetimes }), ...replayed);
  }));

Deno.test("a clock that differs by seconds is forgiven; one that is set back does not open the grace again (B9 145)", () =>
  withPair(async (services, client, first) => {
    const second = await rotate(services, client, first.refreshToken);
    services.clock.advance({ ms: -4_999 });
    assert.deepEqual(await rotate(services, client, first.refreshToken), second);
    services.clock.advance({ seconds: -60 });
    await refuses(() => rotate(services, client, first.refreshToken), ...replayed);
    assert.equal(await isAlive(services, first), false);
  }));

Deno.test("a wrong request is refused, rotates nothing, and ends nothing (AS-59)", () =>
  withPair(async (services, client, first) => {
    const stranger = await someClient(services);
    const wrong: [Parameters<typeof rotate>[2], Parameters<typeof rotate>[3], string, string][] = [
      [null, {}, "invalid_request", "refresh_token_missing"],
      ["", {}, "invalid_grant", "refresh_token_unknown_or_expired"],
      [`${first.refreshToken}x`, {}, "invalid_grant", "refresh_token_unknown_or_expired"],
      [first.accessToken, {}, "invalid_grant", "refresh_token_unknown_or_expired"],
      [hashSecret(first.refreshToken), {}, "invalid_grant", "refresh_token_unknown_or_expired"],
      [first.refreshToken, { client: stranger }, "invalid_grant", "refresh_token_of_another_client"],
      [first.refreshToken, { resource: [BETA.resource] }, "invalid_target", "resource_not_granted"],
      [first.refreshToken, { scope: "admin" }, "invalid_scope", "scope_widened"],
    ];
    for (const [token, changes, code, reason] of wrong) {
      await refuses(() => rotate(services, client, token, changes), code, reason);
    }
    const record = await services.store.get(refreshTokens, tokenId(first.refreshToken));
    assert.equal(record?.value.rotatedAt, null);
    assert.ok(await rotate(services, client, first.refreshToken, { resource: [ALPHA.resource, ORIGIN] }));
  }));

Deno.test("a stranger cannot end the grant with a rotated token, whether in the grace or after it (B9 146)", () =>
  withPair(async (services, client, first) => {
    const stranger = await someClient(services);
    await rotate(services, client, first.refreshToken);
    services.clock.advance({ days: 1 });
    await refuses(
      () => rotate(services, stranger, first.refreshToken),
      "invalid_grant",
      "refresh_token_of_another_client",
    );
    assert.ok(await isAlive(services, first));
  }));

Deno.test("a narrowed or repeated scope does not narrow the refreshes after it (RFC 6749 §6)", () =>
  withPair(async (services, client, first) => {
    const second = await rotate(services, client, first.refreshToken, { scope: "mcp:tools" });
    assert.deepEqual(second.scope, ["mcp:tools"]);
    const record = await services.store.get(refreshTokens, tokenId(second.refreshToken));
    assert.deepEqual(record?.value.scope, ["mcp:tools"]);
  }));

Deno.test("each use begins the lifetime anew, but none goes beyond the grant (AS-60)", () =>
  withPair(async (services, client, first) => {
    const expiry = async (token: string) =>
      (await services.store.get(refreshTokens, tokenId(token)))?.value.expiresAt;
    const end = (await services.store.get(grants, first.grantId))?.value.expiresAt;
    let token = first.refreshToken;
    for (let count = 0; count < 4; count++) {
      services.clock.advance({ days: 20 });
      ({ refreshToken: token } = await rotate(services, client, token));
    }
    assert.equal(await expiry(token), end);
    services.clock.advance({ days: 10 });
    await refuses(() => rotate(services, client, token), "invalid_grant", "refresh_token_unknown_or_expired");
  }));

Deno.test("an unused refresh token ends after its lifetime", () =>
  withPair(async (services, client, first) => {
    services.clock.advance({ days: 30 });
    await refuses(
      () => rotate(services, client, first.refreshToken),
      "invalid_grant",
      "refresh_token_unknown_or_expired",
    );
  }));

Deno.test("of 50 refreshes at a time all get one pair, and one successor is written (B9 140, AS-58)", () =>
  withPair(async (services, client, first) => {
    const pairs = await Promise.all(
      Array.from({ length: 50 }, () => rotate(services, client, first.refreshToken)),
    );
    for (const pair of pairs) assert.deepEqual(pair, pairs[0]);
    assert.equal((await Array.fromAsync(services.store.list(refreshTokens))).length, 2);
    assert.ok(await isAlive(services, first));
  }));

Deno.test("a sealed pair that was altered or moved is refused, and hands out nothing (B15 245)", () =>
  withPair(async (services, client, first) => {
    const second = await rotate(services, client, first.refreshToken);
    const entry = await services.store.get(refreshTokens, tokenId(second.refreshToken));
    assert.ok(entry?.value.sealedPair);
    const another = await rotate(services, client, (await somePair(services, client)).refreshToken);
    const moved = await services.store.get(refreshTokens, tokenId(another.refreshToken));
    const wrong = [entry.value.sealedPair.replace(/^../, "AA"), moved?.value.sealedPair ?? "", "", null];
    for (const sealedPair of wrong) {
      await services.store.write().set(refreshTokens, entry.id, { ...entry.value, sealedPair }).commit();
      await refuses(
        () => rotate(services, client, first.refreshToken),
        "invalid_grant",
        "refresh_token_unreadable",
      );
    }
    // The right pair under the right predecessor, in another row than its own.
    assert.ok(moved);
    const { sealedPair } = entry.value;
    await services.store.write().set(refreshTokens, moved.id, { ...moved.value, sealedPair }).commit();
    const old = await services.store.get(refreshTokens, tokenId(first.refreshToken));
    assert.ok(old);
    await services.store.write().set(refreshTokens, old.id, { ...old.value, successor: moved.id[0] })
      .commit();
    await refuses(
      () => rotate(services, client, first.refreshToken),
      "invalid_grant",
      "refresh_token_unreadable",
    );
  }));
