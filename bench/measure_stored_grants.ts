/**
 * Whether the figures hold when the store is full: the records that a sign-in left behind are copied a million times under other
 * keys, which needs no knowledge of what they hold, and a gateway on that store takes turns with one on a small store.
 */
import { type Figure, TARGETS } from "./figures.ts";
import { newKeyRing, ROUTES, type RunningGateway } from "./gateway_process.ts";
import { load } from "./generator.ts";
import { TokenLoad } from "./measure_tokens.ts";
import { CALL_BODY } from "./requests.ts";
import { signIn } from "./sign_in.ts";
import { type GatewayStage, ofRounds, stageGateway } from "./stage.ts";

/** What an atomic operation may hold at most, by Deno KV's own limits: 1,000 mutations, 800 KiB. */
const RECORDS_PER_COMMIT = 1_000;
const BYTES_PER_COMMIT = 600_000;
/** KV keeps an index of what expires when: without expiry the store would be too easy. */
const EXPIRE_IN_MS = 30 * 86_400_000;

/** Fills a store, unless one was filled in an earlier run, then measures both in turns. */
export async function measureStoredGrants(stage: GatewayStage): Promise<readonly Figure[]> {
  const full = await fullStore(stage);
  await using few = await startContender(stage, {});
  await using many = await startContender(stage, full);
  const ratios: Record<keyof Rates, number[]> = { proxy: [], refresh: [], codeGrant: [] };
  for (let round = -1; round < stage.options.rounds; round++) {
    stage.progress(
      round < 0
        ? "stored grants: warming up"
        : `stored grants: round ${round + 1} of ${stage.options.rounds}`,
    );
    const measured = new Map<Contender, Rates>();
    for (const contender of round % 2 === 0 ? [few, many] : [many, few]) {
      measured.set(contender, await rates(stage, contender));
    }
    const [a, b] = [measured.get(few), measured.get(many)];
    if (round < 0 || a === undefined || b === undefined) continue;
    for (const what of ["proxy", "refresh", "codeGrant"] as const) ratios[what].push(b[what] / a[what]);
  }
  return [
    ofRounds(TARGETS.storedProxy, ratios.proxy),
    ofRounds(TARGETS.storedRefresh, ratios.refresh),
    ofRounds(TARGETS.storedCode, ratios.codeGrant),
  ];
}

interface Contender extends AsyncDisposable {
  readonly gateway: RunningGateway;
  readonly tokens: TokenLoad;
}

interface Rates {
  readonly proxy: number;
  readonly refresh: number;
  readonly codeGrant: number;
}

interface StoreFile {
  readonly kv: string;
  readonly keyRing: string;
}

async function startContender(stage: GatewayStage, store: Partial<StoreFile>): Promise<Contender> {
  const gateway = await stageGateway(stage, store);
  const tokens = await TokenLoad.on(stage, gateway);
  return { gateway, tokens, [Symbol.asyncDispose]: () => gateway.child.stop() };
}

async function rates(stage: GatewayStage, { gateway, tokens }: Contender): Promise<Rates> {
  const { accessToken: bearer } = await signIn(gateway.publicUrl, ROUTES.call);
  const request = { url: gateway.origin + ROUTES.call, bearer, body: CALL_BODY };
  const { perSecond } = await load(stage, request, { connections: 64, seconds: stage.options.seconds });
  return { proxy: perSecond, ...await tokens.round() };
}

/** The store of this run, or the one that `--stored-grants-dir` keeps between runs. */
async function fullStore(stage: GatewayStage): Promise<StoreFile> {
  const { storedGrants, storedGrantsDir } = stage.options;
  const dir = storedGrantsDir ?? stage.workDir;
  await Deno.mkdir(dir, { recursive: true });
  const kv = `${dir}/${storedGrants}.kv`;
  const keyFile = `${dir}/${storedGrants}.keys`;
  const kept = await Deno.readTextFile(keyFile).catch(() => null);
  if (kept !== null) return { kv, keyRing: kept };
  const keyRing = newKeyRing();
  {
    await using gateway = await stageGateway(stage, { kv, keyRing });
    await signIn(gateway.publicUrl, ROUTES.call);
  }
  await fill(stage, kv);
  // Written last: without it the store is not complete.
  await Deno.writeTextFile(keyFile, keyRing);
  return { kv, keyRing };
}

/** Copies every record of one sign-in, with the last part of its key replaced by something random. */
async function fill(stage: GatewayStage, path: string): Promise<void> {
  using kv = await Deno.openKv(path);
  const rows = await Array.fromAsync(kv.list<Uint8Array>({ prefix: [] }));
  const templates = rows.flatMap(({ key, value }) => {
    const last = key.at(-1);
    // Single settings and anything that is not looked up by a random text stay as they are.
    return typeof last === "string" && last.length >= 16 ? [{ prefix: key.slice(0, -1), last, value }] : [];
  });
  const grants = stage.options.storedGrants;
  let commit = kv.atomic();
  let [records, bytes] = [0, 0];
  for (let grant = 0; grant < grants; grant++) {
    if (grant % 50_000 === 0) stage.progress(`stored grants: ${grant} of ${grants} written`);
    for (const { prefix, last, value } of templates) {
      commit.set([...prefix, randomLike(last)], value, { expireIn: EXPIRE_IN_MS });
      records++;
      bytes += value.length;
      if (records < RECORDS_PER_COMMIT && bytes < BYTES_PER_COMMIT) continue;
      await commit.commit();
      commit = kv.atomic();
      [records, bytes] = [0, 0];
    }
  }
  await commit.commit();
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

function randomLike(text: string): string {
  const random = crypto.getRandomValues(new Uint8Array(text.length));
  let key = "";
  for (const byte of random) key += ALPHABET[byte & 63];
  return key;
}
