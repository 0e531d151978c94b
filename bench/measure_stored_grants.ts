/**
 * Whether the figures hold when the store is full: the records that sign-ins left behind are copied a million times under other
 * keys, which needs no knowledge of what they hold, and a gateway on that store takes turns with one on a small store.
 */
import { type Figure, TARGETS } from "./figures.ts";
import { newKeyRing, ROUTES, type RunningGateway } from "./gateway_process.ts";
import { load } from "./generator.ts";
import { tokenRates } from "./measure_tokens.ts";
import { CALL_BODY } from "./requests.ts";
import { signIn } from "./sign_in.ts";
import { type GatewayStage, ofRounds, stageGateway } from "./stage.ts";

const RECORDS_PER_COMMIT = 250;

/** Fills a store, then measures both in turns. */
export async function measureStoredGrants(stage: GatewayStage): Promise<readonly Figure[]> {
  const full = { kv: `${stage.workDir}/full.kv`, keyRing: newKeyRing() };
  {
    await using gateway = await stageGateway(stage, full);
    await signIn(gateway.publicUrl, ROUTES.call);
  }
  await fill(stage, full.kv);
  await using few = await stageGateway(stage);
  await using many = await stageGateway(stage, full);
  const ratios = { proxy: [] as number[], refresh: [] as number[], codeGrant: [] as number[] };
  for (let round = -1; round < stage.options.rounds; round++) {
    const measured = new Map<RunningGateway, Rates>();
    for (const gateway of round % 2 === 0 ? [few, many] : [many, few]) {
      stage.progress(`stored grants: round ${round + 1} of ${stage.options.rounds}`);
      measured.set(gateway, await rates(stage, gateway));
    }
    const [a, b] = [measured.get(few), measured.get(many)];
    if (round < 0 || a === undefined || b === undefined) continue;
    ratios.proxy.push(b.proxy / a.proxy);
    ratios.refresh.push(b.refresh / a.refresh);
    ratios.codeGrant.push(b.codeGrant / a.codeGrant);
  }
  return [
    ofRounds(TARGETS.storedProxy, ratios.proxy),
    ofRounds(TARGETS.storedRefresh, ratios.refresh),
    ofRounds(TARGETS.storedCode, ratios.codeGrant),
  ];
}

interface Rates {
  readonly proxy: number;
  readonly refresh: number;
  readonly codeGrant: number;
}

async function rates(stage: GatewayStage, gateway: RunningGateway): Promise<Rates> {
  const { accessToken: bearer } = await signIn(gateway.publicUrl, ROUTES.call);
  const request = { url: gateway.origin + ROUTES.call, bearer, body: CALL_BODY };
  const proxy = await load(stage, request, { connections: 64, seconds: stage.options.seconds });
  const tokens = await tokenRates(stage, gateway, 1);
  return { proxy: proxy.perSecond, refresh: tokens.refresh[0] ?? NaN, codeGrant: tokens.codeGrant[0] ?? NaN };
}

/** Copies every record of one sign-in, with the last part of its key replaced by something random. */
async function fill(stage: GatewayStage, path: string): Promise<void> {
  using kv = await Deno.openKv(path);
  const templates = await Array.fromAsync(kv.list({ prefix: [] }));
  const grants = stage.options.storedGrants;
  let commit = kv.atomic();
  let pending = 0;
  for (let grant = 0; grant < grants; grant++) {
    if (grant % 50_000 === 0) stage.progress(`stored grants: ${grant} of ${grants} written`);
    for (const { key, value } of templates) {
      const last = key.at(-1);
      // Single settings and anything that is not looked up by a random text stay as they are.
      if (typeof last !== "string" || last.length < 16) continue;
      commit = commit.set([...key.slice(0, -1), randomLike(last)], value);
      if (++pending < RECORDS_PER_COMMIT) continue;
      await commit.commit();
      commit = kv.atomic();
      pending = 0;
    }
  }
  await commit.commit();
}

function randomLike(text: string): string {
  const random = Array.from(
    { length: Math.ceil(text.length / 32) },
    () => crypto.randomUUID().replaceAll("-", ""),
  );
  return random.join("").slice(0, text.length);
}
