/** Revocation: a refresh token ends its grant, an access token only itself, and another client's token nothing. */
import assert from "node:assert/strict";
import { AccessTokenVerifier } from "../../../lib/authorization_server/access_token.ts";
import { revokeToken } from "../../../lib/authorization_server/revocation.ts";
import { hashSecret, tokenId } from "../../../lib/crypto/secret_token.ts";
import { grants } from "../../../lib/store/schema.ts";
import { testServices } from "../../support/services.ts";
import { olderForm, refuses, rotate, someClient, somePair } from "./stage.ts";

Deno.test("a revoked access token is dead at once; its grant and its siblings live on (RFC 7009 §2)", async () => {
  using services = await testServices();
  const verifier = new AccessTokenVerifier(services);
  const client = await someClient(services);
  const first = await somePair(services, client);
  const second = await rotate(services, client, first.refreshToken);
  assert.ok(await verifier.verify(first.accessToken));
  await revokeToken(services, client, first.accessToken);
  assert.equal(await verifier.verify(first.accessToken), null);
  assert.ok(await verifier.verify(second.accessToken));
  assert.ok(await rotate(services, client, second.refreshToken));
  assert.equal(services.emitted.at(-1)?.event, "mcp_auth_downstream_token_revoked");
});

Deno.test("a revoked refresh token ends the grant and every token under it, also a rotated one (AS-62)", async () => {
  using services = await testServices();
  const verifier = new AccessTokenVerifier(services);
  const client = await someClient(services);
  for (const pick of ["old", "new"] as const) {
    const first = await somePair(services, client);
    const second = await rotate(services, client, first.refreshToken);
    for (const { accessToken } of [first, second]) assert.ok(await verifier.verify(accessToken));
    await revokeToken(services, client, pick === "old" ? first.refreshToken : second.refreshToken);
    for (const { accessToken } of [first, second]) assert.equal(await verifier.verify(accessToken), null);
    await refuses(() => rotate(services, client, second.refreshToken), "invalid_grant", "grant_ended");
    assert.equal(await services.store.get(grants, first.grantId), null);
  }
});

Deno.test("tokens of the older form, without their time, are revoked alike", async () => {
  using services = await testServices();
  const verifier = new AccessTokenVerifier(services);
  const client = await someClient(services);
  const pair = await somePair(services, client);
  const [access, refresh] = [
    await olderForm(services, pair.accessToken),
    await olderForm(services, pair.refreshToken),
  ];
  assert.ok(await verifier.verify(access));
  await revokeToken(services, client, access);
  assert.equal(verifier.peek(access), undefined);
  assert.equal(await verifier.verify(access), null);
  assert.ok(await services.store.get(grants, pair.grantId));
  await revokeToken(services, client, refresh);
  assert.equal(await services.store.get(grants, pair.grantId), null);
});

Deno.test("another client's token is left alone (B10 156)", async () => {
  using services = await testServices();
  const verifier = new AccessTokenVerifier(services);
  const [client, stranger] = [await someClient(services), await someClient(services)];
  const pair = await somePair(services, client);
  for (const token of [pair.accessToken, pair.refreshToken]) await revokeToken(services, stranger, token);
  assert.ok(await verifier.verify(pair.accessToken));
  assert.ok(await rotate(services, client, pair.refreshToken));
});

Deno.test("unknown tokens, hashes and ids revoke nothing and fail nothing (WOP #225)", async () => {
  using services = await testServices();
  const client = await someClient(services);
  const pair = await somePair(services, client);
  for (
    const token of [
      "",
      "at_x",
      hashSecret(pair.refreshToken),
      tokenId(pair.refreshToken),
      pair.grantId,
      "x".repeat(60_000),
      "\u0000",
    ]
  ) {
    await revokeToken(services, client, token);
  }
  assert.ok(await rotate(services, client, pair.refreshToken));
});
