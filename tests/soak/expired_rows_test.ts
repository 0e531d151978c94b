/** Records that have ended are physically gone once KV has swept: Deno KV sweeps about once a minute. */
import assert from "node:assert/strict";
import { systemClock as clock } from "../../lib/runtime/clock.ts";
import { leases } from "../../lib/store/upstream_schema.ts";
import { kvFile } from "../support/kv_file.ts";
import { newKeyRing } from "../support/services.ts";
import { Store } from "../../lib/store/store.ts";

/** Longer than a sweep takes to come, on a busy machine, in milliseconds. */
const LONGEST_SWEEP_MS = 150_000;

Deno.test("rows that have ended are gone from the file after a sweep, and those that live stay (B15 252)", async () => {
  await using file = await kvFile();
  const store = new Store({ kv: file.kv, clock, keyRing: newKeyRing() });
  const write = store.write();
  for (let index = 0; index < 50; index++) {
    write.set(leases, [`ended-${index}`], { holder: "x", expiresAt: clock.now() + 500 });
  }
  await write.set(leases, ["living"], { holder: "x", expiresAt: clock.now() + 86_400_000 }).commit();
  const rows = async () => (await Array.fromAsync(file.kv.list({ prefix: [leases.name] }))).length;
  assert.equal(await rows(), 51);
  const until = performance.now() + LONGEST_SWEEP_MS;
  while (await rows() > 1 && performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  assert.equal(await rows(), 1);
  assert.equal(await store.get(leases, "ended-1"), null);
  assert.ok(await store.get(leases, "living"));
});
