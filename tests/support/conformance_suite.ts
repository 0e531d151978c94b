/** Runs `@modelcontextprotocol/conformance server` and reads its results from the files that it writes. */
import { z } from "zod";
import { TestChild } from "./child_process.ts";

/** One thing that a scenario looked at. */
export type Check = z.infer<typeof checkSchema>;

/** The checks of each scenario that was run. */
export type Results = ReadonlyMap<string, readonly Check[]>;

/** What to run, against what. */
export interface SuiteRun {
  /** Such as `npm:@modelcontextprotocol/conformance@0.1.16`, exactly as it is locked. */
  readonly suite: string;
  /** Options that choose the scenarios. */
  readonly selection: readonly string[];
  /** The MCP endpoint. */
  readonly url: URL;
  /** An access token for every request; without it none is sent. */
  readonly token?: string;
}

const checkSchema = z.object({
  id: z.string(),
  name: z.string(),
  status: z.enum(["SUCCESS", "FAILURE", "WARNING", "SKIPPED", "INFO"]),
  errorMessage: z.string().optional(),
});

const ROOT = new URL("../..", import.meta.url).pathname;
const PRELOAD = new URL("./conformance_bearer.ts", import.meta.url).pathname;

/** Runs the suite to its end. Throws with its output if it has no results. */
export async function runServerSuite({ suite, selection, url, token }: SuiteRun): Promise<Results> {
  const folder = await Deno.makeTempDir({ prefix: "sallyport-conformance-" });
  const child = new TestChild({
    args: [
      "run",
      "--no-prompt",
      "-A",
      ...(token === undefined ? [] : [`--preload=${PRELOAD}`]),
      suite,
      "server",
      "--url",
      url.href,
      ...selection,
      "-o",
      folder,
    ],
    ...(token === undefined ? {} : { env: { MCP_BEARER: token, MCP_BEARER_ORIGIN: url.origin } }),
    // Here, so that the lock of the project counts.
    cwd: ROOT,
  });
  try {
    await child.status;
    const results = await readResults(folder);
    if (results.size === 0) throw new Error(`The suite has no results:\n${child.lines.join("\n")}`);
    return results;
  } finally {
    await child.stop({ signal: "SIGKILL" });
    await Deno.remove(folder, { recursive: true });
  }
}

/** Every scenario has a folder such as `server-ping-2026-11-28T08-14-16-125Z`, empty if it broke off. */
async function readResults(folder: string): Promise<Results> {
  const results = new Map<string, readonly Check[]>();
  for await (const { name } of Deno.readDir(folder)) {
    const scenario = /^server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z$/.exec(name)?.[1];
    if (scenario === undefined) throw new Error(`Not a scenario's folder: ${name}`);
    const text = await readIfThere(`${folder}/${name}/checks.json`);
    results.set(scenario, text === null ? [] : z.array(checkSchema).parse(JSON.parse(text)));
  }
  return results;
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** What was looked at and how it ended, in order; without what the suite only writes down. */
export function outcomes(checks: readonly Check[]): readonly string[] {
  return checks.filter(({ status }) => status !== "INFO").map(({ status, id, name }) =>
    `${status} ${id} ${name}`
  );
}

/** Why checks did not pass, as the suite says it. */
export function complaints(checks: readonly Check[]): readonly string[] {
  return checks.flatMap(({ id, errorMessage }) =>
    errorMessage === undefined ? [] : [`${id}: ${errorMessage}`]
  );
}

/** Whether one of the checks ended so. */
export function has(checks: readonly Check[], status: Check["status"]): boolean {
  return checks.some((check) => check.status === status);
}
