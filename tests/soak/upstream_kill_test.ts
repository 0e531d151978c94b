/** `kill -9` at 200 random points of connecting and refreshing, half of them right at the upstream's token endpoint. */
import assert from "node:assert/strict";
import { killAmidUpstreamOAuth } from "../support/upstream_kills.ts";
import { printTable } from "./measures.ts";

Deno.test("kill -9 two hundred times amid connects and refreshes leaves no half-written pair, no credential in another's row, no lasting lease, and asks only those to reconnect whose refresh was cut (F03, F04, F06)", async () => {
  const startedAt = performance.now();
  const figures = await killAmidUpstreamOAuth({ kills: 200, users: 12, longestLife: 150 });
  await printTable(`200 kills in ${((performance.now() - startedAt) / 1000).toFixed(0)} s`, [
    ["step", "done", "cut"],
    ...Object.entries(figures.cuts).map(([step, { done, cut }]) => [step, done, cut]),
  ]);
  await printTable("Upstream", [
    ["refreshes", "kills at the token endpoint", "credentials checked", "leases left", "reconsents"],
    [figures.refreshes, figures.aimed, figures.credentialsChecked, figures.leasesLeft, figures.reconsents],
  ]);
  for (const step of ["call", "connect by link", "connect on account"] as const) {
    assert.ok(figures.cuts[step].cut > 0, `no kill cut a ${step}`);
  }
  assert.ok(figures.reconsents > 0, "no kill fell between the upstream's answer and our commit");
});
