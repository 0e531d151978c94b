/** Puts load on a target with wrk, or with the benchmark's own generator where wrk is missing: one kind per run. */
import { fileURLToPath } from "node:url";
import type { LoadArguments } from "./load.ts";
import { run } from "./child_process.ts";
import type { Bench } from "./options.ts";
import { clientHeaders, type LoadRequest } from "./requests.ts";

/** What one burst of load measured. */
export interface LoadResult {
  /** Requests answered with 2xx. */
  readonly requests: number;
  readonly perSecond: number;
  /** Latency, microseconds. */
  readonly p50Us: number;
  readonly p99Us: number;
  /** Answers that were not 2xx, and broken connections. */
  readonly failures: number;
}

/** How much load. */
export interface LoadShape {
  readonly connections: number;
  readonly seconds: number;
}

/** Sends `request` for `seconds` over `connections` connections; throws if anything but 2xx came back. */
export async function load(bench: Bench, request: LoadRequest, shape: LoadShape): Promise<LoadResult> {
  const result = bench.generator === "wrk"
    ? await wrk(bench, request, shape)
    : await own(bench, request, shape);
  if (result.failures > 0 || result.requests === 0) {
    throw new Error(`${request.url}: ${result.failures} failures beside ${result.requests} answers`);
  }
  return result;
}

async function own(bench: Bench, request: LoadRequest, shape: LoadShape): Promise<LoadResult> {
  const argument: LoadArguments = { ...request, ...shape };
  const program = fileURLToPath(new URL("./load.ts", import.meta.url));
  const out = await run(bench, {
    command: Deno.execPath(),
    args: ["run", "--quiet", "--no-check", "--allow-net=127.0.0.1", program, JSON.stringify(argument)],
    core: "load",
  });
  // Written by load.ts, which is typed to print this.
  return JSON.parse(out) as LoadResult;
}

async function wrk(
  bench: Bench,
  request: LoadRequest,
  { connections, seconds }: LoadShape,
): Promise<LoadResult> {
  const script = `${bench.workDir}/${crypto.randomUUID()}.lua`;
  await Deno.writeTextFile(script, wrkScript(request));
  const out = await run(bench, {
    command: "wrk",
    args: ["-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "10s", "-s", script, request.url],
    core: "load",
  });
  await Deno.remove(script);
  const line = /^RESULT (.*)$/m.exec(out)?.[1];
  if (line === undefined) throw new Error(`wrk printed no result:\n${out}`);
  // Printed by the script below.
  return JSON.parse(line) as LoadResult;
}

/** A script that makes wrk send our request and print numbers instead of prose. */
function wrkScript({ bearer, body }: LoadRequest): string {
  const headers = Object.entries(clientHeaders(bearer))
    .map(([key, value]) => `wrk.headers[${JSON.stringify(key)}] = ${JSON.stringify(value)}`);
  return `wrk.method = "POST"
wrk.body = [==[${body}]==]
${headers.join("\n")}
done = function(summary, latency)
  local e = summary.errors
  local failures = e.connect + e.read + e.write + e.timeout + e.status
  local good = summary.requests - e.status
  print(string.format('RESULT {"requests":%d,"perSecond":%.3f,"p50Us":%.3f,"p99Us":%.3f,"failures":%d}',
    good, good * 1e6 / summary.duration, latency:percentile(50), latency:percentile(99), failures))
end
`;
}
