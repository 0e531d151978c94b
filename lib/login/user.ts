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

/** Keeps the outcome of the user's latest login. Returns whether all of it was small enough to keep. */
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
  const record: UserRecord = {
    ...identity,
    claims: keepsClaims ? { ...outcome.claims } : {},
    idToken: keepsIdToken ? idToken?.value ?? null : null,
    idTokenExpiresAt: keepsIdToken ? idToken?.expiresAt ?? 0 : 0,
    providerRefreshToken: keepsRefreshToken ? outcome.refreshToken : null,
    signedInAt: now,
    expiresAt: now + ttlSeconds * 1000,
  };
  const write = store.write().set(users, [userIdOf(identity)], record);
  if (identity.email !== null && identity.emailVerified) {
    write.set(usersByEmail, [emailId(identity.email)], {
      userId: userIdOf(identity),
      expiresAt: record.expiresAt,
    });
  }
  await write.commit();
  return keepsClaims && keepsIdToken && keepsRefreshToken;
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
