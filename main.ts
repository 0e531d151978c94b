/** From the environment to a running gateway. The only place that reads variables, opens the store, listens, and hears signals. */
import { systemRandom as random } from "./lib/crypto/secret_token.ts";
import { banner } from "./lib/gateway/banner.ts";
import type { ConfigFault } from "./lib/gateway/config_error.ts";
import { readEnvironment } from "./lib/gateway/environment.ts";
import { configure, explainStartup } from "./lib/gateway/startup.ts";
import { createEvents, type Events } from "./lib/observability/events.ts";
import { LineWriter } from "./lib/observability/line_writer.ts";
import { systemClock as clock } from "./lib/runtime/clock.ts";
import { createServices } from "./lib/services.ts";
import { developmentKeyRing, openStore } from "./lib/store/open_kv.ts";
import { admitKeyRing } from "./lib/store/sealing_keys.ts";
import { createApp } from "./routes/app.ts";

/** How long open requests may take to finish after a signal, in milliseconds; platforms kill after 5 s. */
const DRAIN_MS = 4_000;
/** How long the last log lines may take, in milliseconds: whoever reads them may have stalled. */
const LAST_LINES_MS = 500;

const readVariable = (name: string) => Deno.env.get(name);
const tell = (text: string) => Deno.stderr.writeSync(new TextEncoder().encode(`${text}\n`));

async function main(): Promise<void> {
  const faults: ConfigFault[] = [];
  const development = Deno.args.includes("--dev");
  const environment = readEnvironment(readVariable, { development, random, faults });
  const gateway = await configure(environment, { faults, env: readVariable, directory: Deno.cwd() });
  const keyRing = environment.keyRing ?? await developmentKeyRing(environment.store, random);
  const kv = await openStore(environment.store, Deno.openKv);
  const lines = new LineWriter(
    Deno.stdout,
    (count) => JSON.stringify({ event: "log_lines_dropped", level: "warn", count }),
  );
  const events = createEvents({ clock, level: environment.logLevel, write: (line) => lines.write(line) });
  const services = createServices({ clock, random, keyRing, events, kv });
  await admitKeyRing(services, environment.keyRing === undefined ? "development file" : "environment");
  const app = createApp(services, gateway);
  surviveRejections(events);

  const server = Deno.serve({
    hostname: environment.hostname,
    port: environment.port,
    onListen: ({ hostname, port }) => {
      events.emit("info", "gateway_started", { mode: gateway.mode, count: gateway.routes.length });
      const origin = gateway.publicUrl.kind === "origin"
        ? gateway.publicUrl.origin
        : `http://${hostname}:${port}`;
      if (environment.development) tell(banner(gateway, origin));
      void app.checkUpstreams();
    },
  }, (request, delivery) => app.handle(request, new Connection(delivery)));

  let stopping = false;
  const stop = async () => {
    if (stopping) return;
    stopping = true;
    events.emit("info", "gateway_stopping", {});
    const drained = server.shutdown();
    app.close();
    await Promise.race([drained.then(() => app.settled()), pause(DRAIN_MS)]);
    kv.close();
    await Promise.race([lines.flush(), pause(LAST_LINES_MS)]);
    Deno.exit(0);
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, stop);
}

/**
 * A promise that fails while nobody waits for it, in a function of the configuration for example, would end the process, and with it
 * everybody's streams. It is told, by its kind alone: what it says may be a secret.
 */
function surviveRejections(events: Events): void {
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    const { reason } = event;
    const errorName = reason instanceof Error ? reason.name : typeof reason;
    events.emit("error", "gateway_fault", { reasonCode: "unhandled_rejection", errorName });
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Who connected; the address is looked up only if somebody asks. */
class Connection {
  constructor(readonly delivery: Deno.ServeHandlerInfo<Deno.NetAddr>) {}

  get peer(): string {
    return this.delivery.remoteAddr.hostname;
  }
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    const explanation = explainStartup(error);
    if (explanation === null) throw error;
    tell(explanation);
    Deno.exit(1);
  }
}
