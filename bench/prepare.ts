/** Finds out what this machine has to run a benchmark with. */
import type { Bench, BenchOptions, Cores } from "./options.ts";

/** Looks for generator, nginx, gateway and cores; makes the work directory, which the caller removes. */
export async function prepare(options: BenchOptions): Promise<Bench> {
  const wrk = await which("wrk");
  if (options.generator === "wrk" && wrk === null) throw new Error("--generator wrk: wrk is not installed");
  const gateway = await Deno.realPath(options.gateway).catch(() => null);
  return {
    options,
    workDir: await Deno.makeTempDir({ prefix: "sallyport-bench-" }),
    cores: await pinnable(),
    generator: wrk === null || options.generator === "own" ? "own" : "wrk",
    nginx: await which("nginx"),
    gateway,
    load: Deno.loadavg()[0] ?? 0,
    progress: (line) => void Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`)),
  };
}

/** The first two cores, unless there is only one or nothing to pin with; this process goes to the load's core. */
async function pinnable(): Promise<Cores | null> {
  if (navigator.hardwareConcurrency < 2 || await which("taskset") === null) return null;
  const cores = { target: 0, load: 1 };
  const self = new Deno.Command("taskset", {
    args: ["-a", "-cp", String(cores.load), String(Deno.pid)],
    stdout: "null",
  });
  return (await self.output()).success ? cores : null;
}

async function which(program: string): Promise<string | null> {
  for (const dir of [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/sbin", "/usr/local/sbin"]) {
    const path = `${dir}/${program}`;
    if (dir !== "" && await Deno.stat(path).then((file) => file.isFile, () => false)) return path;
  }
  return null;
}
