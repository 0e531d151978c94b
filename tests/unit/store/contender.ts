/** A process that shares a KV file with others: `deno run contender.ts <file> <count>` increments one counter that often. */
import { systemRandom } from "../../../lib/crypto/secret_token.ts";
import { collection } from "../../../lib/store/collection.ts";
import { retryWhileLocked } from "../../../lib/store/retry.ts";
import { Store } from "../../../lib/store/store.ts";
import { systemClock } from "../../../lib/runtime/clock.ts";
import { KeyRing } from "../../../lib/crypto/keyring.ts";
import { z } from "zod";

/** The counter that all contenders increment. */
export const counters = collection("counter", { count: z.number() }, { sealed: false });
/** One row of its own for every increment. */
export const marks = collection("mark", {}, { sealed: false });

/** Increments the counter with a version check, listing the marks now and then; throws what the store throws. */
export async function contend(kv: Deno.Kv, name: string, count: number): Promise<void> {
  const store = new Store({ kv, clock: systemClock, keyRing: new KeyRing([], systemRandom) });
  const expiresAt = Date.now() + 600_000;
  for (let done = 0; done < count;) {
    const entry = await store.get(counters, "all");
    const write = entry === null ? store.write() : store.write().check(entry);
    if (entry === null) throw new Error("The counter is missing.");
    write.set(counters, ["all"], { count: entry.value.count + 1, expiresAt });
    write.set(marks, [name, String(done)], { expiresAt });
    if (await write.commit()) done++;
    if (done % 10 === 0) await Array.fromAsync(store.list(marks, name));
  }
}

if (import.meta.main) {
  const [path, count] = Deno.args;
  const kv = await retryWhileLocked(() => Deno.openKv(path));
  await contend(kv, String(Deno.pid), Number(count));
  kv.close();
}
