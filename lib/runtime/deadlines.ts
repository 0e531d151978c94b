/** Many deadlines on one timer: a timer of its own for every request would cost more than the request's bookkeeping. */

/** How late a deadline may be noticed, in milliseconds. */
const TICK_MS = 100;

/** A deadline that runs. */
export interface Deadline {
  /** Calls it off. Safe to call twice, and afterwards. */
  stop(): void;
}

/** A set of running deadlines. */
export class Deadlines {
  /** A ring, so that what comes and goes with every request costs two links each, and no hash. */
  readonly #ring = new Running(Number.POSITIVE_INFINITY, () => {});
  #timer: ReturnType<typeof setInterval> | null = null;

  /** Calls `expire` once, `ms` milliseconds from now or up to 100 ms later. */
  start(ms: number, expire: () => void): Deadline {
    // Elapsed time, not wall-clock time: a clock that is set must not end requests.
    const running = new Running(performance.now() + ms, expire);
    running.insertBefore(this.#ring);
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
    return running;
  }

  /** Stops the timer; running deadlines never expire. */
  close(): void {
    while (this.#ring.next !== this.#ring) this.#ring.next.remove();
    this.#stopTimer();
  }

  #tick(): void {
    if (this.#ring.next === this.#ring) return this.#stopTimer();
    const now = performance.now();
    const due: Running[] = [];
    for (let running = this.#ring.next; running !== this.#ring; running = running.next) {
      // Also one that is no number: what cannot be waited for is over.
      if (!(running.at > now)) due.push(running);
    }
    // Each of them may call off others, and start new ones.
    for (const running of due) if (running.remove()) running.expire();
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }
}

/** A link of the ring; one that was removed leads to itself. */
class Running implements Deadline {
  next: Running = this;
  #previous: Running = this;

  constructor(readonly at: number, readonly expire: () => void) {}

  insertBefore(other: Running): void {
    this.next = other;
    this.#previous = other.#previous;
    other.#previous.next = this;
    other.#previous = this;
  }

  stop(): void {
    this.remove();
  }

  /** Returns false if it was removed before. */
  remove(): boolean {
    if (this.next === this) return false;
    this.#previous.next = this.next;
    this.next.#previous = this.#previous;
    this.next = this;
    this.#previous = this;
    return true;
  }
}
