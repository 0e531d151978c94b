/** Proof Key for Code Exchange, S256 only (RFC 7636). */
import { createHash, timingSafeEqual } from "node:crypto";

/** What metadata advertises, and the only `code_challenge_method` the authorization endpoint takes. */
export const CODE_CHALLENGE_METHODS: readonly string[] = Object.freeze(["S256"]);

/** Whether `value` has the form of an S256 challenge: a SHA-256 digest in base64url without padding, 43 characters. */
export function isCodeChallenge(value: string): boolean {
  return /^[A-Za-z0-9_-]{43}$/.test(value);
}

/** Whether `value` has the form of a verifier: 43 to 128 unreserved characters (RFC 7636 §4.1). */
export function isCodeVerifier(value: string): boolean {
  return /^[A-Za-z0-9._~-]{43,128}$/.test(value);
}

/** Whether `verifier` is what `challenge` was made from. Malformed input never matches; the comparison is constant-time. */
export function verifierMatches(verifier: string, challenge: string): boolean {
  if (!isCodeVerifier(verifier) || !isCodeChallenge(challenge)) return false;
  const computed = createHash("sha256").update(verifier, "ascii").digest("base64url");
  return timingSafeEqual(new TextEncoder().encode(computed), new TextEncoder().encode(challenge));
}
