/** `kill -9` amid connects and refreshes: the short form of `tests/soak/upstream_kill_test.ts`. */
import assert from "node:assert/strict";
import { killAmidUpstreamOAuth } from "../support/upstream_kills.ts";

Deno.test("kill -9 eight times amid connects and refreshes leaves no half-written pair, no credential in another's row, no lasting lease (F03, F04, F06)", async () => {
  const figures = await killAmidUpstreamOAuth({ kills: 8, users: 6, longestLife: 200 });
  assert.ok(figures.refreshes > 0);
  assert.ok(figures.credentialsChecked > 0);
});
