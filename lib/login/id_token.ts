/** Verifying an ID token (OpenID Connect Core §3.1.3.7): by configuration, never by what the token says of itself. */
import {
  createRemoteJWKSet,
  customFetch,
  errors,
  type JWTPayload,
  jwtVerify,
  type JWTVerifyGetKey,
} from "jose";
import { type Fetch, libraryFetch } from "../http/outbound_fetch.ts";
import { ASYMMETRIC_ALGORITHMS } from "../oauth/signature_algorithms.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Identity } from "./identity.ts";

const CLOCK_SKEW_SECONDS = 60;
/** A token that answers a code exchange is fresh. */
const MAX_AGE_SECONDS = 3_600;
/** No honest ID token lives longer; a number beyond it is an overflow or an attack. */
const MAX_LIFETIME_SECONDS = 366 * 86_400;
const MAX_TOKEN_LENGTH = 65_536;
/** RFC 5321 §4.5.3.1.3, without the angle brackets. */
const MAX_EMAIL_LENGTH = 254;
/** How often a token that names an unknown key may make us ask for the keys again. */
const KEY_COOLDOWN_MS = 30_000;
/** OpenID Connect Core §2: `sub` has at most 255 ASCII characters. */
const SUBJECT = /^[\x20-\x7e]{1,255}$/;

/** The token is not to be believed. */
export class IdTokenError extends Error {
  override readonly name = "IdTokenError";
  /** A snake_case word for the event log. */
  readonly reason: string;

  constructor(reason: string, options: { cause?: unknown } = {}) {
    super(`The ID token is refused: ${reason}`, options);
    this.reason = reason;
  }
}

/** What a token is held against. */
export interface IdTokenExpectation {
  readonly issuer: string;
  readonly audience: string;
  /** Our client id: `azp`, where there is one, has to be it. */
  readonly clientId: string;
  readonly nonce: string;
}

/** A verified token. */
export interface VerifiedIdToken {
  readonly identity: Identity;
  readonly claims: JWTPayload;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/**
 * The provider's keys, fetched when needed. An unknown key id asks again at once, since the provider may just have changed its key,
 * and after that at most every 30 s.
 */
export function providerKeys(
  jwksUrl: string,
  options: { readonly fetch: Fetch; readonly timeoutMs: number; readonly clock: Clock },
): JWTVerifyGetKey {
  const keys = createRemoteJWKSet(new URL(jwksUrl), {
    timeoutDuration: options.timeoutMs,
    // jose's own cool-down begins with the first fetch, and would refuse the first users after a change of keys.
    cooldownDuration: Infinity,
    [customFetch]: libraryFetch(options.fetch),
  });
  let askAgainAt = Number.NEGATIVE_INFINITY;
  return async (header, token) => {
    try {
      return await keys(header, token);
    } catch (error) {
      const now = options.clock.now();
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      // Who comes while the keys are on their way shares them.
      if (!keys.reloading) {
        if (now < askAgainAt) throw error;
        askAgainAt = now + KEY_COOLDOWN_MS;
      }
      await keys.reload();
      return await keys(header, token);
    }
  };
}

/**
 * Verifies the signature and every claim.
 * @throws {IdTokenError} if the token is not to be believed.
 * @throws other errors if the keys cannot be fetched.
 */
export async function verifyIdToken(
  token: string,
  keys: JWTVerifyGetKey,
  expected: IdTokenExpectation & { readonly clock: Clock },
): Promise<VerifiedIdToken> {
  const { issuer, audience, clock } = expected;
  const verified = await verifySignedClaims(token, keys, { issuer, audience, clock });
  const { nonce, azp, aud } = verified.claims;
  if (nonce !== expected.nonce) throw new IdTokenError("id_token_nonce_differs");
  if (azp !== undefined ? azp !== expected.clientId : Array.isArray(aud) && aud.length > 1) {
    throw new IdTokenError("id_token_authorized_party_differs");
  }
  const { claims, subject, expiresAt } = verified;
  return { identity: identityOf(issuer, subject, claims), claims, expiresAt };
}

/** Claims whose signature, issuer, times and subject hold. */
export interface SignedClaims {
  readonly claims: JWTPayload;
  readonly subject: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/**
 * What holds for every token of a provider that says who signed in; an `audience` is compared only if one is given.
 * @throws {IdTokenError} if the token is not to be believed.
 * @throws other errors if the keys cannot be fetched.
 */
export async function verifySignedClaims(
  token: string,
  keys: JWTVerifyGetKey,
  expected: {
    readonly issuer: string | readonly string[];
    readonly audience?: string;
    readonly clock: Clock;
  },
): Promise<SignedClaims> {
  if (token.length > MAX_TOKEN_LENGTH) throw new IdTokenError("id_token_too_long");
  const now = expected.clock.now();
  const claims = await verify(token, keys, expected, now);
  const { sub, exp = 0 } = claims;
  if (typeof sub !== "string" || !SUBJECT.test(sub)) throw new IdTokenError("id_token_subject_malformed");
  if (!Number.isSafeInteger(Math.ceil(exp)) || exp > now / 1000 + MAX_LIFETIME_SECONDS) {
    throw new IdTokenError("id_token_expiry_malformed");
  }
  return { claims, subject: sub, expiresAt: exp * 1000 };
}

async function verify(
  token: string,
  keys: JWTVerifyGetKey,
  expected: { readonly issuer: string | readonly string[]; readonly audience?: string },
  now: number,
): Promise<JWTPayload> {
  const { issuer, audience } = expected;
  try {
    const { payload } = await jwtVerify(token, keys, {
      issuer: typeof issuer === "string" ? issuer : [...issuer],
      ...(audience === undefined ? {} : { audience }),
      algorithms: [...ASYMMETRIC_ALGORITHMS],
      clockTolerance: CLOCK_SKEW_SECONDS,
      maxTokenAge: MAX_AGE_SECONDS,
      requiredClaims: ["sub", "exp", "iat"],
      currentDate: new Date(now),
    });
    return payload;
  } catch (error) {
    // A key set that did not arrive says nothing about the token.
    if (!(error instanceof errors.JOSEError) || error instanceof errors.JWKSTimeout) throw error;
    if (error.constructor === errors.JOSEError || error instanceof errors.JWKSInvalid) throw error;
    // Which claim it was is what an operator has to know first.
    const claim = error instanceof errors.JWTClaimValidationFailed ? `_${error.claim}` : "";
    throw new IdTokenError(`id_token_${error.code.toLowerCase()}${claim}`, { cause: error });
  }
}

/** The identity that claims describe. */
export function identityOf(issuer: string, subject: string, claims: JWTPayload): Identity {
  const text = (value: unknown) => typeof value === "string" && value !== "" ? value.slice(0, 256) : null;
  // Half an address is somebody else's.
  const email = typeof claims.email === "string" && claims.email.length <= MAX_EMAIL_LENGTH
    ? text(claims.email)
    : null;
  return {
    issuer,
    subject,
    name: text(claims.name) ?? text(claims.preferred_username) ?? text(claims.nickname),
    email,
    // Some providers send it as a string.
    emailVerified: email !== null && (claims.email_verified === true || claims.email_verified === "true"),
  };
}
