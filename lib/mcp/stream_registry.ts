/**
 * The event streams that are open in this process: bounded per user and in all, and ended when their token expires or is revoked
 * (checklist RS-14). A stream's bytes are handed over untouched; `event_stream.ts` knows how to end it.
 */
import type { RevocationFeed } from "../store/revocation_feed.ts";
import type { Clock } from "../runtime/clock.ts";

/** How often open streams are checked, in milliseconds. */
const CHECK_INTERVAL_MS = 250;

/** An open stream and whose it is. */
export interface OpenStream {
  readonly userId: string;
  readonly grantId: string;
  /** The id of the row of the access token it was opened with. */
  readonly tokenId: string;
  /** When that token expires: milliseconds since the epoch. */
  readonly expiresAt: number;
  /** Announcements of the revocation feed that end it, too. */
  readonly endedBy?: readonly string[];
  /** Ends the stream. */
  readonly abort: () => void;
}

/** Bounds on open streams. */
export interface StreamLimits {
  readonly streams: number;
  readonly streamsPerUser: number;
}

/** Knows every open stream of one process. */
export class StreamRegistry {
  readonly #clock: Clock;
  readonly #revocations: RevocationFeed;
  readonly #limits: StreamLimits;
  readonly #streams = new Set<OpenStream>();
  readonly #perUser = new Map<string, number>();
  #timer: ReturnType<typeof setInterval> | null = null;
  #closed = false;

  constructor(options: { clock: Clock; revocations: RevocationFeed; limits: StreamLimits }) {
    this.#clock = options.clock;
    this.#revocations = options.revocations;
    this.#limits = options.limits;
    options.revocations.listen((id) =>
      this.#abortWhere((stream) =>
        stream.grantId === id || stream.tokenId === id || stream.endedBy?.includes(id) === true
      )
    );
  }

  /** How many streams are open. */
  get size(): number {
    return this.#streams.size;
  }

  /** Whether this user may open one more. Nobody may while the process stops: it would wait for a stream that it has not ended. */
  hasRoomFor(userId: string): boolean {
    return !this.#closed && this.#streams.size < this.#limits.streams &&
      (this.#perUser.get(userId) ?? 0) < this.#limits.streamsPerUser;
  }

  /** Watches the stream until `ended` settles. */
  add(stream: OpenStream, ended: Promise<unknown>): void {
    this.#streams.add(stream);
    this.#perUser.set(stream.userId, (this.#perUser.get(stream.userId) ?? 0) + 1);
    this.#timer ??= setInterval(() => void this.#check(), CHECK_INTERVAL_MS);
    const remove = () => this.#remove(stream);
    ended.then(remove, remove);
  }

  /** Ends every stream, and opens no more: the process stops. */
  closeAll(): void {
    this.#closed = true;
    this.#abortWhere(() => true);
    this.#stopTimer();
  }

  async #check(): Promise<void> {
    const now = this.#clock.now();
    this.#abortWhere((stream) => stream.expiresAt <= now);
    try {
      await this.#revocations.refresh();
    } catch {
      // The store cannot be read right now: the next tick asks again, and expiry still ends every stream.
    }
  }

  #abortWhere(matches: (stream: OpenStream) => boolean): void {
    for (const stream of [...this.#streams]) if (matches(stream)) stream.abort();
  }

  #remove(stream: OpenStream): void {
    if (!this.#streams.delete(stream)) return;
    const left = (this.#perUser.get(stream.userId) ?? 1) - 1;
    if (left > 0) this.#perUser.set(stream.userId, left);
    else this.#perUser.delete(stream.userId);
    if (this.#streams.size === 0) this.#stopTimer();
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }
}
