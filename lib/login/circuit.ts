/** Keeps a provider that does not answer from being waited for by everybody: after some failures in a row it is asked by one at a time. */
import type { Clock } from "../runtime/clock.ts";

/** When a circuit opens. */
export interface CircuitLimits {
  /** How many failures in a row open it. */
  readonly failures: number;
  /** How long it stays open before somebody may try, in milliseconds. */
  readonly openMs: number;
  /** How many may wait for the provider at the same time. */
  readonly inFlight: number;
}

/** The provider was not asked: it did not answer others, or too many are waiting already. */
export class CircuitOpenError extends Error {
  override readonly name = "CircuitOpenError";
}

/** One circuit, for one provider. */
export class Circuit {
  readonly #limits: CircuitLimits;
  readonly #clock: Clock;
  #failures = 0;
  #inFlight = 0;
  #openUntil = Number.NEGATIVE_INFINITY;

  constructor(limits: CircuitLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Runs `ask`; what it throws counts as a failure if `isFailure` says so. @throws {CircuitOpenError} */
  async run<T>(ask: () => Promise<T>, isFailure: (error: unknown) => boolean): Promise<T> {
    const { failures, inFlight, openMs } = this.#limits;
    const now = this.#clock.now();
    const open = this.#failures >= failures;
    if ((open && now < this.#openUntil) || this.#inFlight >= inFlight) {
      throw new CircuitOpenError("The provider is not asked for a while.");
    }
    // Whoever comes now is the one who tries; the others wait for what it learns.
    if (open) this.#openUntil = now + openMs;
    this.#inFlight++;
    try {
      const answer = await ask();
      this.#failures = 0;
      return answer;
    } catch (error) {
      if (!isFailure(error)) this.#failures = 0;
      else if (++this.#failures >= failures) this.#openUntil = this.#clock.now() + openMs;
      throw error;
    } finally {
      this.#inFlight--;
    }
  }
}
