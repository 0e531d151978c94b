/** The one scope of the gateway, and what clients may say about it (RFC 6749 §3.3). */
import { OAuthError } from "./errors.ts";

/** The scope of every token. What a token may do is decided by its route, not by scopes. */
export const SCOPE = "mcp:tools";

/** What both metadata documents list. */
export const SUPPORTED_SCOPES: readonly string[] = Object.freeze([SCOPE]);

// RFC 6749 Appendix A: scope-token = 1*NQCHAR, and NQCHAR is %x21 / %x23-5B / %x5D-7E.
const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/**
 * The values of a `scope` parameter, in order, each once. Leading and doubled spaces are tolerated, since clients
 * send them; a value with a character that RFC 6749 does not allow in a scope is dropped.
 */
export function parseScope(text: string | undefined): string[] {
  if (text === undefined) return [];
  return [...new Set(text.split(" "))].filter((value) => SCOPE_TOKEN.test(value));
}

/**
 * What an authorization grants when it was asked for `requested`: always {@linkcode SCOPE}. Values we do not know
 * (`offline_access`, `openid`, …) are dropped and not refused, because clients ask for them unprompted.
 */
export function grantScope(_requested: readonly string[]): readonly string[] {
  return SUPPORTED_SCOPES;
}

/**
 * The scope of a token request that may repeat or narrow what was granted, never widen it (RFC 6749 §6).
 *
 * Values that the client asked for at first and did not get are dropped: a client that repeats its original
 * `scope` at every refresh has done nothing wrong. When nothing else is left, the granted scope stands.
 *
 * @throws {OAuthError} `invalid_scope` for a value that was neither granted nor asked for.
 */
export function narrowScope(
  requested: string | undefined,
  granted: readonly string[],
  asked: readonly string[],
): readonly string[] {
  const values = parseScope(requested);
  const known = new Set([...granted, ...asked]);
  if (values.some((value) => !known.has(value))) {
    throw new OAuthError("invalid_scope", "The scope exceeds what was granted.", { reason: "scope_widened" });
  }
  const kept = values.filter((value) => granted.includes(value));
  return kept.length === 0 ? granted : kept;
}
