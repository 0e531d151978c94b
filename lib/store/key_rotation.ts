/**
 * Rotating keys while gateways run: what an older key has sealed is sealed anew with the first one, row by row. Each row is one commit that
 * holds only if the row is as it was read, so it can be stopped and begun again at any point, and never undoes what a gateway writes.
 */
import type { KeyRing } from "../crypto/keyring.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Collection, Expiring, RecordId } from "./collection.ts";
import { jsonOf, rowOf, rowSealedWith } from "./record_bytes.ts";
import { retryWhileLocked } from "./retry.ts";
import * as schema from "./schema.ts";
import * as upstreamSchema from "./upstream_schema.ts";

const BATCH = 200;

/** What a pass works on. */
export interface RotationParts {
  readonly kv: Deno.Kv;
  readonly clock: Clock;
  readonly keyRing: KeyRing;
}

/** Options of {@linkcode resealAll}. */
export interface ResealOptions {
  /** Ids of keys that are lost: what they have sealed is deleted. */
  readonly discard?: ReadonlySet<string>;
  /** Hears of each collection that had something to do, when it is done. */
  readonly onProgress?: (collection: string, done: number) => void;
}

/** What one pass over the store did and found. */
export interface ResealReport {
  /** Sealed anew. */
  readonly resealed: number;
  /** Deleted, since the key that sealed them is lost. */
  readonly discarded: number;
  /** Written by a gateway at the same moment: with whichever key it seals. */
  readonly changed: number;
  /** Rows that a key outside the ring has sealed, by that key's id. */
  readonly missing: ReadonlyMap<string, number>;
  /** Rows that the ring has the key for, and that do not open all the same: somebody has altered them. */
  readonly altered: number;
}

type Outcome = "current" | "resealed" | "discarded" | "changed" | "altered" | { readonly missing: string };

/** Every kind of record whose values are sealed. */
export const SEALED_COLLECTIONS: readonly Collection<Expiring>[] = [
  ...Object.values(schema),
  ...Object.values(upstreamSchema),
].filter(({ sealed }) => sealed);

/** Goes once through all sealed records. */
export async function resealAll(parts: RotationParts, options: ResealOptions = {}): Promise<ResealReport> {
  const counts = { current: 0, resealed: 0, discarded: 0, changed: 0, altered: 0 };
  const missing = new Map<string, number>();
  for (const collection of SEALED_COLLECTIONS) {
    const before = counts.resealed + counts.discarded;
    for await (const row of rowsOf(parts.kv, [collection.name])) {
      const outcome = await resealRow(parts, options, { collection, row });
      if (typeof outcome === "string") counts[outcome]++;
      else missing.set(outcome.missing, (missing.get(outcome.missing) ?? 0) + 1);
    }
    const done = counts.resealed + counts.discarded - before;
    if (done > 0) options.onProgress?.(collection.name, done);
  }
  const { resealed, discarded, changed, altered } = counts;
  return { resealed, discarded, changed, altered, missing };
}

async function resealRow(
  { kv, clock, keyRing }: RotationParts,
  { discard }: ResealOptions,
  { collection, row }: { readonly collection: Collection<Expiring>; readonly row: Deno.KvEntry<Uint8Array> },
): Promise<Outcome> {
  const { key, value, versionstamp } = row;
  const [first = "", ...rest] = key.slice(1).map(String);
  const id: RecordId = [first, ...rest];
  const sealedWith = rowSealedWith(keyRing, value);
  if (sealedWith === keyRing.currentKeyId) return "current";
  const commit = async (act: (operation: Deno.AtomicOperation) => Deno.AtomicOperation) => {
    const { ok } = await retryWhileLocked(() => act(kv.atomic().check({ key, versionstamp })).commit());
    return ok;
  };
  if (sealedWith !== null && !keyRing.keyIds.includes(sealedWith)) {
    if (!discard?.has(sealedWith)) return { missing: sealedWith };
    return await commit((operation) => operation.delete(key)) ? "discarded" : "changed";
  }
  // The bytes, and not the record: a field that only another version of the gateway knows is kept.
  const json = jsonOf(keyRing, { collection, id }, value);
  if (json === null) return "altered";
  const left = expiresAt(json) - clock.now();
  const sealed = rowOf(keyRing, { collection, id }, json);
  const done = await commit((operation) =>
    // What has expired counts for nobody, and KV is late in removing it.
    left <= 0 ? operation.delete(key) : operation.set(key, sealed, { expireIn: Math.ceil(left) })
  );
  return done ? "resealed" : "changed";
}

/** In batches, each of which is read again if another process has locked the database. */
async function* rowsOf(kv: Deno.Kv, prefix: Deno.KvKey): AsyncGenerator<Deno.KvEntry<Uint8Array>> {
  for (let cursor: string | undefined = "";;) {
    const options: Deno.KvListOptions = { limit: BATCH, ...(cursor === "" ? {} : { cursor }) };
    const batch = await retryWhileLocked(async () => {
      const list = kv.list<Uint8Array>({ prefix }, options);
      const rows = await Array.fromAsync(list);
      return { rows, cursor: list.cursor };
    });
    yield* batch.rows;
    if (batch.rows.length < BATCH) return;
    cursor = batch.cursor;
  }
}

function expiresAt(json: Uint8Array): number {
  const { expiresAt }: { expiresAt: number } = JSON.parse(new TextDecoder().decode(json));
  return expiresAt;
}
