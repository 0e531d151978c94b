/** What an idle event stream costs in memory, and how fast thousands of them are given up when their clients leave. */
import { pause } from "./child_process.ts";
import { openSession, openStreams } from "./event_streams.ts";
import { type Figure, TARGETS } from "./figures.ts";
import { ROUTES } from "./gateway_process.ts";
import { clientHeaders } from "./requests.ts";
import { signIn } from "./sign_in.ts";
import { missing, ofRounds, type Stage, stageGateway, startPassThrough, type Target } from "./stage.ts";

const IDLE = 1000;
const MANY = 3000;
const SETTLE_MS = 1500;
const GIVE_UP_MS = 15_000;

/** Fresh processes for every round: memory that was once taken is not given back. */
export async function measureStreams(stage: Stage): Promise<readonly Figure[]> {
  const repeats = stage.options.quick ? 1 : stage.options.rounds;
  const bare: (number | null)[] = [];
  const full: (number | null)[] = [];
  const closed: number[] = [];
  for (let repeat = 0; repeat < repeats; repeat++) {
    stage.progress(`streams: round ${repeat + 1} of ${repeats}`);
    const passThrough = await startPassThrough(stage);
    const bareUrl = `${passThrough.origin}/stream`;
    bare.push(
      await bytesPerStream(stage, passThrough, { url: bareUrl, headers: clientHeaders(stage.bearer) }),
    );
    await passThrough.child.stop();
    if (stage.gateway === null) continue;
    await using gateway = await stageGateway({ ...stage, gateway: stage.gateway });
    const { accessToken } = await signIn(gateway.publicUrl, ROUTES.stream);
    const url = gateway.origin + ROUTES.stream;
    const headers = await openSession(url, accessToken);
    full.push(await bytesPerStream(stage, gateway, { url, headers }));
    closed.push(await millisecondsToClose(stage, { url, headers }));
  }
  const reference = {
    name: "memory per idle event stream, pass-through",
    unit: "KB",
    better: "lower",
  } as const;
  return [
    ...(full.length === 0
      ? [missing(TARGETS.idleStream, "no main.ts"), missing(TARGETS.streamsClosed, "no main.ts")]
      : [ofRounds(TARGETS.idleStream, full), ofRounds(TARGETS.streamsClosed, closed)]),
    ofRounds(reference, bare),
  ];
}

interface Source {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** KB (1024 bytes) of resident memory per stream; a few streams are opened and closed first so that the code is warm. */
async function bytesPerStream(
  stage: Stage,
  { child }: Pick<Target, "child">,
  source: Source,
): Promise<number | null> {
  for (const stream of await openStreams(50, source)) stream.close();
  await untilOpen(stage, 0);
  await pause(SETTLE_MS);
  const before = child.residentBytes();
  const streams = await openStreams(IDLE, source);
  await pause(SETTLE_MS);
  const after = child.residentBytes();
  for (const stream of streams) stream.close();
  await untilOpen(stage, 0);
  return before === null || after === null ? null : (after - before) / IDLE / 1024;
}

async function millisecondsToClose(stage: Stage, source: Source): Promise<number> {
  const streams = await openStreams(MANY, source);
  await untilOpen(stage, MANY);
  const begin = performance.now();
  for (const stream of streams) stream.close();
  await untilOpen(stage, 0);
  return performance.now() - begin;
}

async function untilOpen(stage: Stage, wanted: number): Promise<void> {
  const deadline = performance.now() + GIVE_UP_MS;
  for (;;) {
    const stats: unknown = await (await fetch(`${stage.upstream}/stats`)).json();
    const open = typeof stats === "object" && stats !== null && "openStreams" in stats
      ? stats.openStreams
      : NaN;
    if (open === wanted) return;
    if (performance.now() > deadline) {
      throw new Error(`${open} upstream streams are open instead of ${wanted}`);
    }
    await pause(5);
  }
}
