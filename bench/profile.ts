/**
 * `deno run -A bench/profile.ts [--seconds n] [--route call|list|filteredList] [--gateway main.ts]`: where the gateway spends its
 * CPU time per request. Runs it under V8's sampling profiler with the benchmark's load and prints functions and lines.
 */
import { parseArgs } from "node:util";
import { stopAll } from "./child_process.ts";
import { ROUTES } from "./gateway_process.ts";
import { load } from "./generator.ts";
import { type Bench, parseOptions } from "./options.ts";
import { prepare } from "./prepare.ts";
import { CALL_BODY, LIST_BODY } from "./requests.ts";
import { signIn } from "./sign_in.ts";
import { type GatewayStage, stageGateway, startStub } from "./stage.ts";

/** The parts of a `.cpuprofile` that are read here. */
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
    readonly children?: readonly number[];
    readonly positionTicks?: readonly { readonly line: number; readonly ticks: number }[];
  }[];
  readonly samples: readonly number[];
  /** Microseconds since the sample before. */
  readonly timeDeltas: readonly number[];
}

const SHOWN = 30;
const NOT_WORK = new Set(["(idle)", "(root)"]);

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "5" },
      route: { type: "string", default: "call" },
      gateway: { type: "string" },
    },
  });
  const args = [
    "--seconds",
    values.seconds,
    ...(values.gateway === undefined ? [] : ["--gateway", values.gateway]),
  ];
  const options = parseOptions(args);
  if (options === "help") return;
  const bench = await prepare(options);
  try {
    const { gateway } = bench;
    if (gateway === null) throw new Error("no main.ts");
    const route = values.route === "list" || values.route === "filteredList" ? values.route : "call";
    await profile({ ...bench, gateway }, route);
  } finally {
    await stopAll();
    await Deno.remove(bench.workDir, { recursive: true });
  }
}

async function profile(
  bench: Bench & { readonly gateway: string },
  route: keyof typeof ROUTES,
): Promise<void> {
  const stub = await startStub(bench);
  const stage: GatewayStage = { ...bench, upstream: stub.origin, bearer: stub.bearer };
  const dir = `${bench.workDir}/profile`;
  const gateway = await stageGateway(stage, {
    filter: route === "filteredList",
    runtimeArgs: ["--cpu-prof", `--cpu-prof-dir=${dir}`],
  });
  const { accessToken } = await signIn(gateway.publicUrl, ROUTES[route]);
  const body = route === "call" ? CALL_BODY : LIST_BODY;
  const request = { url: gateway.origin + ROUTES[route], bearer: accessToken, body };
  const result = await load(stage, request, { connections: 64, seconds: bench.options.seconds });
  await gateway.child.stop();
  const [file] = (await Array.fromAsync(Deno.readDir(dir))).map(({ name }) => name);
  if (file === undefined) throw new Error("the gateway left no profile behind");
  // Written by V8 in its documented format.
  const cpu = JSON.parse(await Deno.readTextFile(`${dir}/${file}`)) as CpuProfile;
  await print(
    `${Math.round(result.perSecond)} requests/s under the profiler\n\n${report(cpu, result.requests)}`,
  );
}

/** Self and total time per function in µs per request, then the lines with the most samples. */
function report(profile: CpuProfile, requests: number): string {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map(
    profile.nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id] as const)),
  );
  const self = new Map<string, number>();
  const total = new Map<string, number>();
  for (const [index, id] of profile.samples.entries()) {
    const time = (profile.timeDeltas[index] ?? 0) / requests;
    const seen = new Set<string>();
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const name = nameOf(nodes.get(at)?.callFrame);
      if (at === id) self.set(name, (self.get(name) ?? 0) + time);
      if (!seen.has(name)) total.set(name, (total.get(name) ?? 0) + time);
      seen.add(name);
    }
  }
  return [
    section("self time, µs per request", self),
    section("with everything called, µs per request", total),
    section("samples by line of the gateway's own code", lines(profile)),
  ].join("\n");
}

function lines(profile: CpuProfile): ReadonlyMap<string, number> {
  const counted = new Map<string, number>();
  for (const { callFrame: { url }, positionTicks = [] } of profile.nodes) {
    if (!url.startsWith("file:")) continue;
    for (const { line, ticks } of positionTicks) {
      const place = `${shorten(url)}:${line}`;
      counted.set(place, (counted.get(place) ?? 0) + ticks);
    }
  }
  return counted;
}

function section(title: string, values: ReadonlyMap<string, number>): string {
  const sorted = [...values].filter(([name]) => !NOT_WORK.has(name)).sort(([, a], [, b]) => b - a).slice(
    0,
    SHOWN,
  );
  return `${title}\n${
    sorted.map(([name, value]) => `${value.toFixed(2).padStart(9)}  ${name}`).join("\n")
  }\n`;
}

function nameOf(frame: CpuProfile["nodes"][number]["callFrame"] | undefined): string {
  if (frame === undefined || frame.url === "") return frame?.functionName || "(anonymous)";
  return `${frame.functionName || "(anonymous)"}  ${shorten(frame.url)}:${frame.lineNumber + 1}`;
}

function shorten(url: string): string {
  return url.split("/").slice(-3).join("/");
}

async function print(text: string): Promise<void> {
  await Deno.stdout.write(new TextEncoder().encode(text));
}

if (import.meta.main) await main();
