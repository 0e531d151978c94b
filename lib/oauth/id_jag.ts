/** The claims of an Identity Assertion JWT Authorization Grant (draft-ietf-oauth-identity-assertion-authz-grant), judged without I/O. */
import { OAuthError } from "./errors.ts";
import { canonicalResource } from "./resource_indicator.ts";

/** An issuer whose assertions count, as the configuration names it. */
export interface TrustedIssuer {
  readonly issuer: string;
  readonly jwksUrl: string;
  /** `null`: any client of ours. */
  readonly expectedClientIds: readonly string[] | null;
  readonly subjectMapping: "issuer-subject" | "email";
}

/** `typ` of the JWT's header. */
export const ID_JAG_TYPE = "oauth-id-jag+jwt";

const CLOCK_SKEW_SECONDS = 60;
const MAX_LIFETIME_SECONDS = 300;
const SUBJECT = /^[\x20-\x7e]{1,255}$/;

/** What the claims are held against. */
export interface IdJagExpectation {
  /** Our issuer. */
  readonly audience: string;
  /** The authenticated client. */
  readonly clientId: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** What a valid assertion says. */
export interface IdJagClaims {
  readonly issuer: string;
  readonly subject: string;
  readonly jti: string;
  /** Milliseconds since the epoch, skew included: until then the assertion must not be used again. */
  readonly replayableUntil: number;
  /** Canonical; `null` if the assertion names none. */
  readonly resource: string | null;
  /** `null` if the assertion does not limit the scope. */
  readonly scope: string | null;
  readonly email: string | null;
}

/**
 * Judges the claims of an assertion whose signature, `typ` and `iss` have been verified.
 * @throws {OAuthError} `invalid_grant`
 */
export function readIdJagClaims(
  claims: Readonly<Record<string, unknown>>,
  expected: IdJagExpectation,
): IdJagClaims {
  const { iss, sub, aud, client_id: clientId, jti, exp, iat, nbf } = claims;
  const audiences = Array.isArray(aud) ? aud : [aud];
  // More than one audience would make it good at another server, too.
  if (audiences.length !== 1 || audiences[0] !== expected.audience) throw refused("id_jag_audience");
  if (clientId !== expected.clientId) throw refused("id_jag_client");
  if (typeof sub !== "string" || !SUBJECT.test(sub)) throw refused("id_jag_subject");
  if (typeof jti !== "string" || jti === "" || jti.length > 1024) throw refused("id_jag_jti");
  // A proof-of-possession key or rich authorization that we would ignore must not pass as if we honoured it.
  if (claims.cnf !== undefined || claims.authorization_details !== undefined) {
    throw refused("id_jag_unsupported_claim");
  }
  const expiry = lifetime({ exp, iat, nbf }, expected.now / 1000);
  return {
    issuer: String(iss),
    subject: sub,
    jti,
    replayableUntil: (expiry + CLOCK_SKEW_SECONDS) * 1000,
    resource: readResource(claims.resource),
    scope: readScope(claims.scope),
    email: typeof claims.email === "string" && mayBeVerified(claims.email_verified) ? claims.email : null,
  };
}

/** The issuer is trusted to name its users' addresses, unless it says of one that it is not verified; some say so in text. */
function mayBeVerified(claim: unknown): boolean {
  return claim === undefined || claim === true || claim === "true";
}

function lifetime({ exp, iat, nbf }: { exp: unknown; iat: unknown; nbf: unknown }, now: number): number {
  if (typeof exp !== "number" || typeof iat !== "number" || !Number.isFinite(exp) || !Number.isFinite(iat)) {
    throw refused("id_jag_times");
  }
  if (exp <= now - CLOCK_SKEW_SECONDS || iat > now + CLOCK_SKEW_SECONDS) throw refused("id_jag_times");
  if (nbf !== undefined && (typeof nbf !== "number" || nbf > now + CLOCK_SKEW_SECONDS)) {
    throw refused("id_jag_times");
  }
  if (exp - iat > MAX_LIFETIME_SECONDS || exp <= iat) throw refused("id_jag_lives_too_long");
  return exp;
}

function readResource(claim: unknown): string | null {
  const values = claim === undefined ? [] : Array.isArray(claim) ? claim : [claim];
  const [only, ...others] = values;
  if (only === undefined) return null;
  const canonical = typeof only === "string" ? canonicalResource(only) : null;
  if (canonical === null || others.length > 0) throw refused("id_jag_resource");
  return canonical;
}

function readScope(claim: unknown): string | null {
  if (claim === undefined) return null;
  if (typeof claim !== "string") throw refused("id_jag_scope");
  return claim;
}

function refused(reason: string): OAuthError {
  return new OAuthError(
    "invalid_grant",
    "The identity assertion is invalid, expired, used, or was issued for somebody else.",
    { reason },
  );
}
