/** `private_key_jwt` (RFC 7523 §2.2, OpenID Connect Core §9): a client proves itself by signing a short-lived statement, once. */
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  decodeJwt,
  jwksCache,
  type JWKSCacheInput,
  jwtVerify,
  type JWTVerifyGetKey,
} from "jose";
import { hashSecret } from "../crypto/secret_token.ts";
import { type Fetch, libraryFetch, OutboundError } from "../http/outbound_fetch.ts";
import { CLIENT_ASSERTION_ALGS } from "../oauth/authorization_server_metadata.ts";
import { OAuthError } from "../oauth/errors.ts";
import type { Services } from "../services.ts";
import { usedAssertions } from "../store/schema.ts";
import type { Client } from "./client.ts";

/** RFC 7523 §2.2 */
export const CLIENT_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

const CLOCK_SKEW_SECONDS = 30;
const MAX_LIFETIME_SECONDS = 300;
const MAX_LENGTH = 16_384;
const MAX_KEY_SETS = 200;

/** The keys of clients, by reference or by value. One per process. */
export class ClientKeys {
  readonly #fetch: Fetch;
  readonly #remote = new Map<string, JWTVerifyGetKey>();

  /** `fetch` must judge addresses: a client chose the URL. */
  constructor(fetch: Fetch) {
    this.#fetch = fetch;
  }

  /** The keys of a client, or `null` if it has none. */
  of(client: Client): JWTVerifyGetKey | null {
    // Our schema leaves the members of a key open; jose checks them when it imports the key.
    if (client.jwks !== null) {
      return createLocalJWKSet(client.jwks as Parameters<typeof createLocalJWKSet>[0]);
    }
    if (client.jwksUri === null) return null;
    const known = this.#remote.get(client.jwksUri);
    if (known !== undefined) return known;
    const keys = this.#remoteKeys(client.jwksUri);
    const [oldest] = this.#remote.keys();
    if (this.#remote.size >= MAX_KEY_SETS && oldest !== undefined) this.#remote.delete(oldest);
    this.#remote.set(client.jwksUri, keys);
    return keys;
  }

  /** While they cannot be had, the last keys count: an outage, or a flood of made-up clients, does not cut a client off. */
  #remoteKeys(jwksUri: string): JWTVerifyGetKey {
    const last: JWKSCacheInput = {};
    const remote = createRemoteJWKSet(new URL(jwksUri), {
      cooldownDuration: 30_000,
      [jwksCache]: last,
      [customFetch]: async (url, init) => {
        const response = await libraryFetch(this.#fetch)(url, init);
        if (response.status !== 200) throw new OutboundError("The key set cannot be had.");
        return response;
      },
    });
    return async (header, token) => {
      try {
        return await remote(header, token);
      } catch (error) {
        if (!(error instanceof OutboundError) || !("jwks" in last)) throw error;
        return await createLocalJWKSet(last.jwks)(header, token);
      }
    };
  }
}

/** The client id that an assertion claims, unverified; `null` if it is no JWT. */
export function claimedClientId(assertion: string): string | null {
  if (assertion.length > MAX_LENGTH) return null;
  try {
    const { sub, iss } = decodeJwt(assertion);
    return typeof sub === "string" && sub === iss ? sub : null;
  } catch {
    return null;
  }
}

/**
 * Verifies the assertion and uses it up.
 * @throws {OAuthError} `invalid_client`, or `temporarily_unavailable` if the client's keys cannot be had
 */
export async function verifyClientAssertion(
  services: Pick<Services, "store" | "clock">,
  keys: JWTVerifyGetKey | null,
  presented: { readonly client: Client; readonly assertion: string; readonly audiences: readonly string[] },
): Promise<void> {
  const { client, assertion, audiences } = presented;
  if (keys === null) throw refused("client_without_keys");
  const now = services.clock.now();
  const claims = await verify(assertion, keys, client.clientId, now);
  const { aud, jti, exp = 0 } = claims;
  // Exactly one audience, or the same statement could be used at another server (RFC 7523bis).
  if (typeof aud !== "string" || !audiences.includes(aud)) throw refused("assertion_audience");
  if (exp > now / 1000 + MAX_LIFETIME_SECONDS + CLOCK_SKEW_SECONDS) throw refused("assertion_lives_too_long");
  if (typeof jti !== "string" || jti === "") throw refused("assertion_without_jti");
  const id = hashSecret(JSON.stringify([client.clientId, jti]));
  const expiresAt = (exp + CLOCK_SKEW_SECONDS) * 1000;
  const first = await services.store.write().absent(usedAssertions, id).set(usedAssertions, [id], {
    expiresAt,
  }).commit();
  if (!first) throw refused("assertion_replayed");
}

async function verify(assertion: string, keys: JWTVerifyGetKey, clientId: string, now: number) {
  try {
    const { payload } = await jwtVerify(assertion, keys, {
      issuer: clientId,
      subject: clientId,
      algorithms: [...CLIENT_ASSERTION_ALGS],
      clockTolerance: CLOCK_SKEW_SECONDS,
      requiredClaims: ["exp", "aud", "jti"],
      currentDate: new Date(now),
    });
    return payload;
  } catch (cause) {
    // `invalid_client` would make the client throw its registration away.
    if (cause instanceof OutboundError) throw keysUnreachable(cause);
    throw refused("assertion_refused", cause);
  }
}

function keysUnreachable(cause: OutboundError): OAuthError {
  return new OAuthError("temporarily_unavailable", "The client's keys cannot be fetched just now.", {
    reason: "client_keys_unreachable",
    headers: { "Retry-After": "30" },
    cause,
  });
}

function refused(reason: string, cause?: unknown): OAuthError {
  return new OAuthError("invalid_client", "Client authentication failed: the client assertion is refused.", {
    reason,
    cause,
  });
}
