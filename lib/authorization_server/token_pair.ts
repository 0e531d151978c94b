/** The pair of tokens that the token endpoint issues, and its answer (RFC 6749 §5.1). */
import { createSecretToken, hashSecret } from "../crypto/secret_token.ts";
import type { Services } from "../services.ts";
import { accessTokens, type GrantRecord, refreshTokens } from "../store/schema.ts";
import type { Write } from "../store/store.ts";

/** Lifetimes of what is issued, in seconds. */
export interface TokenLifetimes {
  readonly accessTokenTtlSeconds: number;
  readonly refreshTokenTtlSeconds: number;
  readonly grantTtlSeconds: number;
  readonly refreshGraceSeconds: number;
}

/** An issued pair. */
export interface TokenPair {
  readonly grantId: string;
  readonly userId: string;
  readonly operationId: string;
  readonly accessToken: string;
  /** Milliseconds since the epoch. */
  readonly accessTokenExpiresAt: number;
  readonly refreshToken: string | null;
  readonly scope: readonly string[];
  readonly resource: string;
}

/** What the pair is issued for. */
export interface IssueOptions {
  readonly grant: GrantRecord;
  readonly scope: readonly string[];
  readonly lifetimes: TokenLifetimes;
  readonly withRefreshToken: boolean;
}

/** Makes a pair and adds its records to `write`. Nothing outlives the grant. */
export function issuePair(
  services: Pick<Services, "clock" | "random">,
  write: Write,
  options: IssueOptions,
): TokenPair {
  const { grant, lifetimes } = options;
  const now = services.clock.now();
  const expiresAfter = (seconds: number) => Math.min(now + seconds * 1000, grant.expiresAt);
  const binding = {
    grantId: grant.grantId,
    clientId: grant.clientId,
    userId: grant.userId,
    resource: grant.resource,
    operationId: grant.operationId,
    scope: [...options.scope],
  };
  const accessToken = createSecretToken("at_", services.random);
  const accessTokenExpiresAt = expiresAfter(lifetimes.accessTokenTtlSeconds);
  write.set(accessTokens, [hashSecret(accessToken)], { ...binding, expiresAt: accessTokenExpiresAt });
  const refreshToken = options.withRefreshToken ? createSecretToken("rt_", services.random) : null;
  if (refreshToken !== null) {
    write.set(refreshTokens, [hashSecret(refreshToken)], {
      ...binding,
      // The grant's scope is the ceiling: a narrowed refresh does not narrow the ones after it.
      scope: grant.scope,
      askedScope: grant.askedScope,
      rotatedAt: null,
      successor: null,
      expiresAt: expiresAfter(lifetimes.refreshTokenTtlSeconds),
    });
  }
  const { grantId, userId, operationId, resource } = grant;
  return {
    grantId,
    userId,
    operationId,
    accessToken,
    accessTokenExpiresAt,
    refreshToken,
    scope: options.scope,
    resource,
  };
}

/** The JSON of the token response; `now` in milliseconds. */
export function tokenResponse(pair: TokenPair, now: number): Record<string, unknown> {
  return {
    access_token: pair.accessToken,
    token_type: "Bearer",
    expires_in: Math.max(0, Math.floor((pair.accessTokenExpiresAt - now) / 1000)),
    ...(pair.refreshToken === null ? {} : { refresh_token: pair.refreshToken }),
    scope: pair.scope.join(" "),
    resource: pair.resource,
  };
}
