/** Requests per second, CPU per request and latency of the full path, against the bare pass-through and nginx. */
import { CONNECTION, ROUTES, type RunningGateway } from "./gateway_process.ts";
import { type Figure, PASS_THROUGH_CPU, TARGETS } from "./figures.ts";
import { startNginx } from "./nginx.ts";
import { CALL_BODY, randomBearer } from "./requests.ts";
import { Browser, register, signIn } from "./sign_in.ts";
import {
  missing,
  ofRounds,
  roundsOfProcesses,
  type Stage,
  stageGateway,
  startPassThrough,
  type Target,
} from "./stage.ts";
import { inTurns, type Sample } from "./turns.ts";

const CONCURRENCIES = [64, 16, 1] as const;
/** Until V8 has compiled what is hot, a request costs up to half as much again. */
const WARM_UP_ROUNDS = 6;

type Name = "full path" | "user's connection" | "pass-through" | "nginx";

interface Contender extends Target {
  readonly name: Name;
  readonly path: string;
  /** What it is sent, fresh for every round: access tokens live for 15 minutes, which are less than a long run. */
  readonly bearer: () => Promise<string>;
}

/** Runs the rounds; without a gateway or nginx their rows say so. */
export async function measureProxy(stage: Stage): Promise<readonly Figure[]> {
  const samples: Samples = new Map();
  for (const rounds of roundsOfProcesses(stage.options)) await measureProcesses(stage, rounds, samples);
  return figures(samples);
}

type Samples = Map<string, Sample[]>;

/** Measures every contender with a process of its own. */
async function measureProcesses(stage: Stage, rounds: number, samples: Samples): Promise<void> {
  const contenders = await startContenders(stage);
  for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
    stage.progress(round < 0 ? "proxy: warming up" : `proxy: round ${round + 1} of ${rounds}`);
    const contestants = [];
    for (const { child, origin, path, bearer } of contenders) {
      contestants.push({ child, request: { url: origin + path, bearer: await bearer(), body: CALL_BODY } });
    }
    for (const connections of round < 0 ? [64] : CONCURRENCIES) {
      const { seconds } = stage.options;
      const taken = await inTurns(stage, contestants, { connections, seconds, fromBehind: round % 2 !== 0 });
      for (const [index, sample] of round < 0 ? [] : taken.entries()) {
        const key = keyOf(contenders[index]?.name, connections);
        samples.set(key, [...samples.get(key) ?? [], sample]);
      }
    }
  }
  await Promise.all(contenders.map(({ child }) => child.stop()));
}

async function startContenders(stage: Stage): Promise<readonly Contender[]> {
  const { nginx } = stage;
  // As long as an access token.
  const bearer = () => Promise.resolve(randomBearer(46));
  return [
    ...(stage.gateway === null ? [] : await startGateway({ ...stage, gateway: stage.gateway })),
    { name: "pass-through", path: "/call", bearer, ...await startPassThrough(stage) },
    ...(nginx === null
      ? []
      : [{ name: "nginx", path: "/call", bearer, ...await startNginx({ ...stage, nginx }, stage) } as const]),
  ];
}

/** One process with two routes: with a key for everybody, and with the user's own connection to the upstream. */
async function startGateway(stage: Stage & { readonly gateway: string }): Promise<readonly Contender[]> {
  const gateway: RunningGateway = await stageGateway(stage);
  const browser = new Browser(gateway.publicUrl);
  await browser.authorize(await register(gateway.publicUrl), ROUTES.connected);
  await browser.connect(CONNECTION);
  const tokenFor = (route: string) => async () => (await signIn(gateway.publicUrl, route)).accessToken;
  return [
    { name: "full path", path: ROUTES.call, bearer: tokenFor(ROUTES.call), ...gateway },
    { name: "user's connection", path: ROUTES.connected, bearer: tokenFor(ROUTES.connected), ...gateway },
  ];
}

function keyOf(name: Name | undefined, connections: number): string {
  return `${name} ${connections}`;
}

/** Ratios and differences are taken within a round and then their median, so that a slow minute hits both sides. */
function figures(samples: ReadonlyMap<string, readonly Sample[]>): readonly Figure[] {
  const of = (name: Name, connections: number) => samples.get(keyOf(name, connections)) ?? [];
  const against = (name: Name) => {
    const rounds = (connections: number, figure: (full: Sample, bare: Sample) => number | null) =>
      of(name, connections).flatMap((full, round) => {
        const bare = of("pass-through", connections)[round];
        return bare === undefined ? [] : [figure(full, bare)];
      });
    return {
      ratio: (connections: number) => rounds(connections, (full, bare) => full.perSecond / bare.perSecond),
      cpu: rounds(64, (full, bare) => difference(full.cpuUs, bare.cpuUs)),
      p50: rounds(1, (full, bare) => full.p50Us - bare.p50Us),
      byCpu: rounds(64, (full, bare) => ratioOf(bare.cpuUs, full.cpuUs)),
    };
  };
  const figure = (target: Omit<Figure, "measured">, values: readonly (number | null)[]) =>
    values.length === 0 ? missing(target, "no main.ts") : ofRounds(target, values);
  const [full, connected] = [against("full path"), against("user's connection")];
  return [
    figure(TARGETS.ratio64, full.ratio(64)),
    figure(TARGETS.ratio16, full.ratio(16)),
    figure(TARGETS.cpu64, full.cpu),
    figure(TARGETS.p50c1, full.p50),
    figure(BY_CPU, full.byCpu),
    figure(TARGETS.connected64, connected.ratio(64)),
    figure(TARGETS.connected16, connected.ratio(16)),
    figure(TARGETS.connectedCpu64, connected.cpu),
    figure(TARGETS.connectedP50c1, connected.p50),
    ...(["full path", "user's connection", "pass-through", "nginx"] as const).flatMap((name) =>
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
      {
        name: name === "pass-through" ? PASS_THROUGH_CPU : `${name}, CPU per request, c=64`,
        unit: "µs",
        better: "lower",
      },
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
