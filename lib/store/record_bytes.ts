/** How a record lies in the store: one byte that says whether it is sealed, then its JSON, sealed for this very row where secret. */
import type { KeyRing } from "../crypto/keyring.ts";
import type { Collection, Expiring, RecordId } from "./collection.ts";

const PLAIN = 1;
const SEALED = 2;

/** What a row's bytes are part of. */
export interface RowPlace {
  readonly collection: Pick<Collection<Expiring>, "name" | "sealed">;
  readonly id: RecordId;
}

/** The row of a record whose JSON is `json`. */
export function rowOf(keyRing: KeyRing, place: RowPlace, json: Uint8Array): Uint8Array {
  const { sealed } = place.collection;
  const body = sealed ? keyRing.seal(json, contextOf(place)) : json;
  const bytes = new Uint8Array(body.length + 1);
  bytes[0] = sealed ? SEALED : PLAIN;
  bytes.set(body, 1);
  return bytes;
}

/** The JSON of a row; `null` if it was altered, belongs elsewhere, or its key is gone. */
export function jsonOf(keyRing: KeyRing, place: RowPlace, row: unknown): Uint8Array | null {
  if (!(row instanceof Uint8Array) || row[0] !== (place.collection.sealed ? SEALED : PLAIN)) return null;
  const body = row.subarray(1);
  return place.collection.sealed ? keyRing.open(body, contextOf(place)) : body;
}

/** The id of the key that a row says it was sealed with; `null` if it says none. */
export function rowSealedWith(keyRing: KeyRing, row: unknown): string | null {
  return row instanceof Uint8Array && row[0] === SEALED ? keyRing.sealedWith(row.subarray(1)) : null;
}

/** The additional data: a value opens in its own row only. */
function contextOf({ collection, id }: RowPlace): string {
  return JSON.stringify([collection.name, ...id]);
}
