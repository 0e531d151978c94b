/** The races of the flow tests, ten times as long and with fifty at a time. */
import { raceClientAssertions, raceIdJags, startAssertionIssuer } from "../support/assertion_races.ts";
import {
  type Arena,
  inTwoGateways,
  inTwoProcesses,
  raceApprovals,
  raceCodes,
  raceRefreshes,
  raceRevocations,
} from "../support/races.ts";
import { printTable } from "./measures.ts";

const LENGTH = { rounds: 200, parallel: 50 };

const acts: readonly { readonly what: string; readonly act: (arena: Arena) => Promise<unknown> }[] = [
  { what: "code redemption", act: (arena) => raceCodes(arena, LENGTH) },
  { what: "refresh", act: (arena) => raceRefreshes(arena, LENGTH) },
  { what: "revocation amid refreshes", act: (arena) => raceRevocations(arena, LENGTH) },
  { what: "client assertion", act: (arena) => raceClientAssertions(arena, LENGTH) },
];

for (const [where, play] of [["two gateways", inTwoGateways], ["two processes", inTwoProcesses]] as const) {
  Deno.test(`200 rounds of 50 at a time between ${where}: nothing is issued twice, no family is lost`, async () => {
    const figures: (string | number)[][] = [["race", "rounds", "parallel", "seconds", "outcome"]];
    const timed = async (what: string, race: () => Promise<unknown>) => {
      const startedAt = performance.now();
      const outcome = await race();
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
      figures.push([
        what,
        LENGTH.rounds,
        LENGTH.parallel,
        seconds,
        outcome === undefined ? "" : JSON.stringify(outcome),
      ]);
    };
    for (const { what, act } of acts) {
      await timed(what, async () => {
        let outcome: unknown;
        await play(async (arena) => {
          outcome = await act(arena);
        });
        return outcome;
      });
    }
    await timed("ID-JAG", async () => {
      await using issuer = await startAssertionIssuer();
      await play((arena) => raceIdJags(arena, issuer, LENGTH), { issuer });
    });
    await printTable(`Races between ${where}`, figures);
  });
}

Deno.test("200 approvals that are posted twice at a time make 200 codes", () =>
  inTwoGateways((arena, gateways) => raceApprovals(arena, gateways, { rounds: LENGTH.rounds })));
