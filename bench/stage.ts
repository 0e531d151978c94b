/** What the measurements share: the stub, the target processes, and what a figure looks like when it has rounds. */
import { fileURLToPath } from "node:url";
import { accepts, type Child, freePort, start } from "./child_process.ts";
import type { Figure } from "./figures.ts";
import { type GatewayStart, newKeyRing, type RunningGateway, startGateway } from "./gateway_process.ts";
import type { Bench } from "./options.ts";
import { randomBearer } from "./requests.ts";
import { median } from "./statistics.ts";

/** A benchmark run with its upstream running. */
export interface Stage extends Bench {
  /** Origin of the stub. */
  readonly upstream: string;
  /** The one credential it accepts. */
  readonly bearer: string;
}

/** A stage on which there is a gateway to measure. */
export type GatewayStage = Stage & { readonly gateway: string };

/** A target that serves on an origin. */
export interface Target {
  readonly child: Child;
  readonly origin: string;
}

/** Starts the stub. */
export async function startStub(bench: Bench): Promise<Target & { readonly bearer: string }> {
  const bearer = randomBearer(bench.options.bearerBytes);
  return { bearer, ...await startServer(bench, { file: "stub_upstream.ts", args: [bearer], core: "load" }) };
}

/** Starts the bare pass-through. */
export function startPassThrough(stage: Stage): Promise<Target> {
  return startServer(stage, {
    file: "pass_through.ts",
    args: [stage.upstream, stage.bearer],
    core: "target",
  });
}

/** Starts a gateway; with a store and key ring of its own unless `how` names them. */
export function stageGateway(stage: GatewayStage, how: Partial<GatewayStart> = {}): Promise<RunningGateway> {
  return startGateway(stage, {
    upstream: stage.upstream,
    bearer: stage.bearer,
    kv: `${stage.workDir}/${crypto.randomUUID()}.kv`,
    keyRing: newKeyRing(),
    ...how,
  });
}

/**
 * Rounds are spread over so many processes, one after another: equal ones differ by some percent, by where their memory lies and by the
 * order in which V8 has compiled them.
 */
const PROCESSES = 3;

/** How many rounds each process is measured for: together at least as many as were asked for. */
export function roundsOfProcesses({ rounds, quick }: Bench["options"]): readonly number[] {
  const processes = quick ? 1 : PROCESSES;
  return new Array<number>(processes).fill(Math.ceil(rounds / processes));
}

/** A figure from its rounds: the median, and the lowest and highest. */
export function ofRounds(
  figure: Omit<Figure, "measured" | "spread">,
  values: readonly (number | null)[],
): Figure {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return { ...figure, measured: null, why: "needs /proc" };
  return { ...figure, measured: median(known), spread: [Math.min(...known), Math.max(...known)] };
}

/** A figure that was not measured, and why. */
export function missing(figure: Omit<Figure, "measured">, why: string): Figure {
  return { ...figure, measured: null, why };
}

async function startServer(
  bench: Bench,
  { file, args, core }: {
    readonly file: string;
    readonly args: readonly string[];
    readonly core: "target" | "load";
  },
): Promise<Target> {
  const port = freePort();
  const child = await start(bench, {
    command: Deno.execPath(),
    args: [
      "run",
      "--quiet",
      "--no-check",
      "--no-config",
      // As in deno.json: without it a request's signal costs 18 to 55 %.
      "--unstable-no-legacy-abort",
      "--allow-net=127.0.0.1",
      fileURLToPath(new URL(file, import.meta.url)),
      String(port),
      ...args,
    ],
    core,
    ready: () => accepts(port),
  });
  return { child, origin: `http://127.0.0.1:${port}` };
}
