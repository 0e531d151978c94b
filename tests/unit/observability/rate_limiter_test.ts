/** Fixed windows: who may pass, how long the others have to wait, and how much memory that costs. */
import assert from "node:assert/strict";
import { RateLimiter } from "../../../lib/observability/rate_limiter.ts";
import { FakeClock } from "../../support/fake_clock.ts";

function limiter(limit = 3) {
  const clock = new FakeClock();
  return { clock, limiter: new RateLimiter({ clock, limit, windowSeconds: 60 }) };
}

Deno.test("as many as the limit pass; the next one hears how long to wait", () => {
  const { clock, limiter: limited } = limiter();
  for (let count = 0; count < 3; count++) assert.equal(limited.take("a"), 0);
  assert.equal(limited.take("a"), 60);
  clock.advance({ ms: 30_500 });
  assert.equal(limited.take("a"), 30);
  clock.advance({ ms: 29_499 });
  assert.equal(limited.take("a"), 1);
  clock.advance({ ms: 1 });
  assert.equal(limited.take("a"), 0);
});

Deno.test("each key has a count of its own", () => {
  const { limiter: limited } = limiter(1);
  assert.equal(limited.take("a"), 0);
  assert.equal(limited.take("b"), 0);
  assert.notEqual(limited.take("a"), 0);
});

Deno.test("a clock that is set back opens a new window and locks nobody out (B17 267)", () => {
  const { clock, limiter: limited } = limiter(1);
  limited.take("a");
  clock.advance({ days: -1 });
  assert.equal(limited.take("a"), 0);
  assert.equal(limited.take("a"), 60);
});

Deno.test("100,000 addresses are counted each; newcomers beyond share one count (B2 030)", () => {
  const { clock, limiter: limited } = limiter(2);
  for (let count = 0; count < 100_000; count++) limited.take(`address-${count}`);
  assert.deepEqual([limited.take("new-1"), limited.take("new-2")], [0, 0]);
  assert.notEqual(limited.take("new-3"), 0);
  // Who was counted before is judged as before.
  assert.equal(limited.take("address-7"), 0);
  assert.notEqual(limited.take("address-7"), 0);
  clock.advance({ seconds: 60 });
  assert.equal(limited.take("new-3"), 0);
});
