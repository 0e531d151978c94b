/** Starts, pins, observes and stops the processes of a benchmark run; none of them outlives it. */
import type { Bench } from "./options.ts";

/** A process that serves until it is stopped. */
export interface Child extends AsyncDisposable {
  readonly pid: number;
  /** CPU time used so far by all threads, user and system, in microseconds; `null` where there is no /proc. */
  cpuMicroseconds(): number | null;
  /** Resident memory in bytes; `null` where there is no /proc. */
  residentBytes(): number | null;
  /** SIGTERM, and SIGKILL if it is still there after 6 seconds. Safe to call twice. */
  stop(): Promise<void>;
}

/** What to run, and where. */
export interface ChildCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** `target` is what is measured; `load` is everything around it. */
  readonly core: "target" | "load";
}

const running = new Set<Child>();
let shuttingDown = false;
const STDERR_KEPT = 4000;

/** Stops every process that is still running, but for `spared`. */
export async function stopAll(spared?: Child): Promise<void> {
  await Promise.all([...running].filter((child) => child !== spared).map((child) => child.stop()));
}

/** Stops every process, and none is started any more. */
export async function shutDown(): Promise<void> {
  shuttingDown = true;
  await stopAll();
}

/** Starts `what` and waits until `ready` answers true, for at most `timeoutMs`; throws with its last words otherwise. */
export async function start(
  bench: Pick<Bench, "cores">,
  what: ChildCommand & { readonly ready: () => Promise<boolean>; readonly timeoutMs?: number },
): Promise<Child> {
  const process = command(bench, what, "null").spawn();
  const lastWords = tail(process.stderr);
  let exited = false;
  const status = process.status.finally(() => exited = true);
  const child = observed(process.pid, async () => {
    running.delete(child);
    if (exited) return;
    signal(process, "SIGTERM");
    const killer = setTimeout(() => signal(process, "SIGKILL"), 6000);
    await status;
    clearTimeout(killer);
  });
  running.add(child);
  const deadline = performance.now() + (what.timeoutMs ?? 15_000);
  while (!await what.ready()) {
    if (exited || performance.now() > deadline) {
      const why = exited ? `exited with ${(await status).code}` : "was not ready in time";
      await child.stop();
      throw new Error(`${name(what)} ${why}\n${await lastWords}`);
    }
    await pause(exited ? 0 : 2);
  }
  return child;
}

/** Runs `what` to its end and returns what it wrote on stdout; throws when it fails. */
export async function run(bench: Pick<Bench, "cores">, what: ChildCommand): Promise<string> {
  const process = command(bench, what, "piped").spawn();
  let exited = false;
  const child = observed(process.pid, async () => {
    if (!exited) signal(process, "SIGKILL");
    await process.status;
  });
  running.add(child);
  try {
    const [out, err, status] = await Promise.all([
      new Response(process.stdout).text(),
      tail(process.stderr),
      process.status,
    ]);
    exited = true;
    if (!status.success) {
      throw new Error(`${name(what)} exited with ${status.code}\n${err}${out.slice(-1000)}`);
    }
    return out;
  } finally {
    running.delete(child);
  }
}

/** Waits for `milliseconds`. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** A port of 127.0.0.1 that was free a moment ago. */
export function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const port = listener.addr.port;
  listener.close();
  return port;
}

/** Whether something accepts connections on this port of 127.0.0.1. */
export async function accepts(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}

function command(bench: Pick<Bench, "cores">, what: ChildCommand, stdout: "null" | "piped"): Deno.Command {
  if (shuttingDown) throw new Error("the run is being ended");
  const options = {
    clearEnv: true,
    env: { ...inherited(), ...what.env },
    ...(what.cwd === undefined ? {} : { cwd: what.cwd }),
    stdin: "null",
    stdout,
    stderr: "piped",
  } as const;
  if (bench.cores === null) return new Deno.Command(what.command, { ...options, args: [...what.args] });
  const core = String(bench.cores[what.core]);
  return new Deno.Command("taskset", { ...options, args: ["-c", core, what.command, ...what.args] });
}

/** The environment without what would configure or trace the gateway behind our back. */
function inherited(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(Deno.env.toObject()).filter(([key]) => !/^(GATEWAY_|OTEL_|PORT$|DENO_KV)/.test(key)),
  );
}

function observed(pid: number, stop: () => Promise<void>): Child {
  return {
    pid,
    stop,
    [Symbol.asyncDispose]: stop,
    cpuMicroseconds: () => {
      const stat = proc(pid, "stat");
      if (stat === null) return null;
      // The command's name, in parentheses, may hold blanks: count the fields from its end.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return (Number(fields[11]) + Number(fields[12])) * (1e6 / CLOCK_TICKS_PER_SECOND);
    },
    residentBytes: () => {
      const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(proc(pid, "status") ?? "")?.[1];
      return kilobytes === undefined ? null : Number(kilobytes) * 1024;
    },
  };
}

// USER_HZ, part of the kernel's interface: 100 on every architecture that Deno runs on.
const CLOCK_TICKS_PER_SECOND = 100;

function proc(pid: number, file: string): string | null {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/${file}`);
  } catch {
    return null;
  }
}

function signal(process: Deno.ChildProcess, name: Deno.Signal): void {
  try {
    process.kill(name);
  } catch {
    // It has ended by itself in the meantime.
  }
}

async function tail(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  let kept = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    kept = (kept + text).slice(-STDERR_KEPT);
  }
  return kept;
}

function name(what: ChildCommand): string {
  return [what.command, ...what.args].map((part) => part.slice(part.lastIndexOf("/") + 1)).join(" ");
}
