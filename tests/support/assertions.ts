/** Clients that sign their own assertions for `private_key_jwt` (RFC 7523), rightly or with one thing bent. */
import { exportJWK, generateKeyPair, type JWK, type JWTHeaderParameters, SignJWT } from "jose";
import type { Clock } from "../../lib/runtime/clock.ts";

/** RFC 7523 §2.2 */
export const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/** A key pair of a client. */
export interface SigningKey {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: CryptoKey;
  /** With `kid` and `alg`. */
  readonly publicJwk: JWK;
}

/** Makes a key pair. */
export async function signingKey(kid: string, alg = "ES256"): Promise<SigningKey> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  return { kid, alg, privateKey, publicJwk: { ...await exportJWK(publicKey), kid, alg, use: "sig" } };
}

/** What to bend; `null` leaves a claim out. */
export interface AssertionChanges {
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly header?: Readonly<Partial<JWTHeaderParameters>>;
}

/** An assertion for a client that is right at `clock`, with changes. */
export async function assertionOf(
  key: SigningKey,
  { clientId, audience, clock }: {
    readonly clientId: string;
    readonly audience: string;
    readonly clock: Clock;
  },
  { claims = {}, header = {} }: AssertionChanges = {},
): Promise<string> {
  const now = Math.floor(clock.now() / 1000);
  const all: Record<string, unknown> = {
    iss: clientId,
    sub: clientId,
    aud: audience,
    iat: now,
    exp: now + 60,
    jti: crypto.randomUUID(),
    ...claims,
  };
  const payload = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null));
  return await new SignJWT(payload).setProtectedHeader({ alg: key.alg, kid: key.kid, ...header })
    .sign(key.privateKey);
}

/** The parts of a JWT that nobody signed, or that somebody did by other means. */
export function jwtParts(...parts: readonly unknown[]): string {
  return parts.map((part) =>
    typeof part === "string"
      ? part
      : new TextEncoder().encode(JSON.stringify(part)).toBase64({ alphabet: "base64url", omitPadding: true })
  ).join(".");
}
