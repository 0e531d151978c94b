/**
 * How much later an event arrives through the gateway than directly. Stub and clients live in this process, so that one clock
 * stamps both ends; direct and relayed events take turns.
 */
import { pause } from "./child_process.ts";
import { openSession, openStream } from "./event_streams.ts";
import { type Figure, TARGETS } from "./figures.ts";
import { ROUTES } from "./gateway_process.ts";
import type { HttpConnection } from "./http_connection.ts";
import { clientHeaders } from "./requests.ts";
import { signIn } from "./sign_in.ts";
import { missing, type Stage, stageGateway, startPassThrough } from "./stage.ts";
import { median } from "./statistics.ts";
import { createStub, type Stub } from "./stub_upstream.ts";

const WARM_UP = 200;
const BETWEEN_EVENTS_MS = 1;
const GIVE_UP_MS = 120_000;

/** Sends events one by one and compares the medians. */
export async function measureEventDelay(stage: Stage): Promise<readonly Figure[]> {
  const events = stage.options.quick ? 300 : 2000;
  stage.progress(`event delay: ${events} events`);
  const stub = createStub(stage.bearer);
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, stub.handle);
  const upstream = `http://127.0.0.1:${server.addr.port}`;
  const here = { ...stage, upstream };
  await using started = new AsyncDisposableStack();

  const direct = await openStream(`${upstream}/stream`, clientHeaders(stage.bearer));
  started.defer(() => direct.close());
  const passThrough = await startPassThrough(here);
  started.use(passThrough.child);
  const bare = await openStream(`${passThrough.origin}/stream`, clientHeaders("any"));
  started.defer(() => bare.close());
  const streams = [direct, bare];
  if (stage.gateway !== null) {
    const gateway = started.use(await stageGateway({ ...here, gateway: stage.gateway }));
    const { accessToken } = await signIn(gateway.publicUrl, ROUTES.stream);
    const url = gateway.origin + ROUTES.stream;
    const relayed = await openStream(url, await openSession(url, accessToken));
    started.defer(() => relayed.close());
    streams.push(relayed);
  }

  const delays = await delaysOf(streams, { send: stub.send, events });
  const [straight = [], through = [], full] = delays;
  const added = (values: readonly number[]) => (median(values) - median(straight)) * 1000;
  const reference = {
    name: "added delay per event, p50, pass-through",
    unit: "µs",
    better: "lower",
  } as const;
  return [
    full === undefined
      ? missing(TARGETS.eventDelay, "no main.ts")
      : { ...TARGETS.eventDelay, measured: added(full) },
    { ...reference, measured: added(through) },
  ];
}

/** Milliseconds from sending an event to reading it, one list per stream; one event is on its way at a time. */
async function delaysOf(
  streams: readonly HttpConnection[],
  { send, events }: { readonly send: Stub["send"]; readonly events: number },
): Promise<readonly (readonly number[])[]> {
  const delays = streams.map((): number[] => []);
  const watchdog = setTimeout(() => streams.forEach((stream) => stream.close()), GIVE_UP_MS);
  try {
    for (let progress = 0; progress < WARM_UP + events; progress++) {
      for (const [index, stream] of streams.entries()) {
        const begin = performance.now();
        send(index, event(progress));
        let text = "";
        while (!text.includes(`"progress":${progress},`)) text += await stream.readSome();
        if (progress >= WARM_UP) delays[index]?.push(performance.now() - begin);
        await pause(BETWEEN_EVENTS_MS);
      }
    }
  } finally {
    clearTimeout(watchdog);
  }
  return delays;
}

function event(progress: number): string {
  const params = { progressToken: "0d2f6a51-9f1c", progress, total: 100_000, message: "Reading issues" };
  const notification = { jsonrpc: "2.0", method: "notifications/progress", params };
  return `event: message\nid: ${progress}\ndata: ${JSON.stringify(notification)}\n\n`;
}
