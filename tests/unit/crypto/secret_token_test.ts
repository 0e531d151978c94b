/** Secret tokens: length, alphabet, hash, comparison. */
import assert from "node:assert/strict";
import {
  createIdentifier,
  createSecretToken,
  createTimeOrderedIdentifier,
  createTimeOrderedToken,
  equalSecrets,
  hashSecret,
  systemRandom,
  tokenId,
} from "../../../lib/crypto/secret_token.ts";

Deno.test("`createSecretToken()` is the prefix and 256 random bits in base64url", () => {
  const asked: number[] = [];
  const token = createSecretToken("at_", (length) => {
    asked.push(length);
    return new Uint8Array(length).fill(0xfb);
  });
  assert.deepEqual(asked, [32]);
  assert.equal(
    token,
    `at_${new Uint8Array(32).fill(0xfb).toBase64({ alphabet: "base64url", omitPadding: true })}`,
  );
  assert.match(token, /^at_[A-Za-z0-9_-]{43}$/);
});

Deno.test("`createIdentifier()` is 128 random bits in base64url", () => {
  assert.match(createIdentifier(systemRandom), /^[A-Za-z0-9_-]{22}$/);
  assert.equal(createIdentifier((length) => new Uint8Array(length)), "A".repeat(22));
});

const NOW = Date.UTC(2026, 10, 21, 9);

Deno.test("a time-ordered token is the prefix, the time in 9 digits of base32hex, and 256 random bits (B15 244)", () => {
  const asked: number[] = [];
  const random = (length: number) => {
    asked.push(length);
    return new Uint8Array(length).fill(0xfb);
  };
  const token = createTimeOrderedToken("at_", { random, now: NOW });
  assert.deepEqual(asked, [32]);
  assert.equal(token, `at_${NOW.toString(32)}${createSecretToken("", random)}`);
  assert.match(token, /^at_[0-9a-v]{9}[A-Za-z0-9_-]{43}$/);
  assert.equal(Number.parseInt(token.slice(3, 12), 32), NOW);
});

Deno.test("a time-ordered id is the time and 128 random bits; its order is that of time, from 1970 to 3084", () => {
  const idAt = (now: number) => createTimeOrderedIdentifier({ random: systemRandom, now });
  assert.match(idAt(NOW), /^[0-9a-v]{9}[A-Za-z0-9_-]{22}$/);
  assert.notEqual(idAt(NOW), idAt(NOW));
  // KV orders text by its bytes.
  const ids = [0, 1, 31, 32, NOW - 1, NOW, NOW + 0.5, NOW + 1, NOW * 10, 2 ** 45 - 1].map(idAt);
  const times = ids.map((id) => id.slice(0, 9));
  assert.deepEqual([...times].sort(), times);
  assert.ok(ids.every((id) => id.length === 31));
});

Deno.test("`tokenId()` is the time of a token before the hash of all of it; without a time, the hash alone", () => {
  const moment = { random: systemRandom, now: NOW };
  for (const prefix of ["at_", "rt_", "ac_"]) {
    const token = createTimeOrderedToken(prefix, moment);
    assert.equal(tokenId(token), token.slice(3, 12) + hashSecret(token));
    // The same random bits with another time, or a time cut off, are another token.
    const otherTime = prefix + NOW.toString(32).replace(/.$/, "v") + token.slice(12);
    const noTime = prefix + token.slice(12);
    assert.equal(new Set([token, otherTime, noTime].map((each) => tokenId(each).slice(-43))).size, 3);
  }
  const older = createSecretToken("at_", systemRandom);
  for (const other of [older, "", "at_", "x".repeat(60_000), `${createTimeOrderedToken("at_", moment)}x`]) {
    assert.equal(tokenId(other), hashSecret(other));
  }
});

Deno.test("the system's random source does not repeat", () => {
  const tokens = new Set(Array.from({ length: 1_000 }, () => createSecretToken("", systemRandom)));
  assert.equal(tokens.size, 1_000);
});

Deno.test("`hashSecret()` is SHA-256 in base64url (B15 244)", async () => {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode("at_secret"));
  assert.equal(
    hashSecret("at_secret"),
    new Uint8Array(digest).toBase64({ alphabet: "base64url", omitPadding: true }),
  );
});

Deno.test("`equalSecrets()` compares whole strings of any length", () => {
  assert.equal(equalSecrets("abc", "abc"), true);
  assert.equal(equalSecrets("", ""), true);
  for (const [a, b] of [["abc", "abd"], ["abc", "ab"], ["", "a"], ["abc", "ABC"]] as const) {
    assert.equal(equalSecrets(a, b), false, `${a} / ${b}`);
  }
});
