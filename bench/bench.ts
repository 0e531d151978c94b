/** `deno task bench`: runs the measurements one after the other, prints one table and writes it as JSON. */
import { shutDown, stopAll } from "./child_process.ts";
import { type Figure, scaled, slownessOf, table, verdict } from "./figures.ts";
import { measureColdStart } from "./measure_cold_start.ts";
import { measureEventDelay } from "./measure_event_delay.ts";
import { measureFilter } from "./measure_filter.ts";
import { measureProxy } from "./measure_proxy.ts";
import { measureRevocation } from "./measure_revocation.ts";
import { measureStoredGrants } from "./measure_stored_grants.ts";
import { measureStreams } from "./measure_streams.ts";
import { measureTokens } from "./measure_tokens.ts";
import {
  type Bench,
  type BenchOptions,
  type Measurement,
  MEASUREMENTS,
  parseOptions,
  USAGE,
} from "./options.ts";
import { prepare } from "./prepare.ts";
import { type GatewayStage, type Stage, startStub } from "./stage.ts";

/** Load average beyond which somebody else is using the cores. */
const BUSY = 0.5;

/** Nothing takes this long unless it hangs; the processes are stopped then, which ends it. */
const GIVE_UP_FACTOR = 60;
const GIVE_UP_LEAST_MS = 300_000;
/** A stored grant is half a dozen records; a busy machine writes a thousand grants per second. */
const GIVE_UP_PER_GRANT_MS = 4;

const NEEDS_GATEWAY: Readonly<
  Partial<Record<Measurement, (stage: GatewayStage) => Promise<readonly Figure[]>>>
> = {
  filter: measureFilter,
  tokens: measureTokens,
  revocation: measureRevocation,
  cold_start: measureColdStart,
  stored_grants: measureStoredGrants,
};

const MEASURES_ALSO_WITHOUT: Readonly<
  Partial<Record<Measurement, (stage: Stage) => Promise<readonly Figure[]>>>
> = {
  proxy: measureProxy,
  streams: measureStreams,
  event_delay: measureEventDelay,
};

async function main(args: readonly string[]): Promise<number> {
  const options = parsed(args);
  if (options === null) return 2;
  if (options === "help") return await print(USAGE), 0;
  const bench = await prepare(options);
  const stop = async (code: number) => {
    await shutDown();
    // A second call, or a file written at the last moment: what is left is in the system's temporary directory.
    await Deno.remove(bench.workDir, { recursive: true }).catch(() => {});
    return code;
  };
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, async () => {
      interrupted.abort();
      Deno.exit(await stop(130));
    });
  }
  try {
    const figures = await measureAll(bench, interrupted.signal);
    if (interrupted.signal.aborted) return await stop(130);
    const slowness = slownessOf(figures);
    await print(`\n${about(bench)}${speed(slowness)}\n\n${table(figures, slowness)}\n`);
    await write(bench, figures, slowness);
    const missed = figures.some((figure) => verdict(figure, slowness) === "MISSED");
    return await stop(missed && !options.quick ? 1 : 0);
  } catch (error) {
    bench.progress(error instanceof Error ? error.stack ?? error.message : String(error));
    return await stop(1);
  }
}

/** One measurement that fails is a line of the table; the others are still worth having. */
async function measureAll(bench: Bench, interrupted: AbortSignal): Promise<readonly Figure[]> {
  const stub = await startStub(bench);
  const stage: Stage = { ...bench, upstream: stub.origin, bearer: stub.bearer };
  const figures: Figure[] = [];
  for (const measurement of MEASUREMENTS) {
    if (interrupted.aborted) break;
    if (!bench.options.only.has(measurement)) continue;
    if (measurement === "stored_grants" && bench.options.storedGrants === 0) {
      figures.push({
        name: "the same with many stored grants",
        ...UNMEASURED,
        why: "--stored-grants 1000000",
      });
      continue;
    }
    try {
      figures.push(...await withinReason(bench.options, measure(measurement, stage)));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      bench.progress(`${measurement} failed: ${message}`);
      figures.push({ name: measurement, ...UNMEASURED, why: message.split("\n")[0] ?? "" });
    } finally {
      await stopAll(stub.child);
    }
  }
  return figures;
}

const UNMEASURED = { measured: null, unit: "ratio", better: "higher" } as const;

function measure(measurement: Measurement, stage: Stage): Promise<readonly Figure[]> {
  const always = MEASURES_ALSO_WITHOUT[measurement];
  if (always !== undefined) return always(stage);
  const { gateway } = stage;
  const onGateway = NEEDS_GATEWAY[measurement];
  if (gateway !== null && onGateway !== undefined) return onGateway({ ...stage, gateway });
  return Promise.resolve([{ name: measurement, ...UNMEASURED, why: "no main.ts" }]);
}

async function withinReason<T>(
  { rounds, seconds, storedGrants }: BenchOptions,
  work: Promise<T>,
): Promise<T> {
  const limit = GIVE_UP_LEAST_MS + rounds * seconds * 1000 * GIVE_UP_FACTOR +
    storedGrants * GIVE_UP_PER_GRANT_MS;
  const watchdog = setTimeout(() => void stopAll(), limit);
  try {
    return await work;
  } finally {
    clearTimeout(watchdog);
  }
}

function parsed(args: readonly string[]): BenchOptions | "help" | null {
  try {
    return parseOptions(args);
  } catch (error) {
    note(error instanceof Error ? error.message : String(error));
    return null;
  }
}

function about({ options, cores, generator, nginx, load }: Bench): string {
  const pinned = cores === null
    ? "not pinned (needs taskset and two cores)"
    : `target on core ${cores.target}, load and stub on core ${cores.load}`;
  return `Deno ${Deno.version.deno}, ${Deno.build.os} ${Deno.build.arch}, ${navigator.hardwareConcurrency} cores, ${pinned}; ` +
    `load: ${generator}; nginx: ${nginx === null ? "not present" : "present"};\n` +
    `${options.rounds} interleaved rounds of ${options.seconds} s; medians, in parentheses lowest and highest round; ` +
    `upstream credential of ${options.bearerBytes} bytes` +
    (load > BUSY
      ? `\nThe machine was busy (load average ${load.toFixed(1)}): do not quote these figures`
      : "");
}

function speed(slowness: number | null): string {
  return slowness === null
    ? ""
    : `\nthe pass-through takes ${
      slowness.toFixed(2)
    } times what it took on the machine of the limits: "scaled" is at the speed of that one`;
}

async function write(bench: Bench, figures: readonly Figure[], slowness: number | null): Promise<void> {
  const at = new Date().toISOString();
  const { rounds, seconds, quick, bearerBytes, gatewayLog, storedGrants } = bench.options;
  const report = {
    at,
    deno: Deno.version.deno,
    os: Deno.build.os,
    arch: Deno.build.arch,
    cores: navigator.hardwareConcurrency,
    pinned: bench.cores,
    loadAverageAtStart: bench.load,
    generator: bench.generator,
    options: { rounds, seconds, quick, bearerBytes, gatewayLog, storedGrants },
    slowness,
    figures: figures.map((figure) => ({
      ...figure,
      scaled: scaled(figure, slowness),
      verdict: verdict(figure, slowness),
    })),
  };
  const dir = new URL("./results/", import.meta.url);
  await Deno.mkdir(dir, { recursive: true });
  const json = JSON.stringify(report, null, 2) + "\n";
  await Deno.writeTextFile(new URL(`${at.replaceAll(":", "-")}.json`, dir), json);
  await Deno.writeTextFile(new URL("latest.json", dir), json);
}

function note(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}

async function print(text: string): Promise<void> {
  await Deno.stdout.write(new TextEncoder().encode(text));
}

if (import.meta.main) Deno.exit(await main(Deno.args));
