/** A clock that stands still until a test moves it. */
import type { Clock } from "../../lib/runtime/clock.ts";

/** Starts at a fixed moment. */
export class FakeClock implements Clock {
  #now: number;

  constructor(start: number = Date.UTC(2026, 10, 21, 9)) {
    this.#now = start;
  }

  now(): number {
    return this.#now;
  }

  /** Moves the time; negative sets it back. */
  advance(by: { readonly ms?: number; readonly seconds?: number; readonly days?: number }): void {
    this.#now += (by.ms ?? 0) + (by.seconds ?? 0) * 1000 + (by.days ?? 0) * 86_400_000;
  }
}
