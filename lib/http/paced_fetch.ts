/** Bounds how often one origin is asked for what strangers name there, so that the gateway is no tool against it (corpus B3 056). */
import { RateLimiter } from "../observability/rate_limiter.ts";
import type { Clock } from "../runtime/clock.ts";
import { type Fetch, OutboundError } from "./outbound_fetch.ts";

const FETCHES_PER_ORIGIN_AND_MINUTE = 30;

/** A `fetch` that refuses what is too much for one origin. @throws {OutboundError} */
export function pacedFetch(fetch: Fetch, clock: Clock): Fetch {
  const pacer = new RateLimiter({ clock, limit: FETCHES_PER_ORIGIN_AND_MINUTE, windowSeconds: 60 });
  return async (input, init) => {
    if (pacer.take(new URL(input).origin) > 0) throw new OutboundError("The origin was asked too often.");
    return await fetch(input, init);
  };
}
