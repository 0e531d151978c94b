/** Rotation: one lineage, a grace for lost answers, and an end for everything that looks like theft. */
import assert from "node:assert/strict";
import { hashSecret } from "../../../lib/crypto/secret_token.ts";
import { grants, refreshTokens } from "../../../lib/store/schema.ts";
import { type TestServices, testServices } from "../../support/services.ts";
import { ALPHA, BETA, ORIGIN, refuses, rotate, someClient, somePair } from "./stage.ts";

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
    const old = await services.store.get(refreshTokens, hashSecret(first.refreshToken));
    assert.equal(old?.value.successor?.hash, hashSecret(second.refreshToken));
    assert.ok(!old?.value.successor?.sealedPair.includes(second.refreshToken.slice(3, 13)));
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
    const record = await services.store.get(refreshTokens, hashSecret(first.refreshToken));
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
    const record = await services.store.get(refreshTokens, hashSecret(second.refreshToken));
    assert.deepEqual(record?.value.scope, ["mcp:tools"]);
  }));

Deno.test("each use begins the lifetime anew, but none goes beyond the grant (AS-60)", () =>
  withPair(async (services, client, first) => {
    const expiry = async (token: string) =>
      (await services.store.get(refreshTokens, hashSecret(token)))?.value.expiresAt;
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
    await rotate(services, client, first.refreshToken);
    const entry = await services.store.get(refreshTokens, hashSecret(first.refreshToken));
    assert.ok(entry?.value.successor);
    const { successor } = entry.value;
    const altered = { ...successor, sealedPair: successor.sealedPair.replace(/^../, "AA") };
    await services.store.write().set(refreshTokens, entry.id, { ...entry.value, successor: altered })
      .commit();
    await refuses(
      () => rotate(services, client, first.refreshToken),
      "invalid_grant",
      "refresh_token_unreadable",
    );
  }));
