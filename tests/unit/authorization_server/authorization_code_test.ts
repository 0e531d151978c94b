/** Redeeming a code: everything is checked before anything is used up, and a second use ends what the first one got. */
import assert from "node:assert/strict";
import { CODE_TTL_MS } from "../../../lib/authorization_server/consent.ts";
import { hashSecret, tokenId } from "../../../lib/crypto/secret_token.ts";
import { accessTokens, authorizationCodes, grants } from "../../../lib/store/schema.ts";
import { type TestServices, testServices } from "../../support/services.ts";
import {
  ALPHA,
  BETA,
  CHALLENGE,
  olderForm,
  ORIGIN,
  redeem,
  REDIRECT_URI,
  refuses,
  rotate,
  someClient,
  someCode,
  VERIFIER,
} from "./stage.ts";

type Changes = Parameters<typeof redeem>[3];

async function withCode(
  act: (
    services: TestServices,
    client: Awaited<ReturnType<typeof someClient>>,
    code: string,
  ) => Promise<void>,
  changes: Parameters<typeof someCode>[2] = {},
): Promise<void> {
  using services = await testServices();
  const client = await someClient(services);
  const { code } = await someCode(services, client, changes);
  await act(services, client, code);
}

Deno.test("a code is exchanged for a pair, and keeps a mark that it was used", () =>
  withCode(async (services, client, code) => {
    const pair = await redeem(services, client, code);
    assert.ok(pair.refreshToken);
    assert.deepEqual([pair.operationId, pair.resource, pair.scope], ["alpha", ALPHA.resource, ["mcp:tools"]]);
    const used = await services.store.get(authorizationCodes, tokenId(code));
    assert.equal(used?.value.usedAt, services.clock.now());
    assert.ok(await services.store.get(grants, pair.grantId));
  }));

Deno.test("a wrong request is refused, uses nothing up, and the right one still works (AS-16, B5 085)", () =>
  withCode(async (services, client, code) => {
    const other = await someClient(services);
    const wrong: [Changes, string, string][] = [
      [{ code: null }, "invalid_request", "code_missing"],
      [{ code: `${code}x` }, "invalid_grant", "code_unknown_or_expired"],
      [{ code: hashSecret(code) }, "invalid_grant", "code_unknown_or_expired"],
      [{ code: `ac_${tokenId(code)}` }, "invalid_grant", "code_unknown_or_expired"],
      [{ client: other }, "invalid_grant", "code_of_another_client"],
      [{ redirectUri: null }, "invalid_grant", "redirect_uri_differs"],
      [{ redirectUri: `${REDIRECT_URI}/` }, "invalid_grant", "redirect_uri_differs"],
      [{ redirectUri: "" }, "invalid_grant", "redirect_uri_differs"],
      [{ codeVerifier: null }, "invalid_grant", "code_verifier_missing_or_malformed"],
      [{ codeVerifier: "" }, "invalid_grant", "code_verifier_missing_or_malformed"],
      [{ codeVerifier: VERIFIER.slice(0, 42) }, "invalid_grant", "code_verifier_missing_or_malformed"],
      [{ codeVerifier: `${VERIFIER}x` }, "invalid_grant", "code_verifier_wrong"],
      [{ codeVerifier: CHALLENGE }, "invalid_grant", "code_verifier_wrong"],
      [{ resource: [BETA.resource] }, "invalid_target", "resource_not_granted"],
      [{ resource: [ALPHA.resource, BETA.resource] }, "invalid_target", "resource_not_granted"],
      [{ resource: [""] }, "invalid_target", "resource_not_granted"],
      [{ scope: "admin" }, "invalid_scope", "scope_widened"],
    ];
    for (const [changes, errorCode, reason] of wrong) {
      await refuses(() => redeem(services, client, code, changes), errorCode, reason);
    }
    assert.equal((await Array.fromAsync(services.store.list(accessTokens))).length, 0);
    assert.ok((await redeem(services, client, code, { resource: [ALPHA.resource, ORIGIN] })).accessToken);
  }));

Deno.test("a request that named no redirect URI may leave it out, and may not name another (RFC 6749 §4.1.3)", () =>
  withCode(async (services, client, code) => {
    await refuses(
      () => redeem(services, client, code, { redirectUri: "https://evil.test/" }),
      "invalid_grant",
      "redirect_uri_differs",
    );
    assert.ok(await redeem(services, client, code, { redirectUri: null }));
  }, { redirectUriGiven: false }));

Deno.test("a code of the older form, without its time, is redeemed once", () =>
  withCode(async (services, client, code) => {
    const older = await olderForm(services, code);
    await refuses(() => redeem(services, client, code), "invalid_grant", "code_unknown_or_expired");
    assert.ok(await redeem(services, client, older));
    await refuses(() => redeem(services, client, older), "invalid_grant", "code_replayed");
  }));

Deno.test("a code ends after 60 seconds", () =>
  withCode(async (services, client, code) => {
    services.clock.advance({ ms: CODE_TTL_MS });
    await refuses(() => redeem(services, client, code), "invalid_grant", "code_unknown_or_expired");
  }));

Deno.test("a second redemption is refused and ends the grant of the first (B8 122, AS-17)", () =>
  withCode(async (services, client, code) => {
    const pair = await redeem(services, client, code);
    // Long after the code itself would have ended.
    services.clock.advance({ days: 20 });
    await refuses(() => redeem(services, client, code), "invalid_grant", "code_replayed");
    assert.equal(await services.store.get(grants, pair.grantId), null);
    await refuses(() => rotate(services, client, pair.refreshToken), "invalid_grant", "grant_ended");
    assert.equal(services.emitted.at(-1)?.reasonCode, "code_replayed");
    await refuses(() => redeem(services, client, code), "invalid_grant", "grant_ended");
  }));

Deno.test("a stranger who replays a used code ends nobody's grant (B8 125)", () =>
  withCode(async (services, client, code) => {
    const pair = await redeem(services, client, code);
    const stranger = await someClient(services);
    await refuses(
      () => redeem(services, stranger, code),
      "invalid_grant",
      "code_of_another_client",
    );
    assert.ok(await services.store.get(grants, pair.grantId));
  }));

Deno.test("of 20 redemptions at a time one gets tokens, and they are dead afterwards (B8 124)", () =>
  withCode(async (services, client, code) => {
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, () => redeem(services, client, code)),
    );
    const won = results.filter((result) => result.status === "fulfilled");
    assert.equal(won.length, 1);
    assert.equal(await services.store.get(grants, won[0]?.value.grantId ?? ""), null);
    assert.equal((await Array.fromAsync(services.store.list(accessTokens))).length, 1);
  }));

Deno.test("a client without the refresh grant gets a refresh token only if it asked for offline_access", async () => {
  using services = await testServices();
  const client = await someClient(services, { grant_types: ["authorization_code"] });
  const plain = await someCode(services, client);
  assert.equal((await redeem(services, client, plain.code)).refreshToken, null);
  const offline = await someCode(services, client, { askedScope: ["mcp:tools", "offline_access"] });
  assert.match((await redeem(services, client, offline.code)).refreshToken ?? "", /^rt_/);
});
