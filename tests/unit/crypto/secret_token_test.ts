/** Secret tokens: length, alphabet, hash, comparison. */
import assert from "node:assert/strict";
import {
  createIdentifier,
  createSecretToken,
  equalSecrets,
  hashSecret,
  systemRandom,
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
