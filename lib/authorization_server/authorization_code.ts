/** Redeeming an authorization code (RFC 6749 §4.1.3, RFC 7636 §4.5, RFC 8707 §2.2). */
import { tokenId } from "../crypto/secret_token.ts";
import { OAuthError } from "../oauth/errors.ts";
import { isCodeVerifier, verifierMatches } from "../oauth/pkce.ts";
import { canonicalResource } from "../oauth/resource_indicator.ts";
import { narrowScope } from "../oauth/scope.ts";
import type { Services } from "../services.ts";
import {
  type AuthorizationCodeRecord,
  authorizationCodes,
  type GrantRecord,
  grants,
} from "../store/schema.ts";
import type { Entry } from "../store/store.ts";
import type { Client } from "./client.ts";
import { revokeGrant, writeGrant } from "./grant.ts";
import { issuePair, type TokenLifetimes, type TokenPair } from "./token_pair.ts";

/** The parameters of the token request. */
export interface CodeRedemption {
  readonly client: Client;
  readonly code: string | null;
  readonly redirectUri: string | null;
  readonly codeVerifier: string | null;
  readonly resource: readonly string[];
  readonly scope: string | null;
}

/**
 * Exchanges a code for tokens. Everything is checked on a read, so that a wrong request consumes nothing; then one commit marks the
 * code used and writes the tokens. A second redemption by the same client, beside the first or later, revokes the grant.
 * @throws {OAuthError} `invalid_request`, `invalid_grant`, `invalid_target` or `invalid_scope`.
 */
export async function redeemCode(
  services: Pick<Services, "store" | "clock" | "random" | "revocations" | "events">,
  lifetimes: TokenLifetimes,
  redemption: CodeRedemption,
): Promise<TokenPair> {
  if (redemption.code === null) {
    throw new OAuthError("invalid_request", "code is required.", { reason: "code_missing" });
  }
  const codeId = tokenId(redemption.code);
  const entry = await services.store.get(authorizationCodes, codeId);
  if (entry === null) throw refused("code_unknown_or_expired");
  if (entry.value.clientId !== redemption.client.clientId) throw refused("code_of_another_client");
  const grant = await services.store.get(grants, entry.value.grantId);
  if (grant === null) throw refused("grant_ended");
  if (entry.value.usedAt !== null) return await replayed(services, grant.value);
  checkBinding(entry.value, redemption);
  checkTarget(grant.value, redemption.resource);
  const scope = narrowScope(redemption.scope ?? undefined, grant.value.scope, grant.value.askedScope);
  const pair = await exchange(services, lifetimes, { entry, grant, scope, client: redemption.client });
  if (pair !== null) return pair;
  const now = await services.store.get(authorizationCodes, codeId);
  if (now !== null && now.value.usedAt !== null) return await replayed(services, grant.value);
  throw refused("grant_ended");
}

async function exchange(
  services: Pick<Services, "store" | "clock" | "random">,
  lifetimes: TokenLifetimes,
  read: {
    entry: Entry<AuthorizationCodeRecord>;
    grant: Entry<GrantRecord>;
    scope: readonly string[];
    client: Client;
  },
): Promise<TokenPair | null> {
  const { entry, scope, client } = read;
  const now = services.clock.now();
  const grant: GrantRecord = { ...read.grant.value, expiresAt: entry.value.grantExpiresAt };
  const write = services.store.write().check(entry).check(read.grant).set(authorizationCodes, entry.id, {
    ...entry.value,
    usedAt: now,
    expiresAt: Math.min(now + lifetimes.refreshTokenTtlSeconds * 1000, grant.expiresAt),
  });
  writeGrant(write, grant);
  const withRefreshToken = client.mayRefresh || grant.askedScope.includes("offline_access");
  const pair = issuePair(services, write, { grant, scope, lifetimes, withRefreshToken });
  return await write.commit() ? pair : null;
}

function checkBinding(code: AuthorizationCodeRecord, redemption: CodeRedemption): void {
  const { redirectUri, codeVerifier } = redemption;
  // OAuth 2.1 no longer sends it; whoever sends one must send the right one (RFC 6749 §4.1.3).
  if (redirectUri === null ? code.redirectUriGiven : redirectUri !== code.redirectUri) {
    throw refused("redirect_uri_differs");
  }
  if (codeVerifier === null || !isCodeVerifier(codeVerifier)) {
    throw refused("code_verifier_missing_or_malformed");
  }
  if (!verifierMatches(codeVerifier, code.codeChallenge)) throw refused("code_verifier_wrong");
}

/** Any `resource` of the request must name what was granted. @throws {OAuthError} `invalid_target` */
export function checkTarget(granted: { readonly resource: string }, resources: readonly string[]): void {
  for (const resource of resources) {
    const canonical = canonicalResource(resource);
    // The bare origin names no route, and so asks for nothing else (checklist Q-02).
    if (canonical !== granted.resource && canonical !== new URL(granted.resource).origin) {
      throw new OAuthError("invalid_target", "resource differs from what was authorized.", {
        reason: "resource_not_granted",
      });
    }
  }
}

async function replayed(
  services: Pick<Services, "store" | "revocations" | "events">,
  grant: GrantRecord,
): Promise<never> {
  await revokeGrant(services, grant, "code_replayed");
  throw refused("code_replayed");
}

function refused(reason: string): OAuthError {
  return new OAuthError(
    "invalid_grant",
    "The authorization code is invalid, expired, used, or was issued for another request.",
    { reason },
  );
}
