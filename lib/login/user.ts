/** What is kept of a user between logins: access rules and ID-JAG need it while no browser is there. */
import { hashSecret } from "../crypto/secret_token.ts";
import type { Services } from "../services.ts";
import { type UserRecord, users, usersByEmail } from "../store/schema.ts";
import { type Identity, userIdOf } from "./identity.ts";

/** Claims beyond this many characters of JSON are not kept, but for the identity itself. */
const MAX_CLAIMS_LENGTH = 32_768;

/** What a login learned. */
export interface LoginOutcome {
  readonly identity: Identity;
  readonly claims: Readonly<Record<string, unknown>>;
  /** `null` for the local login. */
  readonly idToken: { readonly value: string; readonly expiresAt: number } | null;
  readonly refreshToken: string | null;
}

/** Keeps the outcome of the user's latest login. Returns whether all claims were small enough to keep. */
export async function rememberUser(
  services: Pick<Services, "store" | "clock">,
  outcome: LoginOutcome,
  ttlSeconds: number,
): Promise<boolean> {
  const { store, clock } = services;
  const { identity, idToken } = outcome;
  const now = clock.now();
  const complete = JSON.stringify(outcome.claims).length <= MAX_CLAIMS_LENGTH;
  const fits = complete && (idToken?.value.length ?? 0) <= MAX_CLAIMS_LENGTH / 2;
  const record: UserRecord = {
    ...identity,
    claims: complete ? { ...outcome.claims } : {},
    idToken: fits ? idToken?.value ?? null : null,
    idTokenExpiresAt: fits ? idToken?.expiresAt ?? 0 : 0,
    providerRefreshToken: outcome.refreshToken,
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
  return fits;
}

/** The user who last signed in with this verified address, or `null`. */
export async function findUserByEmail(
  services: Pick<Services, "store">,
  email: string,
): Promise<string | null> {
  return (await services.store.get(usersByEmail, emailId(email)))?.value.userId ?? null;
}

function emailId(email: string): string {
  return hashSecret(email.trim().toLowerCase());
}
