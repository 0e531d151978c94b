/** The one place that reads the time: everything else is given a {@linkcode Clock}, so that tests can move it. */

/** Tells the time. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
}

/** The machine's own clock. */
export const systemClock: Clock = { now: () => Date.now() };
