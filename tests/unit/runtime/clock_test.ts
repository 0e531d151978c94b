/** The machine's clock. */
import assert from "node:assert/strict";
import { systemClock } from "../../../lib/runtime/clock.ts";

Deno.test("the system's clock tells milliseconds since the epoch", () => {
  const before = Date.now();
  const now = systemClock.now();
  assert.ok(before <= now && now <= Date.now());
});
