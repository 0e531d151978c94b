/**
 * The rows of one upstream's connections, with a cache that hears of every change in every process; and who may write one: of all
 * connects and disconnects of an owner the last one counts (corpus B14 240, 242).
 */
import { createIdentifier, hashSecret } from "../crypto/secret_token.ts";
import type { Services } from "../services.ts";
import type { Entry, Write } from "../store/store.ts";
import { connectionClaims, type ConnectionRecord, connections } from "../store/upstream_schema.ts";
import { connectionAnnouncement, type ConnectionSettings } from "./connection_settings.ts";

/** How long a process may use what it has read, in milliseconds; changes are announced, so this is a backstop. */
const CACHE_MS = 5_000;
const MAX_CACHED = 20_000;
/** Longer than any exchange of a code takes. */
const CLAIM_TTL_MS = 5 * 60_000;

/** What the rows are kept with. */
export type RecordServices = Pick<Services, "store" | "clock" | "random" | "revocations">;

/** The connections of all owners at one upstream. */
export class ConnectionRecords {
  readonly #services: RecordServices;
  readonly #connectionId: string;
  readonly #upstreamOrigin: string;
  readonly #cache = new Map<string, { readonly entry: Entry<ConnectionRecord>; readonly readAt: number }>();
  #changes = 0;

  constructor(services: RecordServices, { id, upstream }: Pick<ConnectionSettings, "id" | "upstream">) {
    this.#services = services;
    this.#connectionId = id;
    this.#upstreamOrigin = new URL(upstream).origin;
    services.revocations.listen((id) => {
      const prefix = this.#announcement("");
      if (!id.startsWith(prefix)) return;
      this.#changes++;
      this.#cache.delete(id.slice(prefix.length));
    });
  }

  /** The owner's row as this process has read it within the last five seconds; `undefined` if it has not. */
  peek(owner: string): Entry<ConnectionRecord> | undefined {
    const cached = this.#cache.get(owner);
    if (cached === undefined) return undefined;
    const age = this.#services.clock.now() - cached.readAt;
    return age >= 0 && age < CACHE_MS ? cached.entry : undefined;
  }

  /** The owner's row as it is, or as it was at most five seconds ago in the eyes of this process. */
  async cached(owner: string): Promise<Entry<ConnectionRecord> | null> {
    const known = this.peek(owner);
    if (known !== undefined) return known;
    const now = this.#services.clock.now();
    const changes = this.#changes;
    const entry = await this.current(owner);
    if (entry === null) this.#cache.delete(owner);
    // What was read while something changed may be what it was before: it serves this call and is not kept.
    else if (changes === this.#changes) {
      const [oldest] = this.#cache.keys();
      if (this.#cache.size >= MAX_CACHED && oldest !== undefined) this.#cache.delete(oldest);
      this.#cache.set(owner, { entry, readAt: now });
    }
    return entry;
  }

  /** The owner's row as it is; `null` also for one of another server's that the connection led to before. */
  async current(owner: string): Promise<Entry<ConnectionRecord> | null> {
    const entry = await this.#services.store.get(connections, owner, this.#connectionId);
    return entry?.value.upstreamOrigin === this.#upstreamOrigin ? entry : null;
  }

  /** Makes the next {@linkcode cached} read the row. */
  forget(owner: string): void {
    this.#cache.delete(owner);
  }

  /** Replaces the row, unless it has changed since it was read. */
  async change(entry: Entry<ConnectionRecord>, value: ConnectionRecord): Promise<boolean> {
    const write = this.#services.store.write().check(entry).set(connections, entry.id, value);
    return await this.#commit(entry.id[0], write);
  }

  /** Writes the row of a connect that holds the claim; `false` if the owner has disconnected or finished another connect since. */
  async put(owner: string, holder: string, value: ConnectionRecord): Promise<boolean> {
    const { store } = this.#services;
    const id = [owner, this.#connectionId] as const;
    const claim = await store.get(connectionClaims, ...id);
    if (claim?.value.holder !== hashSecret(holder)) return false;
    const write = store.write().check(claim).delete(connectionClaims, ...id).set(connections, id, value);
    return await this.#commit(owner, write, "made");
  }

  /** Deletes the row and returns it; a connect that is being finished at this moment will not write one. */
  async remove(owner: string): Promise<Entry<ConnectionRecord> | null> {
    const { store, random } = this.#services;
    const claim = { owner, connectionId: this.#connectionId, holder: createIdentifier(random) };
    await claimConnection(this.#services, store.write(), claim).commit();
    for (;;) {
      const entry = await this.current(owner);
      if (entry === null) return null;
      // A refresh may have changed it meanwhile; then that is the credential to end.
      const write = store.write().check(entry).delete(connections, ...entry.id);
      if (await this.#commit(owner, write, "ended")) return entry;
    }
  }

  async #commit(owner: string, write: Write, change?: "made" | "ended"): Promise<boolean> {
    const { revocations } = this.#services;
    const own = this.#announcement(owner);
    const told = change && connectionAnnouncement(change, { connectionId: this.#connectionId, owner });
    if (told !== undefined) revocations.record(write, told);
    const done = await revocations.record(write, own).commit();
    // The cache is to be filled anew either way; what has not happened is not told.
    revocations.announce(own);
    if (done && told !== undefined) revocations.announce(told);
    return done;
  }

  #announcement(owner: string): string {
    return `connection:${this.#connectionId}:${owner}`;
  }
}

/** Adds to `write` that from now on only `holder` may write the owner's row. */
export function claimConnection(
  { clock }: Pick<Services, "clock">,
  write: Write,
  claim: { readonly owner: string; readonly connectionId: string; readonly holder: string },
): Write {
  return write.set(connectionClaims, [claim.owner, claim.connectionId], {
    holder: hashSecret(claim.holder),
    expiresAt: clock.now() + CLAIM_TTL_MS,
  });
}
