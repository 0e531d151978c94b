/** From the environment to a running gateway. The only place that reads variables, opens the store, listens, and hears signals. */
import { KeyRingError, parseKeyRing } from "./lib/crypto/keyring.ts";
import { systemRandom } from "./lib/crypto/secret_token.ts";
import { banner } from "./lib/gateway/banner.ts";
import { compileGateway } from "./lib/gateway/compile.ts";
import { ConfigError, type ConfigFault } from "./lib/gateway/config_error.ts";
import { type Environment, readEnvironment } from "./lib/gateway/environment.ts";
import type { Gateway } from "./lib/gateway/gateway.ts";
import { loadDefinition } from "./lib/gateway/load.ts";
import { createEvents } from "./lib/observability/events.ts";
import { LineWriter } from "./lib/observability/line_writer.ts";
import { systemClock as clock } from "./lib/runtime/clock.ts";
import { createServices } from "./lib/services.ts";
import { developmentKeyRing, openStore, StoreUnavailableError } from "./lib/store/open_kv.ts";
import { createApp } from "./routes/app.ts";

/** How long open requests may take to finish after a signal, in milliseconds; platforms kill after 5 s. */
const DRAIN_MS = 4_000;
/** How long the last log lines may take, in milliseconds: whoever reads them may have stalled. */
const LAST_LINES_MS = 500;

const readVariable = (name: string) => Deno.env.get(name);
const tell = (text: string) => Deno.stderr.writeSync(new TextEncoder().encode(`${text}\n`));

async function main(): Promise<void> {
  const faults: ConfigFault[] = [];
  const environment = readEnvironment(readVariable, { development: Deno.args.includes("--dev"), faults });
  const gateway = await configure(environment, faults);
  const keyRing = environment.keyRing === undefined
    ? await developmentKeyRing(environment.store, systemRandom)
    : parseKeyRing(environment.keyRing, systemRandom);
  const kv = await openStore(environment.store, Deno.openKv);
  const lines = new LineWriter(
    Deno.stdout,
    (count) => JSON.stringify({ event: "log_lines_dropped", level: "warn", count }),
  );
  const events = createEvents({ clock, level: environment.logLevel, write: (line) => lines.write(line) });
  const app = createApp(createServices({ clock, random: systemRandom, keyRing, events, kv }), gateway);

  const server = Deno.serve({
    hostname: environment.hostname,
    port: environment.port,
    onListen: ({ hostname, port }) => {
      events.emit("info", "gateway_started", { mode: gateway.mode, count: gateway.routes.length });
      const origin = gateway.publicUrl.kind === "origin"
        ? gateway.publicUrl.origin
        : `http://${hostname}:${port}`;
      if (environment.development) tell(banner(gateway, origin));
    },
  }, (request, delivery) => app.handle(request, { peer: hostnameOf(delivery.remoteAddr), delivery }));

  let stopping = false;
  const stop = async () => {
    if (stopping) return;
    stopping = true;
    events.emit("info", "gateway_stopping", {});
    const drained = server.shutdown();
    app.close();
    await Promise.race([drained, pause(DRAIN_MS)]);
    kv.close();
    await Promise.race([lines.flush(), pause(LAST_LINES_MS)]);
    Deno.exit(0);
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, stop);
}

/** The compiled configuration. @throws {ConfigError} with its faults and those of the environment together. */
async function configure(environment: Environment, faults: readonly ConfigFault[]): Promise<Gateway> {
  const mode = environment.development ? "development" : "production";
  const { publicUrl, hostname: bindHostname } = environment;
  try {
    const definition = await loadDefinition(environment.configPath, `file://${Deno.cwd()}/`);
    const gateway = compileGateway(definition, { mode, env: readVariable, publicUrl, bindHostname });
    if (faults.length === 0) return gateway;
  } catch (error) {
    throw error instanceof ConfigError ? new ConfigError([...faults, ...error.faults]) : error;
  }
  throw new ConfigError(faults);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function hostnameOf(address: Deno.Addr): string {
  return address.transport === "tcp" ? address.hostname : "";
}

/** What stopped the start, as one message without a stack trace; anything else is a fault of ours and keeps its trace. */
function explain(error: unknown): string | null {
  if (error instanceof ConfigError) return error.format();
  if (error instanceof KeyRingError || error instanceof StoreUnavailableError) {
    return `sallyport: ${error.message}`;
  }
  if (error instanceof Deno.errors.AddrInUse) {
    return "sallyport: the port is taken; stop what uses it or set GATEWAY_PORT.";
  }
  return null;
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    const explanation = explain(error);
    if (explanation === null) throw error;
    tell(explanation);
    Deno.exit(1);
  }
}
