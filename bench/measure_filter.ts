/** What `capabilityFilter` costs on a 16 KB list of tools: the same gateway, the same upstream, a route with and one without. */
import { type Figure, TARGETS } from "./figures.ts";
import { ROUTES } from "./gateway_process.ts";
import { clientHeaders, LIST_BODY, TOOL_NAMES } from "./requests.ts";
import { signIn } from "./sign_in.ts";
import { type GatewayStage, ofRounds, roundsOfProcesses, stageGateway } from "./stage.ts";
import { type Contestant, inTurns, type Sample } from "./turns.ts";

const CONCURRENCIES = [64, 16] as const;
/** As many as for the proxy: until V8 has compiled both ways, they cost up to half as much again. */
const WARM_UP_ROUNDS = 6;

/** Runs the rounds. */
export async function measureFilter(stage: GatewayStage): Promise<readonly Figure[]> {
  const rounds: Rounds = { 64: [], 16: [] };
  for (const count of roundsOfProcesses(stage.options)) await measureProcess(stage, count, rounds);
  return CONCURRENCIES.flatMap((connections) => {
    const measured = rounds[connections];
    const ratios = measured.map(({ plain, filtered }) => filtered.perSecond / plain.perSecond);
    const name = `filtered 16 KB list, req/s, c=${connections}`;
    return [
      ofRounds(connections === 64 ? TARGETS.filter64 : TARGETS.filter16, ratios),
      ofRounds({ name, unit: "/s", better: "higher" }, measured.map(({ filtered }) => filtered.perSecond)),
    ];
  });
}

interface Round {
  readonly plain: Sample;
  readonly filtered: Sample;
}

type Rounds = Readonly<Record<(typeof CONCURRENCIES)[number], Round[]>>;

async function measureProcess(stage: GatewayStage, count: number, rounds: Rounds): Promise<void> {
  await using gateway = await stageGateway(stage, { filter: true });
  for (let round = -WARM_UP_ROUNDS; round < count; round++) {
    stage.progress(round < 0 ? "filter: warming up" : `filter: round ${round + 1} of ${count}`);
    const contestants: Contestant[] = [];
    for (const route of [ROUTES.list, ROUTES.filteredList]) {
      const { accessToken: bearer } = await signIn(gateway.publicUrl, route);
      const request = { url: gateway.origin + route, bearer, body: LIST_BODY };
      if (round < 0) await assertFiltered(request, route === ROUTES.filteredList);
      contestants.push({ child: gateway.child, request });
    }
    const { seconds } = stage.options;
    for (const connections of round < 0 ? [64] as const : CONCURRENCIES) {
      const shape = { connections, seconds, fromBehind: round % 2 !== 0 };
      const [plain, filtered] = await inTurns(stage, contestants, shape);
      if (round < 0 || plain === undefined || filtered === undefined) continue;
      rounds[connections].push({ plain, filtered });
    }
  }
}

/** A filter that filters nothing would look fast. */
async function assertFiltered(
  { url, bearer, body }: { readonly url: string; readonly bearer: string; readonly body: string },
  filtered: boolean,
): Promise<void> {
  const text = await (await fetch(url, { method: "POST", headers: clientHeaders(bearer), body })).text();
  const shown = TOOL_NAMES.filter((tool) => text.includes(`"${tool}"`)).length;
  const expected = filtered ? Math.ceil(TOOL_NAMES.length / 2) : TOOL_NAMES.length;
  if (shown !== expected) throw new Error(`${url} showed ${shown} tools instead of ${expected}`);
}
