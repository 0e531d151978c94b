/**
 * Calls that arrive together are handled together, step by step: all are parsed, then all are prepared, then all are sent. A call alone
 * finds nothing of what it needs in the processor's caches, since the whole of HTTP has run since the one before; of twenty in step, one.
 * At 64 connections most of what the gateway's own code costs is saved by that (bench/README.md).
 */

/** With fewer than this in one turn, each goes on at once: there is nobody to wait for. */
const FEW = 3;

/** Those who arrive in one turn of the event loop. */
export class Arrivals {
  #gate: Promise<void> | null = null;
  #arrived = 0;
  #arrivedBefore = 0;

  /**
   * What a newcomer waits for: the end of this turn, at which the runtime has taken in everything that has come by then. `null`: nothing.
   * Nobody waits for others to come; whoever waits would otherwise be served one after another in the same time.
   */
  join(): Promise<void> | null {
    this.#arrived++;
    if (this.#gate !== null) return this.#gate;
    this.#gate = new Promise((open) => {
      setImmediate(() => {
        this.#gate = null;
        this.#arrivedBefore = this.#arrived;
        this.#arrived = 0;
        open();
      });
    });
    // The first cannot know whether others follow. It is likely if they did a moment ago.
    return this.#arrivedBefore < FEW ? null : this.#gate;
  }
}

/** To wait for it ends a step: whoever else is at the same point catches up first. Costs one turn of the promise queue. */
export const nextStep: Promise<void> = Promise.resolve();
