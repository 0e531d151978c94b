/** `deno task dev`: the gateway, restarted at every edit, and the demo server beside it, until Ctrl-C. */
import { fileURLToPath } from "node:url";
import { resolve } from "node:path";
import { watchNpxParent } from "./npx_parent.ts";
import { TypeCheck } from "./type_check.ts";

const gatewayHost = Deno.env.get("GATEWAY_HOST") || "127.0.0.1";
const gatewayPort = portFrom(["GATEWAY_PORT", "PORT"], 9000);
const demoPort = portFrom(["DEMO_PORT"], 9001);
const config = resolve(Deno.env.get("GATEWAY_CONFIG") || "gateway.config.ts");

function portFrom(names: readonly string[], otherwise: number): number {
  const name = names.find((candidate) => Deno.env.get(candidate));
  if (name === undefined) return otherwise;
  const port = Number(Deno.env.get(name));
  if (Number.isInteger(port) && port > 0 && port < 65536) return port;
  say(`${name} must be a port number from 1 to 65535.`);
  Deno.exit(1);
}

function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}

/** Whether a port is taken; says which, and how to go on. */
function portIsTaken(): boolean {
  const wanted = [
    { name: "the gateway", hostname: gatewayHost, port: gatewayPort, way: "set GATEWAY_PORT" },
    {
      name: "the demo server",
      hostname: "127.0.0.1",
      port: demoPort,
      way: "set DEMO_PORT and change the demo's upstream in the configuration",
    },
  ];
  for (const { name, hostname, port, way } of wanted) {
    try {
      Deno.listen({ hostname, port }).close();
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
      say(`Port ${port} for ${name} is taken. Stop what uses it, or ${way}.`);
      return true;
    }
  }
  return false;
}

function start(args: readonly string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [...args],
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
}

function file(relative: string): string {
  return fileURLToPath(import.meta.resolve(relative));
}

if (portIsTaken()) Deno.exit(1);

const children = [
  start([
    "run",
    `--allow-net=127.0.0.1:${demoPort}`,
    file("../examples/demo/server.ts"),
    "--port",
    String(demoPort),
  ]),
  start([
    "run",
    "-A",
    "--v8-flags=--max-semi-space-size=8",
    `--watch=${config}`,
    "--no-clear-screen",
    file("../main.ts"),
    "--dev",
  ]),
];
const ended = Promise.all(children.map((child) => child.status));
const types = new TypeCheck({ config, host: gatewayHost, port: gatewayPort, say });

let stopping: Promise<void> | undefined;
function stop(): Promise<void> {
  return stopping ??= interruptUntilEnded();
}

/** `--watch` may outlive its program after one SIGINT, so the signal is repeated until both have ended. */
async function interruptUntilEnded(): Promise<void> {
  types.stop();
  const patience = 40;
  for (let attempt = 1; attempt <= patience; attempt++) {
    for (const child of children) kill(child, attempt < patience ? "SIGINT" : "SIGKILL");
    if (await Promise.race([ended, pause(150)])) return;
  }
  await ended;
}

function kill(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch {
    // Already gone.
  }
}

function pause(ms: number): Promise<undefined> {
  return new Promise((done) => setTimeout(done, ms, undefined));
}

let asked = false;
const npx = watchNpxParent(() => {
  asked = true;
  stop();
});
const signals: Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT", "SIGBREAK"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];
for (const signal of signals) {
  Deno.addSignalListener(signal, () => {
    asked = true;
    stop();
  });
}

const first = await Promise.race(children.map((child) => child.status));
await stop();
npx.stop();
Deno.exit(asked ? 0 : first.code || 1);
