/**
 * Which keys have sealed something in this store. A gateway notes the first key of its ring when it starts, and does not start with a ring that
 * lacks a noted key or has another one under its name: users would seem to have vanished (corpus B15 248). The note holds no key, only a
 * code that the key makes.
 */
import type { KeyRing } from "../crypto/keyring.ts";
import type { Clock } from "../runtime/clock.ts";
import { StoreUnavailableError } from "./open_kv.ts";
import { sealingKeys } from "./schema.ts";
import type { Store } from "./store.ts";

const PURPOSE = "sealing-key";
const TTL_MS = 10 * 365 * 86_400_000;

/** A key that the store needs, and what is wrong with the ring's. */
export interface KeyFault {
  readonly keyId: string;
  readonly kind: "missing" | "different";
}

type Parts = { readonly store: Store; readonly clock: Clock; readonly keyRing: KeyRing };

/** What is wrong with the ring, for this store; empty: it opens everything. */
export async function keyFaults({ store, keyRing }: Omit<Parts, "clock">): Promise<KeyFault[]> {
  const faults: KeyFault[] = [];
  for await (const { id: [keyId], value } of store.list(sealingKeys)) {
    if (!keyRing.keyIds.includes(keyId)) faults.push({ keyId, kind: "missing" });
    else if (!keyRing.verify(PURPOSE, keyId, { keyId, value: value.code })) {
      faults.push({ keyId, kind: "different" });
    }
  }
  return faults;
}

/** Notes that the ring's first key seals from now on. */
export async function noteSealingKey({ store, clock, keyRing }: Parts): Promise<void> {
  const { keyId, value: code } = keyRing.sign(PURPOSE, keyRing.currentKeyId);
  const known = await store.get(sealingKeys, keyId);
  const now = clock.now();
  if (known !== null && known.value.expiresAt - now > TTL_MS / 2) return;
  await store.write().set(sealingKeys, [keyId], { code, expiresAt: now + TTL_MS }).commit();
}

/** The keys that were noted. */
export async function notedKeys({ store }: Pick<Parts, "store">): Promise<string[]> {
  const noted: string[] = [];
  for await (const { id: [keyId] } of store.list(sealingKeys)) noted.push(keyId);
  return noted;
}

/** Takes the note back: nothing is sealed with this key any more. */
export async function forgetKey({ store }: Pick<Parts, "store">, keyId: string): Promise<void> {
  await store.write().delete(sealingKeys, keyId).commit();
}

/**
 * Lets a gateway start with this ring, and notes its first key.
 * @throws {StoreUnavailableError} for a ring that does not open everything; `ring` says where it comes from.
 */
export async function admitKeyRing(parts: Parts, ring: "environment" | "development file"): Promise<void> {
  const [fault] = await keyFaults(parts);
  if (fault !== undefined) throw new StoreUnavailableError(explain(fault, ring));
  await noteSealingKey(parts);
}

/** What is wrong and how to mend it, for an operator. */
export function explain({ keyId, kind }: KeyFault, ring: "environment" | "development file"): string {
  if (ring === "development file") {
    return "The key in gateway.keys is not the one that has sealed what is in the store beside it. Put that one back, or delete both files to start afresh.";
  }
  return kind === "missing"
    ? `GATEWAY_ENCRYPTION_KEYS lacks the key "${keyId}", which has sealed records in the store. Add it behind the first one. \`deno task rotate\` says when it can go. If it is lost, \`deno task rotate --discard=${keyId}\` deletes what it has sealed: those users have to sign in and connect again.`
    : `The key "${keyId}" in GATEWAY_ENCRYPTION_KEYS is not the one that has sealed records in the store under this name. Put that one back, and give a new key a name of its own.`;
}
