import assert from "node:assert/strict";
import { calculatePKCECodeChallenge, generateRandomCodeVerifier } from "@panva/oauth4webapi";
import {
  CODE_CHALLENGE_METHODS,
  isCodeChallenge,
  isCodeVerifier,
  verifierMatches,
} from "../../../lib/oauth/pkce.ts";

// RFC 7636 Appendix B
const VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

Deno.test("S256 is the only method (AS-03, AS-15, B1 011)", () => {
  assert.deepEqual(CODE_CHALLENGE_METHODS, ["S256"]);
});

Deno.test("`isCodeChallenge()` takes 43 base64url characters and nothing else (B5 080)", () => {
  assert.equal(isCodeChallenge(CHALLENGE), true);
  const refused = [
    "",
    CHALLENGE.slice(1),
    CHALLENGE + "A",
    "A".repeat(42),
    "A".repeat(129),
    CHALLENGE.slice(1) + "=",
    CHALLENGE.slice(1) + "+",
    CHALLENGE.slice(1) + "/",
    CHALLENGE.slice(1) + ".",
    CHALLENGE.slice(1) + "~",
    CHALLENGE.slice(1) + "é",
    CHALLENGE.slice(1) + "\n",
    CHALLENGE + "\n",
    CHALLENGE + "=",
    " " + CHALLENGE,
  ];
  for (const value of refused) assert.equal(isCodeChallenge(value), false, JSON.stringify(value));
});

Deno.test("`isCodeVerifier()` takes 43 to 128 unreserved characters (AS-15, B5 084)", () => {
  for (const value of [VERIFIER, "a".repeat(43), "a".repeat(128), "-._~".repeat(11)]) {
    assert.equal(isCodeVerifier(value), true, value);
  }
  const refused = [
    "",
    "a".repeat(42),
    "a".repeat(129),
    VERIFIER + "=",
    VERIFIER + " ",
    VERIFIER + "\0",
    VERIFIER + "\n",
  ]
    .concat([`${VERIFIER}+`, `${VERIFIER}/`, `${VERIFIER}é`, `${VERIFIER},${VERIFIER}`]);
  for (const value of refused) assert.equal(isCodeVerifier(value), false, JSON.stringify(value));
});

Deno.test("`verifierMatches()` agrees with RFC 7636 Appendix B and with another implementation (AS-16)", async () => {
  assert.equal(verifierMatches(VERIFIER, CHALLENGE), true);
  for (let i = 0; i < 20; i++) {
    const verifier = generateRandomCodeVerifier();
    assert.equal(verifierMatches(verifier, await calculatePKCECodeChallenge(verifier)), true);
    assert.equal(verifierMatches(verifier, CHALLENGE), false);
  }
});

Deno.test("`verifierMatches()` answers false to what is missing, malformed or plain (B5 079, 081, 083-085)", () => {
  const cases: [string, string][] = [
    ["", CHALLENGE],
    [VERIFIER, ""],
    ["", ""],
    // the method `plain`, where the verifier is the challenge itself
    [CHALLENGE, CHALLENGE],
    [VERIFIER, VERIFIER],
    [VERIFIER + "=", CHALLENGE],
    [VERIFIER + "\0", CHALLENGE],
    [` ${VERIFIER}`, CHALLENGE],
    [VERIFIER.toLowerCase(), CHALLENGE],
    [VERIFIER, CHALLENGE.toLowerCase()],
    [VERIFIER, CHALLENGE + "="],
    [VERIFIER, CHALLENGE.slice(0, -1)],
  ];
  for (const [verifier, challenge] of cases) {
    assert.equal(verifierMatches(verifier, challenge), false, JSON.stringify([verifier, challenge]));
  }
});
