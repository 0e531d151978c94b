/**
 * The store: records as bytes in Deno KV. Expiry is checked on every read with the injected clock, since KV removes a row up to
 * a minute late; values are JSON bytes, sealed where secret, since KV's own serialisation is not readable by older runtimes.
 */
import type { KeyRing } from "../crypto/keyring.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Collection, Expiring, RecordId } from "./collection.ts";
import { jsonOf, rowOf } from "./record_bytes.ts";
import { retryWhileLocked } from "./retry.ts";

/** Deno KV's own limit, in bytes. */
const MAX_VALUE_BYTES = 65_536;
/** Longest part of a key, in UTF-16 units: KV allows 2,048 bytes for the whole key. */
const MAX_ID_LENGTH = 512;

/** A record with the version it was read at. */
export interface Entry<Record extends Expiring> {
  readonly collection: Collection<Record>;
  readonly id: RecordId;
  readonly value: Record;
  readonly version: string;
}

/** What the store needs. */
export interface StoreOptions {
  readonly kv: Deno.Kv;
  readonly clock: Clock;
  readonly keyRing: KeyRing;
  /** Told when a row cannot be read: altered, moved, of another version, or sealed with a key that is gone. */
  readonly onUnreadable?: (collection: string) => void;
}

/** A record is larger than the store can hold; nothing was written. */
export class RecordTooLargeError extends Error {
  override readonly name = "RecordTooLargeError";
}

/** Reads and writes records. */
export class Store {
  readonly #options: StoreOptions;

  constructor(options: StoreOptions) {
    this.#options = options;
  }

  /** The record, or `null` if there is none, it has expired, or its bytes cannot be trusted. */
  async get<Record extends Expiring>(
    collection: Collection<Record>,
    ...id: RecordId
  ): Promise<Entry<Record> | null> {
    if (id.some((part) => part.length > MAX_ID_LENGTH)) return null;
    const row = await retryWhileLocked(() => this.#options.kv.get<Uint8Array>([collection.name, ...id]));
    return row.versionstamp === null ? null : this.#read(collection, id, row.value, row.versionstamp);
  }

  /** As {@linkcode get}, but an expired record that KV has not removed yet counts: for who wants to take its place. */
  async getExpired<Record extends Expiring>(
    collection: Collection<Record>,
    ...id: RecordId
  ): Promise<Entry<Record> | null> {
    const row = await retryWhileLocked(() => this.#options.kv.get<Uint8Array>([collection.name, ...id]));
    return row.versionstamp === null ? null : this.#parse(collection, id, row.value, row.versionstamp);
  }

  /** The live records whose key starts with `prefix`, in key order. */
  async *list<Record extends Expiring>(
    collection: Collection<Record>,
    ...prefix: string[]
  ): AsyncGenerator<Entry<Record>> {
    const rows = this.#options.kv.list<Uint8Array>({ prefix: [collection.name, ...prefix] });
    for await (const row of rows) {
      const [first, ...rest] = row.key.slice(1).map(String);
      if (first === undefined) continue;
      const entry = this.#read(collection, [first, ...rest], row.value, row.versionstamp);
      if (entry !== null) yield entry;
    }
  }

  /** Removes the record and returns it; of several callers at once exactly one gets it. */
  async take<Record extends Expiring>(
    collection: Collection<Record>,
    ...id: RecordId
  ): Promise<Record | null> {
    const entry = await this.get(collection, ...id);
    if (entry === null) return null;
    return await this.write().check(entry).delete(collection, ...id).commit() ? entry.value : null;
  }

  /** Begins a write: checks and mutations that happen together or not at all. */
  write(): Write {
    return new Write(this.#options);
  }

  #read<Record extends Expiring>(
    collection: Collection<Record>,
    id: RecordId,
    bytes: Uint8Array,
    version: string,
  ): Entry<Record> | null {
    const entry = this.#parse(collection, id, bytes, version);
    return entry === null || entry.value.expiresAt <= this.#options.clock.now() ? null : entry;
  }

  #parse<Record extends Expiring>(
    collection: Collection<Record>,
    id: RecordId,
    bytes: Uint8Array,
    version: string,
  ): Entry<Record> | null {
    const json = this.#jsonOf(collection, id, bytes);
    const parsed = json === null ? null : collection.schema.safeParse(json);
    if (parsed?.success) return { collection, id, value: parsed.data, version };
    this.#options.onUnreadable?.(collection.name);
    return null;
  }

  #jsonOf(collection: Collection<Expiring>, id: RecordId, bytes: Uint8Array): unknown {
    const json = jsonOf(this.#options.keyRing, { collection, id }, bytes);
    try {
      return json === null ? null : JSON.parse(new TextDecoder().decode(json));
    } catch {
      return null;
    }
  }
}

/** Checks and mutations to commit together. */
export class Write {
  readonly #options: StoreOptions;
  readonly #steps: ((operation: Deno.AtomicOperation) => unknown)[] = [];

  /** Made by {@linkcode Store.write}. */
  constructor(options: StoreOptions) {
    this.#options = options;
  }

  /** Commits only if the record is as it was read. */
  check(entry: Entry<Expiring>): this {
    const key = [entry.collection.name, ...entry.id];
    this.#steps.push((operation) => operation.check({ key, versionstamp: entry.version }));
    return this;
  }

  /** Commits only if there is no such record. One that has expired, but that KV has not removed yet, still counts. */
  absent(collection: Collection<Expiring>, ...id: RecordId): this {
    const key = [collection.name, ...id];
    this.#steps.push((operation) => operation.check({ key, versionstamp: null }));
    return this;
  }

  /** Writes the record. @throws {RecordTooLargeError} above 64 KiB. */
  set<Record extends Expiring>(collection: Collection<Record>, id: RecordId, record: Record): this {
    const json = new TextEncoder().encode(JSON.stringify(record));
    const bytes = rowOf(this.#options.keyRing, { collection, id }, json);
    if (bytes.length > MAX_VALUE_BYTES || id.some((part) => part.length > MAX_ID_LENGTH)) {
      throw new RecordTooLargeError(`A record of "${collection.name}" has ${bytes.length} bytes.`);
    }
    // KV only collects garbage by `expireIn`; whether a record is alive is decided at the read.
    const expireIn = Math.max(1, Math.ceil(record.expiresAt - this.#options.clock.now()));
    this.#steps.push((operation) => operation.set([collection.name, ...id], bytes, { expireIn }));
    return this;
  }

  /** Removes the record if there is one. */
  delete(collection: Collection<Expiring>, ...id: RecordId): this {
    this.#steps.push((operation) => operation.delete([collection.name, ...id]));
    return this;
  }

  /** All or nothing. `false`: a check failed, nothing was written. @throws when the store itself fails. */
  async commit(): Promise<boolean> {
    const result = await retryWhileLocked(() => {
      const operation = this.#options.kv.atomic();
      for (const step of this.#steps) step(operation);
      return operation.commit();
    });
    return result.ok;
  }
}
