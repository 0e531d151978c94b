/** Attack corpus B5: Proof Key for Code Exchange. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { tokenId } from "../../lib/crypto/secret_token.ts";
import { authorizationCodes } from "../../lib/store/schema.ts";
import {
  authorizeUrl,
  CHALLENGE,
  obtainCode,
  redeem,
  registerClient,
  VERIFIER,
} from "../support/oauth_flow.ts";
import { assertOAuthError, assertRedirect } from "./answers.ts";
import { BROWSER_ROWS, watchedGateway } from "./watched_gateway.ts";

const iss = "http://127.0.0.1:9000";

Deno.test("no request without an S256 challenge passes (B5 078, B5 079, B5 080, AS-15)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const before = await gateway.contents();
  const refused: Parameters<typeof authorizeUrl>[2][] = [
    { code_challenge: null, code_challenge_method: null },
    { code_challenge: null },
    { code_challenge: "" },
    { code_challenge_method: null },
    { code_challenge_method: "plain" },
    { code_challenge_method: "S512" },
    { code_challenge_method: "s256" },
    { code_challenge_method: "" },
    { code_challenge_method: "S256 " },
    { code_challenge: CHALLENGE.slice(1) },
    { code_challenge: "a".repeat(129) },
    { code_challenge: `${CHALLENGE}=` },
    { code_challenge: `${CHALLENGE.slice(1)}+` },
    { code_challenge: `${CHALLENGE.slice(1)} ` },
    { code_challenge: VERIFIER, code_challenge_method: "plain" },
  ];
  for (const changes of refused) {
    const response = await gateway.fetch(authorizeUrl(gateway, client, changes));
    assertRedirect(response, "invalid_request", { iss, what: JSON.stringify(changes) });
  }
  assert.deepEqual(await gateway.contents(), before);
});

Deno.test("a code is worth nothing without its verifier (B5 081, B5 084, AS-16)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const code = await obtainCode(gateway, client);
  const before = await gateway.contents();
  for (
    const code_verifier of [
      null,
      "",
      CHALLENGE,
      `${VERIFIER}=`,
      `${VERIFIER} `,
      ` ${VERIFIER}`,
      `${VERIFIER}\u0000`,
      VERIFIER.slice(0, 42),
      VERIFIER.toUpperCase(),
      "a".repeat(129),
      "null",
    ]
  ) {
    const response = await redeem(gateway, client, code, { code_verifier });
    await assertOAuthError(response, ["invalid_grant", "invalid_request"], { what: String(code_verifier) });
  }
  await assertOAuthError(
    await redeem(gateway, client, code, { code_verifier: [VERIFIER, "x".repeat(43)] }),
    "invalid_request",
  );
  assert.deepEqual(await gateway.contents(), before, "nothing was consumed");
  assert.equal((await redeem(gateway, client, code)).status, 200);
});

Deno.test("a verifier does not redeem a code that was stored without a challenge (B5 082, AS-16)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  for (const challenge of ["", undefined, createHash("sha256").update("").digest("base64url")]) {
    const code = await obtainCode(gateway, client);
    const key = [authorizationCodes.name, tokenId(code)];
    const row = (await gateway.kv.get<Uint8Array>(key)).value ?? new Uint8Array();
    const record = JSON.parse(new TextDecoder().decode(row.subarray(1)));
    const altered = JSON.stringify({ ...record, codeChallenge: challenge });
    await gateway.kv.set(key, new Uint8Array([row[0] ?? 0, ...new TextEncoder().encode(altered)]));
    await assertOAuthError(await redeem(gateway, client, code), "invalid_grant", { what: String(challenge) });
    await assertOAuthError(await redeem(gateway, client, code, { code_verifier: "" }), "invalid_grant");
  }
});

Deno.test("a wrong verifier consumes nothing; the right one then yields the only tokens (B5 083)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const code = await obtainCode(gateway, client);
  const wrong = await redeem(gateway, client, code, { code_verifier: "w".repeat(43) });
  await assertOAuthError(wrong, "invalid_grant");
  assert.equal((await redeem(gateway, client, code)).status, 200);
  await assertOAuthError(await redeem(gateway, client, code), "invalid_grant");
});

Deno.test("a code that was injected into another client's session stays worthless (B5 085)", async () => {
  await using gateway = await watchedGateway({ users: ["alice", "mallory"] });
  const honest = await registerClient(gateway, { client_name: "Honest" });
  const hostile = await registerClient(gateway, { client_name: "Hostile" });
  const theirVerifier = "m".repeat(64);
  const theirChallenge = createHash("sha256").update(theirVerifier).digest("base64url");
  await obtainCode(gateway, hostile, { user: "mallory", changes: { code_challenge: theirChallenge } });
  const code = await obtainCode(gateway, honest, { user: "alice" });
  const before = await gateway.contents(BROWSER_ROWS);
  for (const client of [hostile, honest]) {
    const response = await redeem(gateway, client, code, { code_verifier: theirVerifier });
    await assertOAuthError(response, "invalid_grant", { what: client.clientId });
  }
  assert.deepEqual(await gateway.contents(BROWSER_ROWS), before);
  assert.equal((await redeem(gateway, honest, code)).status, 200);
});
