/** Calls that arrive together go on together; nobody waits for anybody who is not there. */
import assert from "node:assert/strict";
import { Arrivals, nextStep } from "../../../lib/runtime/in_step.ts";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

Deno.test("whoever comes alone goes on at once, however often", async () => {
  const arrivals = new Arrivals();
  for (let call = 0; call < 5; call++) {
    assert.equal(arrivals.join(), null);
    await turn();
  }
});

Deno.test("who comes second waits until the turn is over, and no longer", async () => {
  const arrivals = new Arrivals();
  assert.equal(arrivals.join(), null);
  let open = false;
  const second = arrivals.join()?.then(() => open = true);
  for (let hop = 0; hop < 10; hop++) await nextStep;
  assert.equal(open, false);
  await turn();
  await second;
  assert.equal(open, true);
});

Deno.test("where many come, the first waits for the others, until they stay away", async () => {
  const arrivals = new Arrivals();
  const join = (count: number) => Array.from({ length: count }, () => arrivals.join());
  assert.deepEqual(join(3).map((gate) => gate === null), [true, false, false]);
  await turn();
  const [first, ...others] = join(2);
  assert.notEqual(first, null);
  assert.ok(others.every((gate) => gate === first));
  await first;
  assert.deepEqual(join(2).map((gate) => gate === null), [true, false]);
  await turn();
});

Deno.test("those who come together take each step together", async () => {
  const arrivals = new Arrivals();
  const steps: string[] = [];
  arrivals.join();
  await Promise.all(["a", "b", "c"].map(async (name) => {
    await arrivals.join();
    for (const step of [1, 2, 3]) {
      steps.push(`${step}${name}`);
      await nextStep;
    }
  }));
  assert.deepEqual(steps, ["1a", "1b", "1c", "2a", "2b", "2c", "3a", "3b", "3c"]);
});
