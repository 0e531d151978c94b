/** Browser sessions: an opaque cookie, stored by its hash, new at every login. */
import { createSecretToken, hashSecret } from "../crypto/secret_token.ts";
import type { Services } from "../services.ts";
import { type SessionRecord, sessions } from "../store/schema.ts";
import { type Identity, userIdOf } from "./identity.ts";

/** Opens a session and returns the cookie's value. The id is always new: a cookie set before login is worth nothing. */
export async function openSession(
  services: Pick<Services, "store" | "clock" | "random">,
  identity: Identity,
  ttlSeconds: number,
): Promise<string> {
  const now = services.clock.now();
  const cookie = createSecretToken("se_", services.random);
  await services.store.write().set(sessions, [hashSecret(cookie)], {
    userId: userIdOf(identity),
    ...identity,
    signedInAt: now,
    expiresAt: now + ttlSeconds * 1000,
  }).commit();
  return cookie;
}

/** The session of a cookie, or `null`. */
export async function findSession(
  services: Pick<Services, "store">,
  cookie: string | undefined,
): Promise<SessionRecord | null> {
  if (cookie === undefined || cookie === "") return null;
  return (await services.store.get(sessions, hashSecret(cookie)))?.value ?? null;
}

/** Ends the session of a cookie, if there is one. */
export async function closeSession(
  services: Pick<Services, "store">,
  cookie: string | undefined,
): Promise<void> {
  if (cookie !== undefined) await services.store.write().delete(sessions, hashSecret(cookie)).commit();
}
