/** Many deadlines on one timer: a timer of its own for every request would cost more than the request's bookkeeping. */

/** How late a deadline may be noticed, in milliseconds. */
const TICK_MS = 100;

/** A set of running deadlines. */
export class Deadlines {
  readonly #running = new Map<() => void, number>();
  #timer: ReturnType<typeof setInterval> | null = null;

  /** Calls `expire` once, `ms` milliseconds from now or up to 100 ms later. The returned function calls it off. */
  start(ms: number, expire: () => void): () => void {
    // Elapsed time, not wall-clock time: a clock that is set must not end requests.
    this.#running.set(expire, performance.now() + ms);
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
    return () => this.#running.delete(expire);
  }

  /** Stops the timer; running deadlines never expire. */
  close(): void {
    this.#running.clear();
    this.#stopTimer();
  }

  #tick(): void {
    if (this.#running.size === 0) return this.#stopTimer();
    const now = performance.now();
    for (const [expire, at] of this.#running) {
      if (at > now) continue;
      this.#running.delete(expire);
      expire();
    }
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }
}
