/** Requests per second, CPU per request and latency of the full path, against the bare pass-through and nginx. */
import { ROUTES, type RunningGateway } from "./gateway_process.ts";
import { type Figure, TARGETS } from "./figures.ts";
import { load } from "./generator.ts";
import { startNginx } from "./nginx.ts";
import { CALL_BODY, randomBearer } from "./requests.ts";
import { signIn } from "./sign_in.ts";
import { missing, ofRounds, type Stage, stageGateway, startPassThrough, type Target } from "./stage.ts";

const CONCURRENCIES = [64, 16, 1] as const;
/** Until V8 has compiled what is hot, a request costs up to half as much again. */
const WARM_UP_ROUNDS = 3;

interface Contender extends Target {
  readonly name: "full path" | "pass-through" | "nginx";
  readonly path: string;
}

interface Sample {
  readonly perSecond: number;
  readonly p50Us: number;
  readonly cpuUs: number | null;
}

/** Runs the rounds; without a gateway or nginx their rows say so. */
export async function measureProxy(stage: Stage): Promise<readonly Figure[]> {
  const gateway = stage.gateway === null ? null : await stageGateway({ ...stage, gateway: stage.gateway });
  const contenders = await startContenders(stage, gateway);
  const samples = new Map<string, Sample[]>();
  for (let round = -WARM_UP_ROUNDS; round < stage.options.rounds; round++) {
    stage.progress(round < 0 ? "proxy: warming up" : `proxy: round ${round + 1} of ${stage.options.rounds}`);
    // A fresh token per round: 15 minutes are less than a long run. All contenders are sent the same one.
    const bearer = gateway === null
      ? randomBearer(46)
      : (await signIn(gateway.publicUrl, ROUTES.call)).accessToken;
    for (const connections of round < 0 ? [64] : CONCURRENCIES) {
      for (const contender of round % 2 === 0 ? contenders : contenders.toReversed()) {
        const sample = await burst(stage, contender, { bearer, connections });
        if (round < 0) continue;
        const key = keyOf(contender.name, connections);
        samples.set(key, [...samples.get(key) ?? [], sample]);
      }
    }
  }
  await Promise.all(contenders.map(({ child }) => child.stop()));
  return figures(samples);
}

async function startContenders(stage: Stage, gateway: RunningGateway | null): Promise<readonly Contender[]> {
  const { nginx } = stage;
  return [
    ...(gateway === null ? [] : [{ name: "full path", path: ROUTES.call, ...gateway } as const]),
    { name: "pass-through", path: "/call", ...await startPassThrough(stage) },
    ...(nginx === null
      ? []
      : [{ name: "nginx", path: "/call", ...await startNginx({ ...stage, nginx }, stage) } as const]),
  ];
}

async function burst(
  stage: Stage,
  { child, origin, path }: Contender,
  { bearer, connections }: { readonly bearer: string; readonly connections: number },
): Promise<Sample> {
  const before = child.cpuMicroseconds();
  const result = await load(
    stage,
    { url: origin + path, bearer, body: CALL_BODY },
    { connections, seconds: stage.options.seconds },
  );
  const after = child.cpuMicroseconds();
  return {
    perSecond: result.perSecond,
    p50Us: result.p50Us,
    cpuUs: before === null || after === null ? null : (after - before) / result.requests,
  };
}

function keyOf(name: Contender["name"], connections: number): string {
  return `${name} ${connections}`;
}

/** Ratios and differences are taken within a round and then their median, so that a slow minute hits both sides. */
function figures(samples: ReadonlyMap<string, readonly Sample[]>): readonly Figure[] {
  const of = (name: Contender["name"], connections: number) => samples.get(keyOf(name, connections)) ?? [];
  const pairs = (connections: number) =>
    of("full path", connections).flatMap((full, round) => {
      const bare = of("pass-through", connections)[round];
      return bare === undefined ? [] : [{ full, bare }];
    });
  const against = (target: Omit<Figure, "measured">, values: readonly (number | null)[]) =>
    values.length === 0 ? missing(target, "no main.ts") : ofRounds(target, values);
  const ratio = (connections: number) =>
    pairs(connections).map(({ full, bare }) => full.perSecond / bare.perSecond);
  return [
    against(TARGETS.ratio64, ratio(64)),
    against(TARGETS.ratio16, ratio(16)),
    against(TARGETS.cpu64, pairs(64).map(({ full, bare }) => difference(full.cpuUs, bare.cpuUs))),
    against(TARGETS.p50c1, pairs(1).map(({ full, bare }) => full.p50Us - bare.p50Us)),
    ...(pairs(64).length === 0
      ? []
      : [ofRounds(BY_CPU, pairs(64).map(({ full, bare }) => ratioOf(bare.cpuUs, full.cpuUs)))]),
    ...(["full path", "pass-through", "nginx"] as const).flatMap((name) =>
      references(name, (c) => of(name, c))
    ),
  ];
}

/** What the first ratio would be if the core did nothing else: steadier than it on a busy machine. */
const BY_CPU = { name: "the same by CPU time, c=64", unit: "ratio", better: "higher" } as const;

function references(name: string, of: (connections: number) => readonly Sample[]): readonly Figure[] {
  if (of(64).length === 0) {
    return [missing({ name, unit: "/s", better: "higher" }, name === "nginx" ? "not present" : "no main.ts")];
  }
  return [
    ...CONCURRENCIES.map((c) =>
      ofRounds(
        { name: `${name}, req/s, c=${c}`, unit: "/s", better: "higher" },
        of(c).map((s) => s.perSecond),
      )
    ),
    ofRounds(
      { name: `${name}, CPU per request, c=64`, unit: "µs", better: "lower" },
      of(64).map((s) => s.cpuUs),
    ),
    ofRounds({ name: `${name}, p50, c=1`, unit: "µs", better: "lower" }, of(1).map((s) => s.p50Us)),
  ];
}

function difference(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a - b;
}

function ratioOf(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a / b;
}
