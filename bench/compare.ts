/**
 * `deno run -A bench/compare.ts [options of bench.ts] a/main.ts b/main.ts …`: several checkouts of the gateway in interleaved rounds at
 * c=64, to tell whether a change made it faster.
 */
import { stopAll } from "./child_process.ts";
import { ROUTES } from "./gateway_process.ts";
import { parseOptions } from "./options.ts";
import { prepare } from "./prepare.ts";
import { CALL_BODY } from "./requests.ts";
import { signIn } from "./sign_in.ts";
import { stageGateway, startPassThrough, startStub } from "./stage.ts";
import { median } from "./statistics.ts";
import { type Contestant, inTurns, type Sample } from "./turns.ts";

const CONNECTIONS = 64;
/** Until V8 has compiled what is hot, a request costs up to half as much again. */
const WARM_UP_ROUNDS = 3;

interface Candidate extends Contestant {
  readonly name: string;
  readonly samples: Sample[];
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
    for (const checkout of checkouts) {
      const { child, origin, publicUrl } = await stageGateway({
        ...stage,
        gateway: await Deno.realPath(checkout),
      });
      const { accessToken: bearer } = await signIn(publicUrl, ROUTES.call);
      const request = { url: origin + ROUTES.call, bearer, body: CALL_BODY };
      candidates.push({ name: checkout, child, request, samples: [] });
    }
    const { child, origin } = await startPassThrough(stage);
    const request = { url: `${origin}/call`, bearer: stub.bearer, body: CALL_BODY };
    candidates.push({ name: "pass-through", child, request, samples: [] });
    for (let round = -WARM_UP_ROUNDS; round < options.rounds; round++) {
      const { seconds } = options;
      const taken = await inTurns(stage, candidates, {
        connections: CONNECTIONS,
        seconds,
        fromBehind: round % 2 !== 0,
      });
      for (const [index, sample] of round < 0 ? [] : taken.entries()) candidates[index]?.samples.push(sample);
    }
    await print(
      "CPU per request in µs: median, lowest round (the truer one on a busy machine); requests per second\n",
    );
    for (const { name, samples } of candidates) {
      const cpuUs = samples.map((sample) => sample.cpuUs ?? NaN);
      const perSecond = samples.map((sample) => sample.perSecond);
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
