/** Real races on a KV file: between two gateways in this process, and between two processes. Whoever wins, one lineage remains. */
import { raceClientAssertions, raceIdJags, startAssertionIssuer } from "../support/assertion_races.ts";
import {
  inTwoGateways,
  inTwoProcesses,
  raceApprovals,
  raceCodes,
  raceRefreshes,
  raceRevocations,
} from "../support/races.ts";

const ROUNDS = 20;

for (const parallel of [2, 20]) {
  Deno.test(`of ${parallel} redemptions of one code at a time one gets tokens, and they are dead afterwards (B8 124, AS-17)`, () =>
    inTwoGateways((shared) => raceCodes(shared, { rounds: ROUNDS, parallel })));
}

Deno.test("50 refreshes of one token at a time get one successor, round after round (B9 140, AS-58)", () =>
  inTwoGateways((shared) => raceRefreshes(shared, { rounds: ROUNDS, parallel: 50 })));

Deno.test("a revocation amid refreshes leaves nothing alive, whoever was first (B10 161)", () =>
  inTwoGateways(async (shared) => {
    await raceRevocations(shared, { rounds: ROUNDS, parallel: 4 });
  }));

Deno.test("an approval that is posted twice at a time makes one code (B6 088)", () =>
  inTwoGateways((shared, gateways) => raceApprovals(shared, gateways, { rounds: ROUNDS })));

Deno.test("of 50 uses of one client assertion at a time one counts (B8 133)", () =>
  inTwoGateways((shared) => raceClientAssertions(shared, { rounds: ROUNDS, parallel: 50 })));

Deno.test("of 50 uses of one ID-JAG at a time one gets a token (B11 167)", async () => {
  await using issuer = await startAssertionIssuer();
  await inTwoGateways((shared) => raceIdJags(shared, issuer, { rounds: ROUNDS, parallel: 50 }), { issuer });
});

Deno.test("two processes: one code, one token pair, dead once it was asked for twice (B8 124, F09)", () =>
  inTwoProcesses((shared) => raceCodes(shared, { rounds: ROUNDS, parallel: 20 })));

Deno.test("two processes: 50 refreshes at a time share one lineage (B9 140, F09)", () =>
  inTwoProcesses((shared) => raceRefreshes(shared, { rounds: ROUNDS, parallel: 50 })));

Deno.test("two processes: a revocation in one ends what the other is about to issue (B10 161, F09)", () =>
  inTwoProcesses(async (shared) => {
    await raceRevocations(shared, { rounds: ROUNDS, parallel: 4 });
  }));
