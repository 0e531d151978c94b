/**
 * Puts load on several targets in short turns: where a machine is shared its speed changes within seconds, and a target that is measured
 * later is measured on another one.
 */
import type { Child } from "./child_process.ts";
import { load } from "./generator.ts";
import type { Bench } from "./options.ts";
import type { LoadRequest } from "./requests.ts";

/** Not shorter: at the beginning of a turn all clients connect, and it takes some tenths until they have found their rhythm. */
const TURN_SECONDS = 1;

/** A process, and what it is asked. */
export interface Contestant {
  readonly child: Child;
  readonly request: LoadRequest;
}

/** What a contestant did in all its turns of a round. */
export interface Sample {
  readonly perSecond: number;
  /** The mean of the turns' medians, microseconds. */
  readonly p50Us: number;
  /** CPU time of the process per request, microseconds; `null` where there is no /proc. */
  readonly cpuUs: number | null;
}

/** How long the round is for each contestant, and over how many connections. */
export interface Round {
  readonly connections: number;
  /** A whole number. */
  readonly seconds: number;
  /** Whether the last contestant begins. Each further turn has the order of the one before turned around. */
  readonly fromBehind: boolean;
}

/** Measures one round. The samples come in the order of `contestants`. */
export async function inTurns(
  bench: Bench,
  contestants: readonly Contestant[],
  { connections, seconds, fromBehind }: Round,
): Promise<readonly Sample[]> {
  const tallies = contestants.map((contestant) => new Tally(contestant));
  const turns = seconds / TURN_SECONDS;
  for (let turn = fromBehind ? 1 : 0, end = turn + turns; turn < end; turn++) {
    for (const tally of turn % 2 === 0 ? tallies : tallies.toReversed()) {
      await tally.add(bench, { connections, seconds: TURN_SECONDS });
    }
  }
  return tallies.map((tally) => tally.sample());
}

class Tally {
  readonly #contestant: Contestant;
  #turns = 0;
  #requests = 0;
  #seconds = 0;
  #p50Us = 0;
  #cpuUs: number | null = 0;

  constructor(contestant: Contestant) {
    this.#contestant = contestant;
  }

  async add(bench: Bench, shape: { readonly connections: number; readonly seconds: number }): Promise<void> {
    const { child, request } = this.#contestant;
    const before = child.cpuMicroseconds();
    const { requests, perSecond, p50Us } = await load(bench, request, shape);
    const after = child.cpuMicroseconds();
    this.#turns++;
    this.#requests += requests;
    this.#seconds += requests / perSecond;
    this.#p50Us += p50Us;
    this.#cpuUs = before === null || after === null || this.#cpuUs === null
      ? null
      : this.#cpuUs + after - before;
  }

  sample(): Sample {
    return {
      perSecond: this.#requests / this.#seconds,
      p50Us: this.#p50Us / this.#turns,
      cpuUs: this.#cpuUs === null ? null : this.#cpuUs / this.#requests,
    };
  }
}
