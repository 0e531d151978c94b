/** An ID token against what is expected of it, and the keys it is judged by. */
import assert from "node:assert/strict";
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose";
import {
  IdTokenError,
  providerKeys,
  type VerifiedIdToken,
  verifyIdToken,
} from "../../../lib/login/id_token.ts";
import { ASYMMETRIC_ALGORITHMS } from "../../../lib/oauth/signature_algorithms.ts";
import type { Fetch } from "../../../lib/http/outbound_fetch.ts";
import { FakeClock } from "../../support/fake_clock.ts";

const JWKS_URL = "https://idp.test/jwks";
const EXPECTED = { issuer: "https://idp.test", audience: "client", clientId: "client", nonce: "n-0" };

/** A provider in memory: keys that can be changed, and how often they were asked for. */
async function provider(alg = "ES256", options = {}) {
  const clock = new FakeClock();
  const state = { asked: 0, answer: (): Response | Promise<Response> => Response.json({ keys: [] }) };
  const fetch: Fetch = async (url) => {
    assert.equal(url, JWKS_URL);
    state.asked++;
    return await state.answer();
  };
  const newKey = async (kid: string) => {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true, ...options });
    return { kid, privateKey, jwk: { ...await exportJWK(publicKey), kid } };
  };
  let key = await newKey("k0");
  const publish = () => {
    const { jwk } = key;
    state.answer = () => Response.json({ keys: [jwk] });
  };
  publish();
  const seconds = () => Math.floor(clock.now() / 1000);
  const sign = (claims: JWTPayload = {}, header: Record<string, unknown> = {}) =>
    new SignJWT({
      iss: EXPECTED.issuer,
      aud: EXPECTED.audience,
      sub: "alice",
      nonce: EXPECTED.nonce,
      iat: seconds(),
      exp: seconds() + 300,
      ...claims,
    }).setProtectedHeader({ alg, kid: key.kid, ...header }).sign(key.privateKey);
  const keys = providerKeys(JWKS_URL, { fetch, timeoutMs: 100, clock });
  return {
    clock,
    state,
    sign,
    verify: (token: string): Promise<VerifiedIdToken> => verifyIdToken(token, keys, { ...EXPECTED, clock }),
    async rotate(kid: string) {
      key = await newKey(kid);
      publish();
    },
    /** The set stays, but tokens are signed by a key that is not in it. */
    async stray(kid: string) {
      key = await newKey(kid);
    },
  };
}

async function reasonOf(verifying: Promise<unknown>): Promise<string> {
  const error = await verifying.then(() => null, (thrown) => thrown);
  assert.ok(error instanceof IdTokenError, String(error));
  return error.reason;
}

for (const alg of ASYMMETRIC_ALGORITHMS) {
  Deno.test(`\`verifyIdToken()\` believes a sound token signed with ${alg}`, async () => {
    const { verify, sign, clock } = await provider(alg);
    const { identity, expiresAt, claims } = await verify(await sign({ groups: ["a"] }));
    assert.deepEqual([identity.issuer, identity.subject], [EXPECTED.issuer, "alice"]);
    assert.equal(expiresAt, Math.floor(clock.now() / 1000) * 1000 + 300_000);
    assert.deepEqual(claims.groups, ["a"]);
  });
}

Deno.test("no list of algorithms holds one that is shared or none (B7 110, B7 111)", () => {
  assert.deepEqual(ASYMMETRIC_ALGORITHMS.filter((alg) => /^(?:HS|none)/i.test(alg)), []);
});

Deno.test("the identity takes its name from what there is, and an address only whole (B7 118)", async () => {
  const { verify, sign } = await provider();
  const identityOf = async (claims: JWTPayload) => (await verify(await sign(claims))).identity;
  assert.equal((await identityOf({ name: "Alice", preferred_username: "al" })).name, "Alice");
  assert.equal((await identityOf({ name: "", preferred_username: "al" })).name, "al");
  assert.equal((await identityOf({ nickname: "ally" })).name, "ally");
  assert.equal((await identityOf({ name: { given: "Alice" } })).name, null);
  assert.equal((await identityOf({ name: "a".repeat(1_000) })).name?.length, 256);
  const whole = { email: "alice@example.test", email_verified: true };
  assert.deepEqual(pick(await identityOf(whole)), ["alice@example.test", true]);
  assert.deepEqual(pick(await identityOf({ ...whole, email_verified: "true" })), [
    "alice@example.test",
    true,
  ]);
  for (const email_verified of [undefined, false, "false", "TRUE", 1, null, {}]) {
    assert.deepEqual(pick(await identityOf({ ...whole, email_verified })), ["alice@example.test", false]);
  }
  for (const email of [undefined, "", null, 7, ["a@b.c"], `${"a".repeat(250)}@example.test`]) {
    assert.deepEqual(pick(await identityOf({ email, email_verified: true })), [null, false], String(email));
  }
});

function pick({ email, emailVerified }: VerifiedIdToken["identity"]) {
  return [email, emailVerified];
}

Deno.test("the reason of a refusal is a word for the log, and the token is in no message (B16 254)", async () => {
  const { verify, sign } = await provider();
  for (
    const [token, reason] of [
      [await sign({ nonce: "n-1" }), "id_token_nonce_differs"],
      [await sign({ sub: "" }), "id_token_subject_malformed"],
      [await sign({ azp: "x" }), "id_token_authorized_party_differs"],
      [await sign({ exp: 1e300 }), "id_token_expiry_malformed"],
      [await sign({ exp: 1 }), "id_token_err_jwt_expired"],
      [await sign({ iss: "x" }), "id_token_err_jwt_claim_validation_failed_iss"],
      ["x".repeat(65_537), "id_token_too_long"],
      ["not a token", "id_token_err_jws_invalid"],
      ["", "id_token_err_jws_invalid"],
    ] as const
  ) {
    assert.equal(await reasonOf(verify(token)), reason);
    const error = await verify(token).catch((thrown) => thrown);
    assert.ok(token === "" || !String(error).includes(token));
  }
});

Deno.test("keys that cannot be had say nothing about the token (B7 119)", async () => {
  const { verify, sign, state } = await provider();
  const token = await sign();
  for (
    const answer of [
      () => new Response("down", { status: 503 }),
      () => new Response("<html>"),
      () => Response.json([]),
      () => Promise.reject(new TypeError("connection refused")),
      () => Promise.reject(new DOMException("late", "TimeoutError")),
    ]
  ) {
    state.answer = answer;
    const error = await verify(token).catch((thrown) => thrown);
    assert.ok(error instanceof Error && !(error instanceof IdTokenError), String(error));
  }
});

Deno.test("a thousand unknown key ids ask once, and again only after 30 s (B7 119)", async () => {
  const { verify, sign, state, clock, stray } = await provider();
  await verify(await sign());
  assert.equal(state.asked, 1);
  await stray("unknown");
  const token = await sign();
  const flood = async (times: number) => {
    for (let time = 0; time < times; time++) assert.match(await reasonOf(verify(token)), /no_matching_key/);
  };
  await flood(1_000);
  assert.equal(state.asked, 2);
  clock.advance({ ms: 29_999 });
  await flood(10);
  assert.equal(state.asked, 2);
  clock.advance({ ms: 1 });
  await flood(10);
  assert.equal(state.asked, 3);
});

Deno.test("a key that was changed is asked for once by all who come with it (B7 119)", async () => {
  const { verify, sign, state, rotate, clock } = await provider();
  const old = await sign();
  await verify(old);
  await rotate("k1");
  const fresh = await sign();
  await Promise.all(Array.from({ length: 20 }, () => verify(fresh)));
  assert.equal(state.asked, 2);
  clock.advance({ seconds: 31 });
  assert.match(await reasonOf(verify(old)), /no_matching_key/);
});

Deno.test("an RSA key of 1024 bits is none", async () => {
  const { verify, state, sign } = await provider("RS256");
  const weak = await crypto.subtle.generateKey(
    {
      name: "RSASSA-PKCS1-v1_5",
      modulusLength: 1024,
      publicExponent: new Uint8Array([1, 0, 1]),
      hash: "SHA-256",
    },
    true,
    ["sign", "verify"],
  );
  const jwk = await crypto.subtle.exportKey("jwk", weak.publicKey);
  state.answer = () => Response.json({ keys: [{ ...jwk, kid: "k0" }] });
  await assert.rejects(verify(await sign()));
});
