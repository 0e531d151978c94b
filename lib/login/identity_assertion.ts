/**
 * The user's identity assertion (ID-JAG): the ID token kept from the login, renewed by the provider's refresh token when it has expired.
 * One renewal per user across processes, by a lease: providers end a grant whose refresh token is used twice.
 */
import type { Services } from "../services.ts";
import { takeLease } from "../store/lease.ts";
import { type UserRecord, users } from "../store/schema.ts";
import type { IdentityProvider } from "./identity_provider.ts";
import { LoginError } from "./login_error.ts";
import { rememberUser, replaceRefreshToken } from "./user.ts";

/** An assertion is exchanged only while it has this much left, in milliseconds. */
const MARGIN_MS = 10_000;
/** Longer than the provider may take by default. */
const LEASE_MS = 30_000;
const POLL_MS = 50;
const LONGEST_WAIT_MS = 15_000;

/** Whose assertion, and from whom. */
export interface AssertionRequest {
  readonly userId: string;
  /** `null`: the local login, which has none. */
  readonly provider: IdentityProvider | null;
  /** How long a user is remembered. */
  readonly ttlSeconds: number;
}

/** The assertion; `null`: the user has to sign in again. @throws {LoginError} `unavailable`: not now */
export async function identityAssertion(
  services: Pick<Services, "store" | "clock" | "random">,
  request: AssertionRequest,
): Promise<string | null> {
  const { userId, provider } = request;
  const until = performance.now() + LONGEST_WAIT_MS;
  do {
    const known = await readAssertion(services, userId);
    if (known.kind !== "expired" || provider === null) return known.assertion;
    const lease = await takeLease(services, `renew_assertion:${userId}`, LEASE_MS);
    if (lease !== null) {
      try {
        // Somebody may have renewed it between the two.
        const again = await readAssertion(services, userId);
        return again.kind === "expired"
          ? await renewed(services, { ...request, provider }, again)
          : again.assertion;
      } finally {
        await lease.release();
      }
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  } while (performance.now() < until);
  throw new LoginError("unavailable", "renewal_busy");
}

/** What is kept of the user's. */
type Known =
  | { readonly kind: "good"; readonly assertion: string }
  | { readonly kind: "none"; readonly assertion: null }
  | {
    readonly kind: "expired";
    readonly assertion: null;
    readonly user: UserRecord;
    readonly refreshToken: string;
  };

async function readAssertion(
  { store, clock }: Pick<Services, "store" | "clock">,
  userId: string,
): Promise<Known> {
  const user = (await store.get(users, userId))?.value;
  if (user === undefined) return { kind: "none", assertion: null };
  const { idToken, idTokenExpiresAt, providerRefreshToken: refreshToken } = user;
  if (idToken !== null && clock.now() < idTokenExpiresAt - MARGIN_MS) {
    return { kind: "good", assertion: idToken };
  }
  return refreshToken === null
    ? { kind: "none", assertion: null }
    : { kind: "expired", assertion: null, user, refreshToken };
}

async function renewed(
  services: Pick<Services, "store" | "clock">,
  { userId, ttlSeconds, provider }: AssertionRequest & { readonly provider: IdentityProvider },
  { user, refreshToken }: Extract<Known, { kind: "expired" }>,
): Promise<string | null> {
  const replace = (next: string | null) =>
    replaceRefreshToken(services, userId, { former: refreshToken, next });
  try {
    const { identity, claims, expiresAt, idToken } = await provider.renew(refreshToken, {
      subject: user.subject,
      keep: replace,
    });
    const outcome = { identity, claims, idToken: { value: idToken, expiresAt }, refreshToken: null };
    await rememberUser(services, outcome, ttlSeconds);
    return idToken;
  } catch (error) {
    // An outage may pass; everything else ends with the user signing in again.
    if (!(error instanceof LoginError) || error.kind === "unavailable") throw error;
    if (error.reason === "refresh_token_refused") await replace(null);
    return null;
  }
}
