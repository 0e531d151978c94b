/**
 * Random secrets that people and clients carry: opaque, 256 bits, with a readable prefix; stored only as hashes.
 *
 * Those that are issued in masses, and ids of what is stored in masses, begin with the time (as in UUIDv7, RFC 9562 §5.7), so that the rows
 * of one moment lie side by side in the store. Keys that are nothing but hashes would each fall on another page of its tree.
 */
import { Buffer } from "node:buffer";
import { hash, timingSafeEqual } from "node:crypto";

/** Returns that many random bytes. Passed in, so that a test can make it fail. */
export type Random = (length: number) => Uint8Array;

/** The platform's cryptographic random source. */
export const systemRandom: Random = (length) => crypto.getRandomValues(new Uint8Array(length));

const SECRET_BYTES = 32;
const IDENTIFIER_BYTES = 16;
/** Milliseconds since the epoch in RFC 4648's `base32hex`, whose order is that of the numbers: 45 bits, until the year 3084. */
const TIME_LENGTH = 9;
const TIME_ORDERED_TOKEN = /^[a-z]+_([0-9a-v]{9})[A-Za-z0-9_-]{43}$/;

/** A new secret: the prefix and 256 random bits in base64url. */
export function createSecretToken(prefix: string, random: Random): string {
  return prefix + Buffer.from(random(SECRET_BYTES)).toString("base64url");
}

/** A new identifier: 128 random bits in base64url. It names a thing and is no credential. */
export function createIdentifier(random: Random): string {
  return Buffer.from(random(IDENTIFIER_BYTES)).toString("base64url");
}

/** What time-ordered tokens and ids are made from. */
export interface Moment {
  readonly random: Random;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** A new secret that says when it was made: the prefix, which ends in `_`, the time, and 256 random bits. For its row's id see {@linkcode tokenId}. */
export function createTimeOrderedToken(prefix: string, { random, now }: Moment): string {
  return createSecretToken(prefix + timeOf(now), random);
}

/** A new identifier whose order is that of time: the time and 128 random bits. */
export function createTimeOrderedIdentifier({ random, now }: Moment): string {
  return timeOf(now) + createIdentifier(random);
}

/**
 * The id of a secret's row: the time that it carries, and the hash of the whole of it, which only the secret itself yields. Of a secret
 * without a time it is the hash alone: so the tokens of before they carried one are found, too.
 */
export function tokenId(token: string): string {
  return (TIME_ORDERED_TOKEN.exec(token)?.[1] ?? "") + hashSecret(token);
}

function timeOf(now: number): string {
  return Math.floor(now).toString(32).padStart(TIME_LENGTH, "0");
}

/** SHA-256 in base64url: what the store keeps and looks up instead of the secret. */
export function hashSecret(secret: string): string {
  return hash("sha256", secret, "base64url");
}

/** Compares two strings in constant time by way of their hashes, so that neither length nor content shows. */
export function equalSecrets(a: string, b: string): boolean {
  return timingSafeEqual(hash("sha256", a, "buffer"), hash("sha256", b, "buffer"));
}
