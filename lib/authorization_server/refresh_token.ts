/**
 * Refresh token rotation (RFC 9700 §4.14.2) that forgives a lost response: within the grace a rotated token answers with the very
 * pair it was rotated to, so parallel refreshes share one lineage. After the grace, or once the successor was itself used,
 * the token's return means theft, and the grant is revoked.
 */
import { tokenId } from "../crypto/secret_token.ts";
import { OAuthError } from "../oauth/errors.ts";
import { narrowScope } from "../oauth/scope.ts";
import type { Services } from "../services.ts";
import { grants, type RefreshTokenRecord, refreshTokens } from "../store/schema.ts";
import type { Entry } from "../store/store.ts";
import { checkTarget } from "./authorization_code.ts";
import type { Client } from "./client.ts";
import { revokeGrant } from "./grant.ts";
import { issuePair, openPair, type TokenLifetimes, type TokenPair } from "./token_pair.ts";

type RefreshServices = Pick<Services, "store" | "clock" | "random" | "revocations" | "events">;

/** How far the clocks of two processes may differ, in milliseconds. */
const CLOCK_SKEW_MS = 5_000;

/** The parameters of the token request. */
export interface RefreshRequest {
  readonly client: Client;
  readonly refreshToken: string | null;
  readonly resource: readonly string[];
  readonly scope: string | null;
}

/**
 * Exchanges a refresh token for the next pair. Nothing is written before the whole request has been checked.
 * @throws {OAuthError} `invalid_request`, `invalid_grant`, `unauthorized_client`, `invalid_target` or `invalid_scope`.
 */
export async function refresh(
  services: RefreshServices,
  lifetimes: TokenLifetimes,
  request: RefreshRequest,
): Promise<TokenPair> {
  const { refreshToken: token } = request;
  if (token === null) {
    throw new OAuthError("invalid_request", "refresh_token is required.", {
      reason: "refresh_token_missing",
    });
  }
  const entry = await services.store.get(refreshTokens, tokenId(token));
  if (entry === null) {
    // A client that did not register the grant may still hold a token that it asked for with offline_access, but not just any string.
    if (!request.client.mayRefresh) throw notAllowed();
    throw refused("refresh_token_unknown_or_expired");
  }
  if (entry.value.clientId !== request.client.clientId) throw refused("refresh_token_of_another_client");
  checkTarget(entry.value, request.resource);
  const scope = narrowScope(request.scope ?? undefined, entry.value.scope, entry.value.askedScope);
  if (entry.value.rotatedAt !== null) return await repeat(services, lifetimes, token, entry);
  const pair = await rotate(services, lifetimes, { token, entry, scope });
  if (pair !== null) return pair;
  // Somebody else was faster with the same token: answer what they were answered.
  const now = await services.store.get(refreshTokens, ...entry.id);
  if (now === null || now.value.rotatedAt === null) throw refused("grant_ended");
  return await repeat(services, lifetimes, token, now);
}

async function rotate(
  services: RefreshServices,
  lifetimes: TokenLifetimes,
  presented: { token: string; entry: Entry<RefreshTokenRecord>; scope: readonly string[] },
): Promise<TokenPair | null> {
  const { token, entry, scope } = presented;
  const grant = await services.store.get(grants, entry.value.grantId);
  if (grant === null) throw refused("grant_ended");
  const write = services.store.write().check(entry).check(grant);
  const pair = issuePair(services, write, {
    grant: grant.value,
    scope,
    lifetimes,
    withRefreshToken: true,
    predecessor: token,
  });
  write.set(refreshTokens, entry.id, {
    ...entry.value,
    rotatedAt: services.clock.now(),
    successor: tokenId(pair.refreshToken ?? ""),
    // Its own predecessor gets nothing any more: coming back now, it would be theft.
    sealedPair: null,
  });
  return await write.commit() ? pair : null;
}

async function repeat(
  services: RefreshServices,
  lifetimes: TokenLifetimes,
  token: string,
  entry: Entry<RefreshTokenRecord>,
): Promise<TokenPair> {
  const { rotatedAt, successor } = entry.value;
  const grant = await services.store.get(grants, entry.value.grantId);
  if (grant === null) throw refused("grant_ended");
  const age = services.clock.now() - (rotatedAt ?? 0);
  const next = successor === null ? null : await services.store.get(refreshTokens, successor);
  // Clocks of two processes differ a little; a clock that was set back must not open the window again.
  const inGrace = age > -CLOCK_SKEW_MS && age < lifetimes.refreshGraceSeconds * 1000;
  if (!inGrace || next === null || next.value.rotatedAt !== null) {
    await revokeGrant(services, entry.value, "refresh_token_replayed");
    throw refused("refresh_token_replayed");
  }
  const pair = openPair(next, token);
  if (pair === null) throw refused("refresh_token_unreadable");
  return pair;
}

function notAllowed(): OAuthError {
  return new OAuthError("unauthorized_client", "The client did not register the refresh_token grant.", {
    reason: "grant_type_not_registered",
  });
}

function refused(reason: string): OAuthError {
  return new OAuthError(
    "invalid_grant",
    "The refresh token is invalid, expired, revoked, or was issued to another client.",
    { reason },
  );
}
