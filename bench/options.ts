/** The command line of `deno task bench`, and what every measurement is handed. */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/** The measurements, in the order in which they run; each is a file `measure_<name>.ts`. */
export const MEASUREMENTS = [
  "proxy",
  "filter",
  "streams",
  "event_delay",
  "tokens",
  "revocation",
  "cold_start",
  "stored_grants",
] as const;

/** The name of one measurement. */
export type Measurement = (typeof MEASUREMENTS)[number];

/** What the command line decides. */
export interface BenchOptions {
  /** How often every target is measured; odd and even rounds run the targets in opposite order. */
  readonly rounds: number;
  /** Whole seconds of load per target, round and concurrency. */
  readonly seconds: number;
  /** Fewer and shorter rounds: shows that everything works, resolves nothing. */
  readonly quick: boolean;
  readonly only: ReadonlySet<Measurement>;
  /** Length in bytes of the credential the upstream wants, the same for every target. */
  readonly bearerBytes: number;
  readonly generator: "auto" | "wrk" | "own";
  /** Path of the gateway's `main.ts`. */
  readonly gateway: string;
  /** `GATEWAY_LOG` of the measured gateway. */
  readonly gatewayLog: string;
  /** How many foreign grants to store before measuring again; 0 leaves that measurement out. */
  readonly storedGrants: number;
  /** Where the store with those grants is kept for further runs, or `null`: it is made anew. */
  readonly storedGrantsDir: string | null;
}

/** What every measurement is handed. */
export interface Bench {
  readonly options: BenchOptions;
  /** A directory that is removed at the end. */
  readonly workDir: string;
  /** Which core runs the measured process and which runs load and stub; `null` where nothing is pinned. */
  readonly cores: Cores | null;
  readonly generator: "wrk" | "own";
  /** Absolute path of nginx, or `null` when there is none. */
  readonly nginx: string | null;
  /** Absolute path of the gateway's `main.ts`, or `null` when there is none. */
  readonly gateway: string | null;
  /** Load average of the last minute when the run began: what else the machine was doing. */
  readonly load: number;
  /** Tells the person who waits what is going on. */
  readonly progress: (line: string) => void;
}

/** Core numbers as `taskset -c` takes them. */
export interface Cores {
  readonly target: number;
  readonly load: number;
}

/** What `--help` prints. */
export const USAGE = `deno task bench [options]

  --rounds <n>          interleaved rounds (8; with --quick 2)
  --seconds <n>         seconds of load per target and round (2; with --quick 1)
  --quick               a short run that proves the benchmark works
  --only <a,b>          only these: ${MEASUREMENTS.join(", ")}
  --bearer-bytes <n>    length of the upstream credential (64)
  --generator <name>    auto, wrk or own (auto: wrk where it is installed)
  --gateway <path>      another checkout's main.ts (default: this one's)
  --gateway-log <level> GATEWAY_LOG of the measured gateway (info)
  --stored-grants <n>   also measure again with n foreign grants in the store (0)
  --stored-grants-dir <path>  keep that store here and use it again: delete it after a change of the schema
`;

/** Reads the arguments; throws an `Error` whose message names the option at fault. */
export function parseOptions(args: readonly string[]): BenchOptions | "help" {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: "string" },
      seconds: { type: "string" },
      quick: { type: "boolean", default: false },
      only: { type: "string" },
      "bearer-bytes": { type: "string", default: "64" },
      generator: { type: "string", default: "auto" },
      gateway: { type: "string" },
      "gateway-log": { type: "string", default: "info" },
      "stored-grants": { type: "string", default: "0" },
      "stored-grants-dir": { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return "help";
  const quick = values.quick;
  const generator = values.generator;
  if (generator !== "auto" && generator !== "wrk" && generator !== "own") {
    throw new Error(`--generator must be auto, wrk or own, not ${generator}`);
  }
  return {
    rounds: wholeNumber("rounds", values.rounds ?? (quick ? "2" : "8"), [1, 1000]),
    seconds: wholeNumber("seconds", values.seconds ?? (quick ? "1" : "2"), [1, 600]),
    quick,
    only: chosen(values.only),
    bearerBytes: wholeNumber("bearer-bytes", values["bearer-bytes"], [16, 4096]),
    generator,
    gateway: values.gateway ?? fileURLToPath(new URL("../main.ts", import.meta.url)),
    gatewayLog: values["gateway-log"],
    storedGrants: wholeNumber("stored-grants", values["stored-grants"], [0, 5_000_000]),
    storedGrantsDir: values["stored-grants-dir"] ?? null,
  };
}

function chosen(list: string | undefined): ReadonlySet<Measurement> {
  if (list === undefined) return new Set(MEASUREMENTS);
  return new Set(
    list.split(",").map((name) => {
      const known = MEASUREMENTS.find((measurement) => measurement === name);
      if (known === undefined) throw new Error(`--only: ${name} is none of ${MEASUREMENTS.join(", ")}`);
      return known;
    }),
  );
}

function wholeNumber(name: string, text: string, [least, most]: readonly [number, number]): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new Error(`--${name} must be a whole number from ${least} to ${most}, not ${text}`);
  }
  return value;
}
