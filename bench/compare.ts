/**
 * `deno run -A bench/compare.ts [options of bench.ts] a/main.ts b/main.ts …`: several checkouts of the gateway in interleaved rounds at
 * c=64, to tell whether a change made it faster.
 */
import { stopAll } from "./child_process.ts";
import { ROUTES } from "./gateway_process.ts";
import { load } from "./generator.ts";
import { parseOptions } from "./options.ts";
import { prepare } from "./prepare.ts";
import { CALL_BODY } from "./requests.ts";
import { signIn } from "./sign_in.ts";
import { stageGateway, startPassThrough, startStub } from "./stage.ts";
import { median } from "./statistics.ts";

const CONNECTIONS = 64;
/** Until V8 has compiled what is hot, a request costs up to half as much again. */
const WARM_UP_ROUNDS = 3;

interface Candidate {
  readonly name: string;
  readonly cpuUs: number[];
  readonly perSecond: number[];
  readonly burst: (counted: boolean) => Promise<void>;
}

async function main(): Promise<void> {
  const checkouts = Deno.args.filter((argument) => argument.endsWith("main.ts"));
  const options = parseOptions(Deno.args.filter((argument) => !checkouts.includes(argument)));
  if (options === "help" || checkouts.length === 0) throw new Error("name at least one main.ts");
  const bench = await prepare(options);
  try {
    const stub = await startStub(bench);
    const stage = { ...bench, upstream: stub.origin, bearer: stub.bearer };
    const candidates: Candidate[] = [];
    const add = (
      name: string,
      { child, url, bearer }: { child: typeof stub.child; url: string; bearer: string },
    ) => {
      const cpuUs: number[] = [];
      const perSecond: number[] = [];
      const burst = async (counted: boolean) => {
        const before = child.cpuMicroseconds() ?? NaN;
        const shape = { connections: CONNECTIONS, seconds: options.seconds };
        const result = await load(stage, { url, bearer, body: CALL_BODY }, shape);
        if (!counted) return;
        cpuUs.push(((child.cpuMicroseconds() ?? NaN) - before) / result.requests);
        perSecond.push(result.perSecond);
      };
      candidates.push({ name, cpuUs, perSecond, burst });
    };
    for (const checkout of checkouts) {
      const gateway = await stageGateway({ ...stage, gateway: await Deno.realPath(checkout) });
      const { accessToken } = await signIn(gateway.publicUrl, ROUTES.call);
      add(checkout, { child: gateway.child, url: gateway.origin + ROUTES.call, bearer: accessToken });
    }
    const bare = await startPassThrough(stage);
    add("pass-through", { child: bare.child, url: `${bare.origin}/call`, bearer: stub.bearer });
    for (let round = -WARM_UP_ROUNDS; round < options.rounds; round++) {
      for (const { burst } of round % 2 === 0 ? candidates : candidates.toReversed()) await burst(round >= 0);
    }
    await print(
      "CPU per request in µs: median, lowest round (the truer one on a busy machine); requests per second\n",
    );
    for (const { name, cpuUs, perSecond } of candidates) {
      const columns = [median(cpuUs).toFixed(1), Math.min(...cpuUs).toFixed(1), median(perSecond).toFixed(0)];
      await print(`${columns.map((column) => column.padStart(8)).join("")}  ${name}\n`);
    }
  } finally {
    await stopAll();
    await Deno.remove(bench.workDir, { recursive: true });
  }
}

async function print(text: string): Promise<void> {
  await Deno.stdout.write(new TextEncoder().encode(text));
}

if (import.meta.main) await main();
