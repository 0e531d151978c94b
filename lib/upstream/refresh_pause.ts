/** A token endpoint in trouble is left alone for a while, by every process: as long as it asks for (RFC 9110 §10.2.3), or longer each time. */
import type { Services } from "../services.ts";
import type { RecordId } from "../store/collection.ts";
import { type ConnectionRecord, type RefreshPauseRecord, refreshPauses } from "../store/upstream_schema.ts";
import { UpstreamError } from "./upstream_error.ts";

/** After a failure nobody asks again for this long; it doubles with every further one. */
const FIRST_MS = 1_000;
const LONGEST_MS = 30_000;
/** A server may ask for more with `Retry-After`, up to this: a mistake of its must not lock users out for long. */
const LONGEST_RETRY_AFTER_MS = 15 * 60_000;
/** How long a failure is remembered: the next pause is longer, and before the next attempt we look whether the server has moved. */
const MEMORY_MS = 86_400_000;
const MAX_REMEMBERED = 20_000;

/** A credential by its owner, and by when it was obtained: a later one of the same owner has no pause. */
type Credential = Pick<ConnectionRecord, "obtainedAt">;

/** The pauses of one connection's owners, as one process knows them. */
export class RefreshPauses {
  readonly #services: Pick<Services, "store" | "clock" | "random">;
  readonly #connectionId: string;
  readonly #remembered = new Map<string, Pick<RefreshPauseRecord, "obtainedAt" | "until">>();

  constructor(services: Pick<Services, "store" | "clock" | "random">, connectionId: string) {
    this.#services = services;
    this.#connectionId = connectionId;
  }

  /** The error for who asks during a pause that this process knows of: it costs the store nothing. `null`: there is none. */
  known(owner: string, { obtainedAt }: Credential): UpstreamError | null {
    const pause = this.#remembered.get(owner);
    return pause?.obtainedAt === obtainedAt ? this.#errorOf(pause) : null;
  }

  /** How often in a row refreshing this credential has failed. @throws {UpstreamError} during a pause */
  async failures(owner: string, { obtainedAt }: Credential): Promise<number> {
    const entry = await this.#services.store.get(refreshPauses, owner, this.#connectionId);
    if (entry?.value.obtainedAt !== obtainedAt) return 0;
    const error = this.#errorOf(entry.value);
    if (error === null) return entry.value.failures;
    this.#remember(owner, entry.value);
    throw error;
  }

  /** Begins one, after `failures` earlier ones in a row; returns the error that says how long it is. */
  async begin(
    owner: string,
    { obtainedAt }: Credential,
    { cause, failures }: { readonly cause: UpstreamError; readonly failures: number },
  ): Promise<UpstreamError> {
    const { store, clock, random } = this.#services;
    const asked = Math.min(cause.retryAfterMs ?? 0, LONGEST_RETRY_AFTER_MS);
    const [jitter = 0] = random(1);
    const backoff = Math.min(FIRST_MS * 2 ** failures, LONGEST_MS) * (1 + jitter / 1024);
    const until = clock.now() + Math.ceil(Math.max(asked, backoff));
    const pause = { obtainedAt, failures: failures + 1, until, expiresAt: until + MEMORY_MS };
    const id: RecordId = [owner, this.#connectionId];
    await store.write().set(refreshPauses, id, pause).commit();
    this.#remember(owner, pause);
    const retryAfterMs = until - clock.now();
    return new UpstreamError("unavailable", cause.reason, { cause, retryAfterMs });
  }

  #errorOf({ until }: Pick<RefreshPauseRecord, "until">): UpstreamError | null {
    const retryAfterMs = until - this.#services.clock.now();
    return retryAfterMs > 0 ? new UpstreamError("unavailable", "refresh_paused", { retryAfterMs }) : null;
  }

  #remember(owner: string, pause: Pick<RefreshPauseRecord, "obtainedAt" | "until">): void {
    const [oldest] = this.#remembered.keys();
    if (this.#remembered.size >= MAX_REMEMBERED && oldest !== undefined) this.#remembered.delete(oldest);
    this.#remembered.set(owner, pause);
  }
}
