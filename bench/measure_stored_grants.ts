/**
 * Whether the figures hold when the store is full: the records that a sign-in left behind are copied a million times under other
 * keys, which needs no knowledge of what they hold, and a gateway on that store takes turns with one on a small store.
 */
import { dirname } from "node:path";
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
const YEAR_MS = 365 * 86_400_000;

/** Fills a store, unless one was filled in an earlier run, then measures both in turns. */
export async function measureStoredGrants(stage: GatewayStage): Promise<readonly Figure[]> {
  const full = await fullStore(stage);
  // Beside the other: the disk is part of the figure.
  await using fewFile = await emptyStore(dirname(full.kv));
  await using few = await startContender(stage, fewFile);
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

async function startContender(stage: GatewayStage, store: StoreFile): Promise<Contender> {
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

/** A store to be made in `dir`, that is removed at the end. */
async function emptyStore(dir: string): Promise<StoreFile & AsyncDisposable> {
  const own = await Deno.makeTempDir({ dir, prefix: "few-" });
  return {
    kv: `${own}/few.kv`,
    keyRing: newKeyRing(),
    [Symbol.asyncDispose]: () => Deno.remove(own, { recursive: true }),
  };
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

/**
 * Copies every record of one sign-in again and again, as if people had signed in for a year: names and hashes in the keys become random, and
 * the time that some begin with goes on from copy to copy.
 */
async function fill(stage: GatewayStage, path: string): Promise<void> {
  using kv = await Deno.openKv(path);
  const rows = await Array.fromAsync(kv.list<Uint8Array>({ prefix: [] }));
  // Single settings and anything that is not looked up by a random text stay as they are.
  const templates = rows.filter(({ key }) => isRandom(key.at(-1)));
  const grants = stage.options.storedGrants;
  const now = Date.now();
  let commit = kv.atomic();
  let [records, bytes] = [0, 0];
  for (let grant = 0; grant < grants; grant++) {
    if (grant % 50_000 === 0) stage.progress(`stored grants: ${grant} of ${grants} written`);
    const time = now - Math.ceil(YEAR_MS * (1 - grant / grants));
    for (const { key, value } of templates) {
      const copy = key.map((part, index) => index > 0 && isRandom(part) ? likeThis(part, time) : part);
      commit.set(copy, value, { expireIn: EXPIRE_IN_MS });
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

function isRandom(part: Deno.KvKeyPart | undefined): part is string {
  return typeof part === "string" && part.length >= 16;
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** A time of 9 digits and 128 or 256 random bits (`lib/crypto/secret_token.ts`). */
const TIME_ORDERED = /^([0-9a-v]{9})([A-Za-z0-9_-]{22}|[A-Za-z0-9_-]{43})$/;

function likeThis(text: string, time: number): string {
  const [, , random] = TIME_ORDERED.exec(text) ?? [];
  return random === undefined ? randomLike(text) : time.toString(32).padStart(9, "0") + randomLike(random);
}

function randomLike(text: string): string {
  const random = crypto.getRandomValues(new Uint8Array(text.length));
  let key = "";
  for (const byte of random) key += ALPHABET[byte & 63];
  return key;
}
