/** Counts requests per key in fixed windows, in the memory of one process. */
import type { Clock } from "../runtime/clock.ts";

const MAX_KEYS = 100_000;

/** A bounded fixed-window counter. */
export class RateLimiter {
  readonly #clock: Clock;
  readonly #limit: number;
  readonly #windowMs: number;
  #windowStart = 0;
  #counts = new Map<string, number>();

  constructor(options: { clock: Clock; limit: number; windowSeconds: number }) {
    this.#clock = options.clock;
    this.#limit = options.limit;
    this.#windowMs = options.windowSeconds * 1000;
  }

  /** Counts one request; returns 0 if it may pass, else the seconds until it may come again. */
  take(key: string): number {
    const now = this.#clock.now();
    if (now - this.#windowStart >= this.#windowMs || now < this.#windowStart) {
      this.#windowStart = now;
      this.#counts = new Map();
    }
    // With so many keys in one window the sender rotates addresses: the newcomers share one count, and memory stays bounded.
    const counted = this.#counts.size >= MAX_KEYS && !this.#counts.has(key) ? "" : key;
    const count = (this.#counts.get(counted) ?? 0) + 1;
    this.#counts.set(counted, count);
    return count <= this.#limit ? 0 : this.#retryAfter(now);
  }

  #retryAfter(now: number): number {
    return Math.max(1, Math.ceil((this.#windowStart + this.#windowMs - now) / 1000));
  }
}
