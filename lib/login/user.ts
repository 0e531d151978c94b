/** What is kept of a user between logins: access rules and ID-JAG need it while no browser is there. */
import { hashSecret } from "../crypto/secret_token.ts";
import type { Services } from "../services.ts";
import { type UserRecord, users, usersByEmail } from "../store/schema.ts";
import { type Identity, userIdOf } from "./identity.ts";

/** What is larger, as JSON, is not kept: together they have to fit into one record, which has at most 64 KiB. */
const MAX_BYTES = { claims: 32_768, idToken: 16_384, refreshToken: 8_192 } as const;

/** What a login learned. */
export interface LoginOutcome {
  readonly identity: Identity;
  readonly claims: Readonly<Record<string, unknown>>;
  /** `null` for the local login. */
  readonly idToken: { readonly value: string; readonly expiresAt: number } | null;
  readonly refreshToken: string | null;
}

/**
 * Keeps the outcome of the user's latest login. Returns whether all of it was small enough to keep. Providers are seen that give a refresh
 * token at the first login only, so one that is known stays.
 */
export async function rememberUser(
  services: Pick<Services, "store" | "clock">,
  outcome: LoginOutcome,
  ttlSeconds: number,
): Promise<boolean> {
  const { store, clock } = services;
  const { identity, idToken } = outcome;
  const now = clock.now();
  const keepsClaims = fits(outcome.claims, MAX_BYTES.claims);
  const keepsIdToken = fits(idToken?.value, MAX_BYTES.idToken);
  const keepsRefreshToken = fits(outcome.refreshToken, MAX_BYTES.refreshToken);
  const id = [userIdOf(identity)] as const;
  for (;;) {
    const former = outcome.refreshToken === null ? await store.get(users, ...id) : null;
    const record: UserRecord = {
      ...identity,
      claims: keepsClaims ? { ...outcome.claims } : {},
      idToken: keepsIdToken ? idToken?.value ?? null : null,
      idTokenExpiresAt: keepsIdToken ? idToken?.expiresAt ?? 0 : 0,
      providerRefreshToken: keepsRefreshToken
        ? outcome.refreshToken ?? former?.value.providerRefreshToken ?? null
        : null,
      signedInAt: now,
      expiresAt: now + ttlSeconds * 1000,
    };
    const write = store.write().set(users, id, record);
    if (former !== null) write.check(former);
    if (identity.email !== null && identity.emailVerified) {
      write.set(usersByEmail, [emailId(identity.email)], { userId: id[0], expiresAt: record.expiresAt });
    }
    if (await write.commit()) return keepsClaims && keepsIdToken && keepsRefreshToken;
  }
}

/** Puts `next` in place of `former`, the provider's refresh token; `null`: it is over. Whoever has signed in anew meanwhile keeps theirs. */
export async function replaceRefreshToken(
  { store }: Pick<Services, "store">,
  userId: string,
  { former, next }: { readonly former: string; readonly next: string | null },
): Promise<void> {
  const providerRefreshToken = fits(next, MAX_BYTES.refreshToken) ? next : null;
  for (;;) {
    const user = await store.get(users, userId);
    if (user?.value.providerRefreshToken !== former) return;
    const record = { ...user.value, providerRefreshToken };
    if (await store.write().check(user).set(users, user.id, record).commit()) return;
  }
}

/** The user who last signed in with this verified address, if it is that user's address still; or `null`. */
export async function findUserByEmail(
  services: Pick<Services, "store">,
  email: string,
): Promise<string | null> {
  const userId = (await services.store.get(usersByEmail, emailId(email)))?.value.userId;
  const user = userId === undefined ? null : await services.store.get(users, userId);
  if (userId === undefined || user === null || user.value.email === null) return null;
  return user.value.emailVerified && emailId(user.value.email) === emailId(email) ? userId : null;
}

function fits(value: unknown, maxBytes: number): boolean {
  return new TextEncoder().encode(JSON.stringify(value) ?? "").length <= maxBytes;
}

function emailId(email: string): string {
  return hashSecret(email.trim().toLowerCase());
}
