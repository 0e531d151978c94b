/** The revocation feed: at once where it happens, within 100 ms elsewhere, and without a read while nothing can be new. */
import assert from "node:assert/strict";
import { REVOCATION_FRESHNESS_MS } from "../../../lib/store/revocation_feed.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { type TestServices, testServices } from "../../support/services.ts";

/** Two processes on one store: what the one revokes the other has to hear. */
async function twoProcesses() {
  const kv = await Deno.openKv(":memory:");
  const clock = new FakeClock();
  const [here, there] = [await testServices({ kv, clock }), await testServices({ kv, clock })];
  const heard = { here: [] as string[], there: [] as string[] };
  here.revocations.listen((id) => heard.here.push(id));
  there.revocations.listen((id) => heard.there.push(id));
  return { kv, clock, here, there, heard, [Symbol.dispose]: () => kv.close() };
}

async function revoke({ store, revocations }: TestServices, id: string): Promise<void> {
  assert.equal(await revocations.record(store.write(), id).commit(), true);
  revocations.announce(id);
}

Deno.test("a revocation is heard at once in its own process, by every listener until it stops listening", async () => {
  using two = await twoProcesses();
  const second: string[] = [];
  const stop = two.here.revocations.listen((id) => second.push(id));
  await revoke(two.here, "g1");
  stop();
  await revoke(two.here, "g2");
  assert.deepEqual(two.heard.here, ["g1", "g2"]);
  assert.deepEqual(second, ["g1"]);
});

Deno.test("another process hears it once what it knows is 100 ms old, and not before", async () => {
  using two = await twoProcesses();
  await two.there.revocations.refresh();
  await revoke(two.here, "g1");
  two.clock.advance({ ms: REVOCATION_FRESHNESS_MS - 1 });
  assert.equal(two.there.revocations.isFresh(), true);
  await two.there.revocations.refresh();
  assert.deepEqual(two.heard.there, []);
  two.clock.advance({ ms: 1 });
  assert.equal(two.there.revocations.isFresh(), false);
  await two.there.revocations.refresh();
  assert.deepEqual(two.heard.there, ["g1"]);
});

Deno.test("every revocation is heard once, whichever process caused it", async () => {
  using two = await twoProcesses();
  await two.there.revocations.refresh();
  await revoke(two.here, "g1");
  await revoke(two.here, "g2");
  two.clock.advance({ ms: 100 });
  await two.there.revocations.refresh();
  await revoke(two.here, "g3");
  two.clock.advance({ ms: 100 });
  await two.there.revocations.refresh();
  two.clock.advance({ seconds: 60 });
  await two.there.revocations.refresh();
  assert.deepEqual(two.heard.there.toSorted(), ["g1", "g2", "g3"]);
});

Deno.test("while it is fresh nothing is read; afterwards one key, and the list only if there is something new", async () => {
  using two = await twoProcesses();
  const { revocations, reads } = two.there;
  await revocations.refresh();
  assert.deepEqual(reads, [["revocation_epoch", "all"]]);
  for (let count = 0; count < 10; count++) await revocations.refresh();
  assert.equal(reads.length, 1);
  two.clock.advance({ ms: 100 });
  await Promise.all([revocations.refresh(), revocations.refresh(), revocations.refresh()]);
  assert.equal(reads.length, 2);
});

Deno.test("a process that starts later hears what was revoked before: it may hold what it read meanwhile", async () => {
  using two = await twoProcesses();
  await revoke(two.here, "g1");
  await two.there.revocations.refresh();
  assert.deepEqual(two.heard.there, ["g1"]);
});

Deno.test("a clock that is set back does not make old knowledge fresh", async () => {
  using two = await twoProcesses();
  await two.there.revocations.refresh();
  await revoke(two.here, "g1");
  two.clock.advance({ seconds: -10 });
  assert.equal(two.there.revocations.isFresh(), false);
  await two.there.revocations.refresh();
  assert.deepEqual(two.heard.there, ["g1"]);
});

Deno.test("a check that fails leaves the feed stale, so that the next request asks again", async () => {
  using two = await twoProcesses();
  const { store, revocations } = two.there;
  await revocations.refresh();
  await revoke(two.here, "g1");
  two.clock.advance({ ms: 100 });
  const original = store.list.bind(store);
  store.list = () => {
    throw new Error("the store cannot be read");
  };
  await assert.rejects(() => revocations.refresh(), /cannot be read/);
  assert.equal(revocations.isFresh(), false);
  store.list = original;
  await revocations.refresh();
  assert.deepEqual(two.heard.there, ["g1"]);
});

Deno.test("an epoch that has expired announces nothing anew", async () => {
  using two = await twoProcesses();
  await revoke(two.here, "g1");
  await two.there.revocations.refresh();
  two.clock.advance({ seconds: 600 });
  await two.there.revocations.refresh();
  await revoke(two.here, "g2");
  two.clock.advance({ ms: 100 });
  await two.there.revocations.refresh();
  assert.deepEqual(two.heard.there, ["g1", "g2"]);
});
