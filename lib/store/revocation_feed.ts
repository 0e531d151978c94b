/**
 * Tells every process what was revoked, so that cached verdicts and open streams end at once. In the process that revokes it is
 * a call; the others notice by reading one small key, at most every 90 ms and only while they have something to drop.
 * (`kv.watch` does not cross processes on a file.)
 */
import type { Clock } from "../runtime/clock.ts";
import { createIdentifier, type Random } from "../crypto/secret_token.ts";
import { revocationEpoch, revocations } from "./schema.ts";
import type { Store, Write } from "./store.ts";

/** How old the knowledge of other processes' revocations may get, in milliseconds: with the time to read it, less than 100. */
export const REVOCATION_FRESHNESS_MS = 90;

const REVOCATION_TTL_MS = 5 * 60_000;

/** Hears the id of a grant, or of an access token's row, that was revoked. */
export type RevocationListener = (id: string) => void;

/** The feed of one process. */
export class RevocationFeed {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #listeners = new Set<RevocationListener>();
  readonly #seen = new Map<string, { readonly version: string; readonly until: number }>();
  #epoch: string | null | undefined = undefined;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #checking: Promise<void> | null = null;

  constructor(options: { store: Store; clock: Clock; random: Random }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#random = options.random;
  }

  /** Adds a listener; the returned function removes it. */
  listen(listener: RevocationListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Adds to `write` what other processes need to notice that `id` is revoked. */
  record(write: Write, id: string): Write {
    const expiresAt = this.#clock.now() + REVOCATION_TTL_MS;
    return write
      .set(revocations, [id], { expiresAt })
      .set(revocationEpoch, ["all"], { value: createIdentifier(this.#random), expiresAt });
  }

  /** Tells this process at once; call it after the write is committed. */
  announce(id: string): void {
    for (const listener of this.#listeners) listener(id);
  }

  /** Whether what this process knows is younger than {@linkcode REVOCATION_FRESHNESS_MS}. */
  isFresh(now: number = this.#clock.now()): boolean {
    const age = now - this.#checkedAt;
    return age >= 0 && age < REVOCATION_FRESHNESS_MS;
  }

  /** Learns what other processes have revoked, unless that is known freshly. */
  refresh(): Promise<void> {
    if (this.isFresh()) return Promise.resolve();
    this.#checking ??= this.#check().finally(() => {
      this.#checking = null;
    });
    return this.#checking;
  }

  async #check(): Promise<void> {
    const startedAt = this.#clock.now();
    const entry = await this.#store.get(revocationEpoch, "all");
    const epoch = entry?.version ?? null;
    // An epoch that is gone has merely expired; what it announced was seen before or is no longer cached anywhere.
    if (epoch !== this.#epoch && epoch !== null) await this.#announceUnseen(startedAt);
    this.#epoch = epoch;
    this.#checkedAt = startedAt;
  }

  async #announceUnseen(now: number): Promise<void> {
    for (const [id, { until }] of this.#seen) if (until <= now) this.#seen.delete(id);
    for await (const { id: [id], value, version } of this.#store.list(revocations)) {
      // A grant is revoked once, but a connection changes many times.
      if (this.#seen.get(id)?.version === version) continue;
      this.#seen.set(id, { version, until: value.expiresAt });
      this.announce(id);
    }
  }
}
