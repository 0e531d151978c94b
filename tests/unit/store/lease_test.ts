/** A lease: one holder at a time, until it is given back or has ended. */
import assert from "node:assert/strict";
import { systemRandom as random } from "../../../lib/crypto/secret_token.ts";
import { parseKeyRing } from "../../../lib/crypto/keyring.ts";
import { takeLease } from "../../../lib/store/lease.ts";
import { Store } from "../../../lib/store/store.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { TEST_KEYS } from "../../support/harness.ts";
import { kvFile } from "../../support/kv_file.ts";
import { testServices } from "../../support/services.ts";

Deno.test("of many who ask at once on two connections to one file exactly one gets it, time after time (UP-18)", async () => {
  await using file = await kvFile();
  const clock = new FakeClock();
  const processes = [file.kv, await file.open()].map((kv) => ({
    store: new Store({ kv, clock, keyRing: parseKeyRing(TEST_KEYS, random) }),
    clock,
    random,
  }));
  for (let round = 0; round < 20; round++) {
    const taken = await Promise.all(
      Array.from({ length: 10 }, () => processes.map((each) => takeLease(each, "work", 5_000))).flat(),
    );
    const held = taken.filter((lease) => lease !== null);
    assert.equal(held.length, 1);
    // Every second holder dies.
    if (round % 2 === 0) await held[0]?.release();
    else clock.advance({ seconds: 5 });
  }
});

Deno.test("a lease that has ended cannot be extended, and giving it back takes nothing from its next holder", async () => {
  using services = await testServices();
  const first = await takeLease(services, "work", 5_000);
  assert.ok(first);
  services.clock.advance({ seconds: 4 });
  assert.equal(await first.extend(5_000), true);
  services.clock.advance({ seconds: 4 });
  assert.equal(await takeLease(services, "work", 5_000), null);
  assert.notEqual(await takeLease(services, "other work", 5_000), null);
  services.clock.advance({ seconds: 1 });
  assert.equal(await first.extend(5_000), false);
  const second = await takeLease(services, "work", 5_000);
  assert.ok(second);
  await first.release();
  assert.equal(await first.extend(5_000), false);
  assert.equal(await takeLease(services, "work", 5_000), null);
  await second.release();
  assert.notEqual(await takeLease(services, "work", 5_000), null);
});
