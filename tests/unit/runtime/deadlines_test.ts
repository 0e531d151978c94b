/** Many deadlines on one timer. */
import assert from "node:assert/strict";
import { type Deadline, Deadlines } from "../../../lib/runtime/deadlines.ts";

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

Deno.test("each deadline expires once, in order, not before its time and at most two ticks or so after", async () => {
  const deadlines = new Deadlines();
  const begun = performance.now();
  const expired: { readonly name: string; readonly after: number }[] = [];
  const start = (name: string, ms: number) =>
    deadlines.start(ms, () => expired.push({ name, after: performance.now() - begun }));
  start("b", 250);
  start("a", 50);
  // In the middle of a tick.
  await pause(130);
  start("c", 300);
  await pause(800);
  assert.deepEqual(expired.map(({ name }) => name), ["a", "b", "c"]);
  for (const [index, least] of [50, 250, 430].entries()) {
    const { after = 0 } = expired[index] ?? {};
    // A timer may come a millisecond early; a busy machine makes it late.
    assert.ok(after >= least - 2 && after < least + 350, `${expired[index]?.name}: ${after}`);
  }
  deadlines.close();
});

Deno.test("a time that is no number is over at once: nothing waits for ever", async () => {
  const deadlines = new Deadlines();
  const expired = Promise.withResolvers<void>();
  deadlines.start(Number.NaN, expired.resolve);
  await expired.promise;
  deadlines.close();
});

Deno.test("a deadline that is called off does not expire, and calling off twice is harmless", async () => {
  const deadlines = new Deadlines();
  const expired: string[] = [];
  const deadline = deadlines.start(20, () => expired.push("a"));
  deadlines.start(20, () => expired.push("b"));
  deadline.stop();
  deadline.stop();
  await pause(250);
  assert.deepEqual(expired, ["b"]);
  deadlines.close();
});

Deno.test("the timer stops by itself once nothing runs, and starts again", async () => {
  // The sanitizer of `deno test` fails this test if a timer is left.
  const deadlines = new Deadlines();
  const expired: string[] = [];
  deadlines.start(10, () => expired.push("a"));
  await pause(350);
  deadlines.start(10, () => expired.push("b"));
  await pause(350);
  assert.deepEqual(expired, ["a", "b"]);
});

Deno.test("`close()` ends everything at once", async () => {
  const deadlines = new Deadlines();
  deadlines.start(10, () => assert.fail("it was closed"));
  deadlines.close();
  await pause(150);
});

Deno.test("a deadline may be started or called off while others expire", async () => {
  const deadlines = new Deadlines();
  const expired: string[] = [];
  let second: Deadline | null = null;
  deadlines.start(10, () => {
    expired.push("a");
    second?.stop();
    deadlines.start(10, () => expired.push("c"));
  });
  second = deadlines.start(10, () => expired.push("b"));
  await pause(450);
  assert.deepEqual(expired, ["a", "c"]);
  deadlines.close();
});
