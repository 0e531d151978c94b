/** Many deadlines on one timer: a timer of its own for every request would cost more than the request's bookkeeping. */

/** How often deadlines are looked at, in milliseconds. */
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
  #ticks = 0;

  /**
   * Calls `expire` once, `ms` milliseconds from now or up to 200 ms later, and a little more on a busy machine. Time is counted in ticks: no
   * clock is asked, which would cost each call more than all the rest here, and none that is set can end a call.
   */
  start(ms: number, expire: () => void): Deadline {
    // The tick that is under way is no whole one.
    const running = new Running(this.#ticks + 1 + Math.ceil(ms / TICK_MS), expire);
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
    this.#ticks++;
    const due: Running[] = [];
    for (let running = this.#ring.next; running !== this.#ring; running = running.next) {
      // Also one that is no number: what cannot be waited for is over.
      if (!(running.atTick > this.#ticks)) due.push(running);
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

  constructor(readonly atTick: number, readonly expire: () => void) {}

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
