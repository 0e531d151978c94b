/** The gateway as its users run it: `main.ts` in a process of its own, with a configuration, a port and a store of its own. */
import { fileURLToPath } from "node:url";
import { HeadlessBrowser } from "./browser.ts";
import { freePort, TestChild } from "./child_process.ts";
import type { Askable } from "./oauth_flow.ts";

const main = fileURLToPath(import.meta.resolve("../../main.ts"));
const configuration = fileURLToPath(import.meta.resolve("../../deno.json"));

/** One line of the gateway's event log. */
export interface GatewayEvent {
  readonly event: string;
  readonly [detail: string]: unknown;
}

/** How to start a gateway. */
export interface GatewayProcessOptions {
  /** The text of `gateway.config.ts`. */
  readonly config: string;
  /** Added to the environment; overrides what is set here. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default `development`: `--dev`, local login, generated keys. */
  readonly mode?: "development" | "production";
  /** A folder from an earlier run, to keep its store and keys. Default: a new one, removed at the end. */
  readonly folder?: string;
  /** Default: a free one. */
  readonly port?: number;
}

/** A running gateway. */
export interface GatewayProcess {
  /** Such as `http://127.0.0.1:43210`. */
  readonly origin: string;
  readonly folder: string;
  readonly child: TestChild;
  /** All events logged so far. */
  readonly events: readonly GatewayEvent[];
  /** The first event with this name, past or future. */
  waitForEvent(name: string): Promise<GatewayEvent>;
  /** SIGTERM; throws if the gateway is alive 5 s later. Removes the folder, if it was made here. */
  stop(): Promise<Deno.CommandStatus>;
}

/** Starts a gateway and waits until it is healthy. Throws with its output if it ends instead. */
export async function startGateway(options: GatewayProcessOptions): Promise<GatewayProcess> {
  const folder = options.folder ?? await Deno.makeTempDir({ prefix: "sallyport-test-" });
  const port = options.port ?? freePort();
  await Deno.writeTextFile(`${folder}/gateway.config.ts`, options.config);
  const child = new TestChild({
    args: ["run", "--no-prompt", "-A", "--config", configuration, main, ...developmentFlag(options)],
    cwd: folder,
    env: {
      GATEWAY_CONFIG: `${folder}/gateway.config.ts`,
      GATEWAY_PORT: String(port),
      GATEWAY_KV: `${folder}/gateway.kv`,
      ...options.env,
    },
  });
  const removeFolder = async () => {
    if (options.folder === undefined) await Deno.remove(folder, { recursive: true });
  };
  const origin = `http://127.0.0.1:${port}`;
  try {
    await untilHealthy(origin, child);
  } catch (error) {
    await child.stop({ signal: "SIGKILL" });
    await removeFolder();
    throw error;
  }
  return {
    origin,
    folder,
    child,
    get events() {
      return child.lines.flatMap((line) => parseEvent(line) ?? []);
    },
    waitForEvent: (name) =>
      child.waitForLine((line) => {
        const event = parseEvent(line);
        return event?.event === name ? event : undefined;
      }),
    async stop() {
      try {
        return await child.stop({ signal: "SIGTERM", timeoutMs: 5000 });
      } finally {
        await removeFolder();
      }
    },
  };
}

/** Asks a process with connections of its own; dispose of them at the end, or when the process was killed. */
export function askableProcess({ origin }: Pick<GatewayProcess, "origin">): Askable & Disposable {
  const client = Deno.createHttpClient({ poolMaxIdlePerHost: 64 });
  const ask: Askable["fetch"] = (url, init) =>
    fetch(new URL(url, origin), { ...init, client, redirect: "manual" });
  return {
    origin,
    fetch: ask,
    browser: () =>
      new HeadlessBrowser({
        fetch: (input, init) => ask(input instanceof Request ? input.url : input, init),
      }),
    [Symbol.dispose]: () => client.close(),
  };
}

function developmentFlag({ mode }: GatewayProcessOptions): string[] {
  return mode === "production" ? [] : ["--dev"];
}

/** Waits for `GET /healthz` to answer 200; at most `timeoutMs`. */
async function untilHealthy(origin: string, child: TestChild, timeoutMs = 20_000): Promise<void> {
  const ended = child.status.then(({ code }) => code);
  const until = Date.now() + timeoutMs;
  while (Date.now() < until) {
    if (await isHealthy(origin)) return;
    const code = await Promise.race([ended, pause(50)]);
    if (code !== undefined) throw new Error(`The gateway ended with ${code}:\n${child.lines.join("\n")}`);
  }
  throw new Error(`Not healthy after ${timeoutMs} ms:\n${child.lines.join("\n")}`);
}

/** Whether a gateway at `origin` answers its health check. */
export async function isHealthy(origin: string): Promise<boolean> {
  try {
    const response = await fetch(`${origin}/healthz`);
    await response.body?.cancel();
    return response.status === 200;
  } catch {
    return false;
  }
}

function pause(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(resolve, ms, undefined));
}

/** An event line; undefined for anything else, such as the banner. */
function parseEvent(line: string): GatewayEvent | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    const parsed: unknown = JSON.parse(line);
    return isEvent(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

function isEvent(value: unknown): value is GatewayEvent {
  return typeof value === "object" && value !== null && "event" in value && typeof value.event === "string";
}
