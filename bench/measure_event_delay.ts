/**
 * How much later an event arrives through the gateway than directly. The stub stamps each event with its clock and this process reads
 * its own: the unknown offset between the two is the same for all ways and drops out of the difference.
 */
import { openSession, openStream } from "./event_streams.ts";
import { type Figure, TARGETS } from "./figures.ts";
import { ROUTES } from "./gateway_process.ts";
import { clientHeaders } from "./requests.ts";
import { signIn } from "./sign_in.ts";
import { missing, ofRounds, type Stage, stageGateway, startPassThrough } from "./stage.ts";
import { median } from "./statistics.ts";

const WARM_UP = 200;
const GIVE_UP_MS = 60_000;

/** A way that events take, and the offset-laden medians of its rounds. */
interface Way {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly medians: number[];
}

/** One stream is open at a time; the ways take turns. */
export async function measureEventDelay(stage: Stage): Promise<readonly Figure[]> {
  const events = stage.options.quick ? 200 : 500;
  await using started = new AsyncDisposableStack();
  const headers = clientHeaders(stage.bearer);
  const direct: Way = { url: `${stage.upstream}/ticks`, headers, medians: [] };
  const passThrough = await startPassThrough(stage);
  started.use(passThrough.child);
  const bare: Way = { url: `${passThrough.origin}/ticks`, headers, medians: [] };
  const full = stage.gateway === null
    ? null
    : await throughGateway({ ...stage, gateway: stage.gateway }, started);
  const ways = [direct, bare, ...(full === null ? [] : [full])];
  for (let round = 0; round < stage.options.rounds; round++) {
    stage.progress(`event delay: round ${round + 1} of ${stage.options.rounds}`);
    for (const way of round % 2 === 0 ? ways : ways.toReversed()) {
      way.medians.push(await medianDelay(way, events));
    }
  }
  const added = ({ medians }: Way) =>
    medians.map((delay, round) => (delay - (direct.medians[round] ?? NaN)) * 1000);
  const reference = {
    name: "added delay per event, p50, pass-through",
    unit: "µs",
    better: "lower",
  } as const;
  return [
    full === null ? missing(TARGETS.eventDelay, "no main.ts") : ofRounds(TARGETS.eventDelay, added(full)),
    ofRounds(reference, added(bare)),
  ];
}

async function throughGateway(
  stage: Parameters<typeof stageGateway>[0],
  started: AsyncDisposableStack,
): Promise<Way> {
  const gateway = started.use(await stageGateway(stage));
  const { accessToken } = await signIn(gateway.publicUrl, ROUTES.ticks);
  const url = gateway.origin + ROUTES.ticks;
  return { url, headers: await openSession(url, accessToken), medians: [] };
}

/** Milliseconds from sending an event to reading it, give or take the offset of the clocks. */
async function medianDelay({ url, headers }: Way, events: number): Promise<number> {
  using stream = await openStream(url, headers);
  const watchdog = setTimeout(() => stream.close(), GIVE_UP_MS);
  const delays: number[] = [];
  try {
    while (delays.length < WARM_UP + events) {
      const text = await stream.readSome();
      const now = performance.now();
      for (const [, sent] of text.matchAll(/sent=([\d.]+);/g)) delays.push(now - Number(sent));
    }
  } finally {
    clearTimeout(watchdog);
  }
  return median(delays.slice(WARM_UP));
}
