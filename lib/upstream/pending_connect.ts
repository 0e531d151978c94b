/**
 * What a connect link names: who has to connect what, and why. It is no credential, ends after fifteen minutes, and has done its duty
 * once somebody has connected by it. Its key is the hash of the id, like that of everything that stands in a URL here.
 */
import { createIdentifier, hashSecret } from "../crypto/secret_token.ts";
import type { Services } from "../services.ts";
import { type PendingConnectRecord, pendingConnects } from "../store/upstream_schema.ts";

const TTL_MS = 15 * 60_000;

/** Stores it and returns its id. */
export async function openPendingConnect(
  { store, clock, random }: Pick<Services, "store" | "clock" | "random">,
  about: Omit<PendingConnectRecord, "expiresAt">,
): Promise<string> {
  const id = createIdentifier(random);
  const record = { ...about, expiresAt: clock.now() + TTL_MS };
  await store.write().set(pendingConnects, [hashSecret(id)], record).commit();
  return id;
}

/** The operation, if it is this user's at this connection; `null` for everything else alike. */
export async function findPendingConnect(
  { store }: Pick<Services, "store">,
  id: string,
  who: Pick<PendingConnectRecord, "userId" | "connectionId">,
): Promise<PendingConnectRecord | null> {
  const entry = await store.get(pendingConnects, hashSecret(id));
  if (entry?.value.userId !== who.userId || entry.value.connectionId !== who.connectionId) return null;
  return entry.value;
}

/** Ends it: the user has connected. */
export async function closePendingConnect({ store }: Pick<Services, "store">, id: string): Promise<void> {
  await store.write().delete(pendingConnects, hashSecret(id)).commit();
}
