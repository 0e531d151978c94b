/** The user's decision: it turns a waiting authorization request into a grant and a code, in one commit. */
import { createTimeOrderedIdentifier, createTimeOrderedToken, tokenId } from "../crypto/secret_token.ts";
import type { Services } from "../services.ts";
import {
  authorizationCodes,
  type AuthorizationRecord,
  authorizations,
  type GrantRecord,
} from "../store/schema.ts";
import type { Entry } from "../store/store.ts";
import type { Target } from "./authorization_request.ts";
import type { Client } from "./client.ts";
import { writeGrant } from "./grant.ts";

/** How long an authorization code can be redeemed, in milliseconds. */
export const CODE_TTL_MS = 60_000;

/** What the user saw when pressing the button. */
export interface Approval {
  readonly userId: string;
  readonly client: Client;
  readonly target: Target;
}

/**
 * Records the consent and issues the code; `null` if the request was decided elsewhere meanwhile.
 * Until the code is redeemed the grant lives no longer than the code.
 */
export async function approve(
  services: Pick<Services, "store" | "clock" | "random">,
  entry: Entry<AuthorizationRecord>,
  approval: Approval & { readonly grantTtlSeconds: number },
): Promise<{ code: string; grant: GrantRecord } | null> {
  const { store, clock, random } = services;
  const request = entry.value;
  const now = clock.now();
  const grant: GrantRecord = {
    grantId: createTimeOrderedIdentifier({ random, now }),
    userId: approval.userId,
    clientId: approval.client.clientId,
    clientName: approval.client.name,
    clientMetadataHash: approval.client.metadataHash,
    redirectUri: request.redirectUri,
    resource: approval.target.resource,
    operationId: approval.target.operationId,
    scope: request.scope,
    askedScope: request.askedScope,
    approvedAt: now,
    expiresAt: now + CODE_TTL_MS,
  };
  const code = createTimeOrderedToken("ac_", { random, now });
  const write = store.write().check(entry).delete(authorizations, ...entry.id)
    .set(authorizationCodes, [tokenId(code)], {
      grantId: grant.grantId,
      clientId: grant.clientId,
      redirectUri: request.redirectUri,
      redirectUriGiven: request.redirectUriGiven,
      codeChallenge: request.codeChallenge,
      grantExpiresAt: now + approval.grantTtlSeconds * 1000,
      usedAt: null,
      expiresAt: now + CODE_TTL_MS,
    });
  return await writeGrant(write, grant).commit() ? { code, grant } : null;
}
