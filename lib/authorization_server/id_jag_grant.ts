/** The JWT bearer grant with an ID-JAG (RFC 7523, Enterprise-Managed Authorization): the company's identity provider vouches for the user. */
import { createRemoteJWKSet, customFetch, decodeJwt, jwtVerify, type JWTVerifyGetKey } from "jose";
import { createTimeOrderedIdentifier, hashSecret } from "../crypto/secret_token.ts";
import { type Fetch, libraryFetch } from "../http/outbound_fetch.ts";
import { OAuthError } from "../oauth/errors.ts";
import { ID_JAG_TYPE, type IdJagClaims, readIdJagClaims, type TrustedIssuer } from "../oauth/id_jag.ts";
import { canonicalResource } from "../oauth/resource_indicator.ts";
import { ASYMMETRIC_ALGORITHMS } from "../oauth/signature_algorithms.ts";
import { parseScope, SCOPE } from "../oauth/scope.ts";
import type { Services } from "../services.ts";
import { type GrantRecord, grants, usedAssertions } from "../store/schema.ts";
import type { Target } from "./authorization_request.ts";
import type { Client } from "./client.ts";
import { issuePair, type TokenLifetimes, type TokenPair } from "./token_pair.ts";

const MAX_ASSERTION_LENGTH = 16_384;

/** An assertion that was verified, and who vouches for it. */
export interface VerifiedIdJag {
  readonly claims: IdJagClaims;
  readonly trusted: TrustedIssuer;
}

/** Verifies assertions of the configured issuers. One per process. */
export class IdJagVerifier {
  readonly #trusted: readonly { readonly settings: TrustedIssuer; readonly keys: JWTVerifyGetKey }[];

  constructor(trusted: readonly TrustedIssuer[], fetch: Fetch) {
    this.#trusted = trusted.map((settings) => ({
      settings,
      keys: createRemoteJWKSet(new URL(settings.jwksUrl), {
        cooldownDuration: 30_000,
        [customFetch]: libraryFetch(fetch),
      }),
    }));
  }

  /** @throws {OAuthError} `invalid_request` or `invalid_grant` */
  async verify(
    assertion: string | null,
    context: { readonly client: Client; readonly audience: string; readonly now: number },
  ): Promise<VerifiedIdJag> {
    if (assertion === null || assertion === "") {
      throw new OAuthError("invalid_request", "assertion is required.", { reason: "assertion_missing" });
    }
    if (assertion.length > MAX_ASSERTION_LENGTH) {
      throw new OAuthError("invalid_request", "assertion is too long.", { reason: "assertion_too_long" });
    }
    const issuer = claimedIssuer(assertion);
    const trusted = this.#trusted.find(({ settings }) => settings.issuer === issuer);
    if (trusted === undefined) throw refused("id_jag_issuer");
    const { settings, keys } = trusted;
    const { clientId } = context.client;
    if (settings.expectedClientIds?.includes(clientId) === false) throw refused("id_jag_client");
    const payload = await verifySignature(assertion, keys, settings.issuer, context.now);
    const { audience, now } = context;
    return { claims: readIdJagClaims(payload, { audience, clientId, now }), trusted: settings };
  }
}

/**
 * Which route the token is for: the assertion's resource, else the request's, else the only one.
 * @throws {OAuthError} `invalid_grant` for the assertion's, `invalid_target` for the request's.
 */
export function idJagTarget(
  claims: IdJagClaims,
  requested: readonly string[],
  targets: readonly Target[],
): Target {
  const [only, ...others] = targets;
  const named = new Set(requested.map((resource) => canonicalResource(resource)));
  const wanted = claims.resource ?? [...named][0] ?? (others.length === 0 ? only?.resource : undefined);
  const target = targets.find((each) => each.resource === wanted);
  if (target === undefined && claims.resource !== null) throw refused("id_jag_resource");
  if (target === undefined || [...named].some((resource) => resource !== target.resource)) {
    throw new OAuthError(
      "invalid_target",
      "resource must name one route, the one that the assertion is for.",
      { reason: "id_jag_resource" },
    );
  }
  return target;
}

/** Uses the assertion up and issues an access token, never a refresh token. @throws {OAuthError} `invalid_grant` or `invalid_scope` */
export async function redeemIdJag(
  services: Pick<Services, "store" | "clock" | "random">,
  lifetimes: TokenLifetimes,
  redemption: {
    readonly claims: IdJagClaims;
    readonly client: Client;
    readonly userId: string;
    readonly target: Target;
    readonly scope: string | null;
  },
): Promise<TokenPair> {
  const { store, clock, random } = services;
  const { claims, client, userId, target } = redemption;
  const scope = grantedScope(redemption.scope, claims.scope);
  const now = clock.now();
  const grant: GrantRecord = {
    grantId: createTimeOrderedIdentifier({ random, now }),
    userId,
    clientId: client.clientId,
    clientName: client.name,
    clientMetadataHash: client.metadataHash,
    redirectUri: "",
    resource: target.resource,
    operationId: target.operationId,
    scope: [...scope],
    askedScope: [...scope],
    approvedAt: now,
    expiresAt: now + lifetimes.accessTokenTtlSeconds * 1000,
  };
  const assertionId = hashSecret(JSON.stringify([claims.issuer, claims.jti]));
  const write = store.write()
    .absent(usedAssertions, assertionId)
    .set(usedAssertions, [assertionId], { expiresAt: claims.replayableUntil })
    .set(grants, [grant.grantId], grant);
  const pair = issuePair(services, write, { grant, scope, lifetimes, withRefreshToken: false });
  if (!await write.commit()) throw refused("id_jag_replayed");
  return pair;
}

/** What was asked for, the assertion allows, and we have: the intersection (checklist EM-08). */
function grantedScope(requested: string | null, allowed: string | null): readonly string[] {
  const asked = parseScope(requested ?? undefined);
  // An empty parameter is one that was left out (RFC 6749 §3.1); an empty claim allows nothing.
  const asks = asked.length === 0 || asked.includes(SCOPE);
  if (asks && (allowed === null || parseScope(allowed).includes(SCOPE))) return [SCOPE];
  throw new OAuthError("invalid_scope", `Nothing of the requested scope can be granted; there is ${SCOPE}.`, {
    reason: "id_jag_scope",
  });
}

function claimedIssuer(assertion: string): string | undefined {
  try {
    return decodeJwt(assertion).iss;
  } catch {
    throw refused("id_jag_malformed");
  }
}

async function verifySignature(assertion: string, keys: JWTVerifyGetKey, issuer: string, now: number) {
  try {
    const { payload } = await jwtVerify(assertion, keys, {
      issuer,
      typ: ID_JAG_TYPE,
      algorithms: [...ASYMMETRIC_ALGORITHMS],
      clockTolerance: 60,
      currentDate: new Date(now),
    });
    return payload;
  } catch (cause) {
    throw refused("id_jag_refused", cause);
  }
}

function refused(reason: string, cause?: unknown): OAuthError {
  return new OAuthError(
    "invalid_grant",
    "The identity assertion is invalid, expired, used, or was issued for somebody else.",
    {
      reason,
      cause,
    },
  );
}
