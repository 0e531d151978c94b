/** What `capabilityFilter` costs on a 16 KB list of tools: the same gateway, the same upstream, a route with and one without. */
import { type Figure, TARGETS } from "./figures.ts";
import { ROUTES } from "./gateway_process.ts";
import { load } from "./generator.ts";
import { clientHeaders, LIST_BODY, TOOL_NAMES } from "./requests.ts";
import { signIn } from "./sign_in.ts";
import { type GatewayStage, ofRounds, stageGateway } from "./stage.ts";

const CONNECTIONS = 16;

/** Runs the rounds. */
export async function measureFilter(stage: GatewayStage): Promise<readonly Figure[]> {
  await using gateway = await stageGateway(stage, { filter: true });
  const ratios: number[] = [];
  const absolute: number[] = [];
  for (let round = -1; round < stage.options.rounds; round++) {
    stage.progress(
      round < 0 ? "filter: warming up" : `filter: round ${round + 1} of ${stage.options.rounds}`,
    );
    const perSecond = new Map<string, number>();
    const routes = [ROUTES.list, ROUTES.filteredList];
    for (const route of round % 2 === 0 ? routes : routes.toReversed()) {
      const { accessToken: bearer } = await signIn(gateway.publicUrl, route);
      const request = { url: gateway.origin + route, bearer, body: LIST_BODY };
      if (round < 0) await assertFiltered(request, route === ROUTES.filteredList);
      perSecond.set(
        route,
        (await load(stage, request, { connections: CONNECTIONS, seconds: stage.options.seconds })).perSecond,
      );
    }
    const filtered = perSecond.get(ROUTES.filteredList) ?? NaN;
    if (round < 0) continue;
    ratios.push(filtered / (perSecond.get(ROUTES.list) ?? NaN));
    absolute.push(filtered);
  }
  return [
    ofRounds(TARGETS.filter, ratios),
    ofRounds(
      { name: `filtered 16 KB list, req/s, c=${CONNECTIONS}`, unit: "/s", better: "higher" },
      absolute,
    ),
  ];
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
