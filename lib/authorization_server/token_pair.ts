/** The pair of tokens that the token endpoint issues, and its answer (RFC 6749 §5.1). */
import { Buffer } from "node:buffer";
import { openUnderToken, sealUnderToken } from "../crypto/keyring.ts";
import { createTimeOrderedToken, tokenId } from "../crypto/secret_token.ts";
import type { Services } from "../services.ts";
import { accessTokens, type GrantRecord, type RefreshTokenRecord, refreshTokens } from "../store/schema.ts";
import type { Entry, Write } from "../store/store.ts";

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
  /** The refresh token that the pair is given for; whoever brings it again may get the pair again. */
  readonly predecessor?: string;
}

/** What a pair does not share with the row that it is kept in. */
type PairSecrets = Pick<TokenPair, "accessToken" | "accessTokenExpiresAt" | "refreshToken" | "scope">;

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
  const moment = { random: services.random, now };
  const accessToken = createTimeOrderedToken("at_", moment);
  const accessTokenExpiresAt = expiresAfter(lifetimes.accessTokenTtlSeconds);
  write.set(accessTokens, [tokenId(accessToken)], { ...binding, expiresAt: accessTokenExpiresAt });
  const refreshToken = options.withRefreshToken ? createTimeOrderedToken("rt_", moment) : null;
  if (refreshToken !== null) {
    const id = tokenId(refreshToken);
    const secrets: PairSecrets = { accessToken, accessTokenExpiresAt, refreshToken, scope: options.scope };
    write.set(refreshTokens, [id], {
      ...binding,
      // The grant's scope is the ceiling: a narrowed refresh does not narrow the ones after it.
      scope: grant.scope,
      askedScope: grant.askedScope,
      rotatedAt: null,
      successor: null,
      sealedPair: options.predecessor === undefined
        ? null
        : sealPair(secrets, { predecessor: options.predecessor, id, random: services.random }),
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

function sealPair(
  secrets: PairSecrets,
  how: { readonly predecessor: string; readonly id: string } & Pick<Services, "random">,
): string {
  const json = Buffer.from(JSON.stringify(secrets));
  return Buffer.from(sealUnderToken(how.predecessor, json, how.id, how.random)).toString("base64");
}

/** The pair that a refresh token was issued in, for the bearer of its predecessor; `null` if it cannot be opened. */
export function openPair(entry: Entry<RefreshTokenRecord>, predecessor: string): TokenPair | null {
  const { grantId, userId, operationId, resource, sealedPair } = entry.value;
  const json = openUnderToken(predecessor, Buffer.from(sealedPair ?? "", "base64"), entry.id[0]);
  if (json === null) return null;
  // We sealed this JSON ourselves, under a key that only the predecessor yields.
  const secrets = JSON.parse(Buffer.from(json).toString()) as PairSecrets;
  return { grantId, userId, operationId, resource, ...secrets };
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
