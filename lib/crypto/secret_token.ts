/** Random secrets that people and clients carry: opaque, 256 bits, with a readable prefix; stored only as hashes. */
import { Buffer } from "node:buffer";
import { hash, timingSafeEqual } from "node:crypto";

/** Returns that many random bytes. Passed in, so that a test can make it fail. */
export type Random = (length: number) => Uint8Array;

/** The platform's cryptographic random source. */
export const systemRandom: Random = (length) => crypto.getRandomValues(new Uint8Array(length));

const SECRET_BYTES = 32;
const IDENTIFIER_BYTES = 16;

/** A new secret: the prefix and 256 random bits in base64url. */
export function createSecretToken(prefix: string, random: Random): string {
  return prefix + Buffer.from(random(SECRET_BYTES)).toString("base64url");
}

/** A new identifier: 128 random bits in base64url. It names a thing and is no credential. */
export function createIdentifier(random: Random): string {
  return Buffer.from(random(IDENTIFIER_BYTES)).toString("base64url");
}

/** SHA-256 in base64url: what the store keeps and looks up instead of the secret. */
export function hashSecret(secret: string): string {
  return hash("sha256", secret, "base64url");
}

/** Compares two strings in constant time by way of their hashes, so that neither length nor content shows. */
export function equalSecrets(a: string, b: string): boolean {
  return timingSafeEqual(hash("sha256", a, "buffer"), hash("sha256", b, "buffer"));
}
