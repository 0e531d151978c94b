/** A strict OAuth client's view of the gateway, as a table: what has to work, and what has to be refused so that it understands. */
import assert from "node:assert/strict";
import { type Row, type Stage, StrictClient } from "./strict_client.ts";
import { AUTHORIZATION, DISCOVERY, REGISTRATION } from "./strict_client_requests.ts";
import { REFRESH_AND_REVOCATION, TOKENS } from "./strict_client_tokens.ts";

const TABLES: readonly (readonly [string, readonly Row[]])[] = [
  ["discovery (AS-01 to AS-09, RS-01)", DISCOVERY],
  ["registration (AS-44 to AS-46)", REGISTRATION],
  ["authorization (AS-13 to AS-26)", AUTHORIZATION],
  ["tokens (AS-42, AS-52 to AS-56)", TOKENS],
  ["refresh, revocation, use (AS-57 to AS-62, RS-04, RS-08)", REFRESH_AND_REVOCATION],
];

for (const [name, rows] of TABLES) {
  Deno.test(`oauth4webapi as a strict client: ${name}`, async (t) => {
    const it = await StrictClient.start({
      config: () => ({
        limits: { registrationsPerMinute: 1e4, authorizationsPerMinute: 1e4, tokenRequestsPerMinute: 1e4 },
      }),
    });
    await using _ending = it;
    const stage: Stage = {
      it,
      as: await it.discover(),
      open: await it.register({ client_name: "Open" }),
      secret: await it.register({ client_name: "Secret", token_endpoint_auth_method: "client_secret_basic" }),
      other: await it.register({ client_name: "Other" }),
    };
    for (const [what, check] of rows) await t.step(what, async () => void await check(stage));
  });
}

Deno.test("the strict client's table has at least 60 rows (issue 4)", () => {
  assert.ok(TABLES.flatMap(([, rows]) => rows).length >= 60);
});
