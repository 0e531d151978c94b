/** Bounds how often one origin is asked for what strangers name there, so that the gateway is no tool against it (corpus B3 056). */
import { type Fetch, OutboundError } from "./outbound_fetch.ts";

/** Counts requests per key. */
export interface Pacer {
  /** Counts one; 0 if it may go, else the seconds until one may go again. */
  take(key: string): number;
}

/** A `fetch` that refuses what `pacer` says is too much for one origin. @throws {OutboundError} */
export function pacedFetch(fetch: Fetch, pacer: Pacer): Fetch {
  return async (input, init) => {
    if (pacer.take(new URL(input).origin) > 0) throw new OutboundError("The origin was asked too often.");
    return await fetch(input, init);
  };
}
