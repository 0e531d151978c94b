/** `deno task rotate`: seals anew what an older key of the ring has sealed, while gateways run, and says when that key can go. */
import { systemRandom as random } from "../lib/crypto/secret_token.ts";
import { ConfigError, type ConfigFault } from "../lib/gateway/config_error.ts";
import { readEnvironment } from "../lib/gateway/environment.ts";
import { createEvents } from "../lib/observability/events.ts";
import { systemClock as clock } from "../lib/runtime/clock.ts";
import { createServices } from "../lib/services.ts";
import { resealAll, type ResealReport } from "../lib/store/key_rotation.ts";
import { developmentKeyRing, openStore, StoreUnavailableError } from "../lib/store/open_kv.ts";
import { explain, forgetKey, keyFaults, notedKeys } from "../lib/store/sealing_keys.ts";

/** A gateway may seal with an older key while a pass goes by; more often than this it does so for good. */
const MOST_PASSES = 5;
/** Variables that this task has no use for, and no permission to read. */
const OWN_VARIABLES = ["GATEWAY_KV", "GATEWAY_ENCRYPTION_KEYS", "DENO_DEPLOYMENT_ID"];
const USAGE = "usage: deno task rotate [--dev] [--discard=<key id>]…";

const say = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));

interface Arguments {
  readonly development: boolean;
  /** Keys that are lost. */
  readonly discard: ReadonlySet<string>;
}

function readArguments(args: readonly string[]): Arguments | null {
  const discard = new Set<string>();
  for (const arg of args.filter((each) => each !== "--dev")) {
    const keyId = /^--discard=([A-Za-z0-9_-]{1,32})$/.exec(arg)?.[1];
    if (keyId === undefined) return null;
    discard.add(keyId);
  }
  return { development: args.includes("--dev"), discard };
}

/** Whether nothing is left to do. */
async function rotate({ development, discard }: Arguments): Promise<boolean> {
  const faults: ConfigFault[] = [];
  const read = (name: string) => OWN_VARIABLES.includes(name) ? Deno.env.get(name) : undefined;
  const environment = readEnvironment(read, { development, random, faults });
  if (faults.length > 0) throw new ConfigError(faults);
  const ring = environment.keyRing === undefined ? "development file" : "environment";
  const keyRing = environment.keyRing ?? await developmentKeyRing(environment.store, random);
  const kv = await openStore(environment.store, Deno.openKv);
  try {
    const events = createEvents({ clock, level: "error", write() {} });
    const { store } = createServices({ clock, random, keyRing, events, kv });
    const inRing = [...discard].find((keyId) => keyRing.keyIds.includes(keyId));
    if (inRing !== undefined) {
      say(`The key "${inRing}" is in the ring, so nothing has to be deleted: leave out --discard.`);
      return false;
    }
    const faulty = (await keyFaults({ store, keyRing })).find(({ keyId }) => !discard.has(keyId));
    if (faulty !== undefined) {
      say(explain(faulty, ring));
      return false;
    }
    const noted = await notedKeys({ store });
    if (noted.length > 0 && !noted.includes(keyRing.currentKeyId)) {
      say(
        `No gateway has started with "${keyRing.currentKeyId}" as the first key of its ring yet. Restart all of them with this ring first, or they could not read what is sealed here.`,
      );
      return false;
    }
    const done = await passes({ kv, clock, keyRing }, discard);
    if (!done) return false;
    for (const keyId of noted.filter((each) => each !== keyRing.currentKeyId)) {
      await forgetKey({ store }, keyId);
    }
    tellRemovable(keyRing);
    return true;
  } finally {
    kv.close();
  }
}

/** Pass by pass until one finds nothing to do. */
async function passes(
  parts: Parameters<typeof resealAll>[0],
  discard: ReadonlySet<string>,
): Promise<boolean> {
  const sums = { resealed: 0, discarded: 0 };
  let report: ResealReport | undefined;
  for (let pass = 1; pass <= MOST_PASSES; pass++) {
    report = await resealAll(parts, {
      discard,
      onProgress: (collection, count) => say(`  ${collection}: ${count}`),
    });
    sums.resealed += report.resealed;
    sums.discarded += report.discarded;
    if (report.resealed + report.discarded + report.changed === 0) break;
    report = undefined;
  }
  say(`Sealed with "${parts.keyRing.currentKeyId}" now: ${sums.resealed} records more than before.`);
  if (sums.discarded > 0) say(`Deleted, since their key is lost: ${sums.discarded} records.`);
  if (report === undefined) {
    say(
      "There is always something more: a gateway still seals with an older key. Restart all of them with this ring, then run this again.",
    );
    return false;
  }
  for (const [keyId, count] of report.missing) {
    say(explain({ keyId, kind: "missing" }, "environment"));
    say(`Left: ${count} records of "${keyId}".`);
  }
  // They open with no key, so they stand in no key's way.
  if (report.altered > 0) say(`Not readable, since somebody has altered them: ${report.altered} records.`);
  return report.missing.size === 0;
}

function tellRemovable({ keyIds }: { readonly keyIds: readonly string[] }): void {
  const [first, ...older] = keyIds;
  if (older.length === 0) {
    say("Nothing is sealed with any other key.");
    return;
  }
  const names = older.map((keyId) => `"${keyId}"`).join(", ");
  say(
    `Nothing is sealed with ${names} any more. Once all gateways seal with "${first}", take ${
      older.length === 1 ? "it" : "them"
    } out of the ring and restart them. MCP sessions of before then begin anew, which clients do by themselves.`,
  );
}

const given = readArguments(Deno.args);
if (given === null) {
  say(USAGE);
  Deno.exit(2);
}
try {
  Deno.exit(await rotate(given) ? 0 : 1);
} catch (error) {
  if (error instanceof ConfigError) say(error.format());
  else if (error instanceof StoreUnavailableError) say(error.message);
  else throw error;
  Deno.exit(1);
}
