/** `kill -9` at random moments of six clients' lives, a hundred times: what was answered holds, and the store keeps its rules. */
import assert from "node:assert/strict";
import { parseKeyRing } from "../../lib/crypto/keyring.ts";
import { systemRandom } from "../../lib/crypto/secret_token.ts";
import * as schema from "../../lib/store/schema.ts";
import { freePort } from "../support/child_process.ts";
import { askableProcess, startGateway } from "../support/gateway_process.ts";
import { assertInvariants } from "../support/invariants.ts";
import { startEcho } from "./flood.ts";
import { ClientLife, noCuts } from "./life.ts";
import { pause, printTable } from "./measures.ts";

const KILLS = 100;
const CLIENTS = 6;
const LONGEST_LIFE_MS = 250;

const config = (upstream: string) => `
import { defineGateway, mcpDevOAuth, mcpProxy } from "@sallyport/gateway";
export default defineGateway({
  oauth: mcpDevOAuth({ users: ["alice"] }),
  limits: { registrationsPerMinute: 100000, authorizationsPerMinute: 100000, tokenRequestsPerMinute: 100000 },
  routes: [mcpProxy("/alpha", { operationId: "alpha", upstream: "${upstream}" })],
});
`;

Deno.test("kill -9 a hundred times amid registering, authorizing, approving, redeeming, refreshing and revoking (F01, F02, F03, F06, B17 263)", async () => {
  await using echo = startEcho();
  const folder = await Deno.makeTempDir({ prefix: "sallyport-kills-" });
  const port = freePort();
  const options = { config: config(`http://127.0.0.1:${echo.addr.port}/mcp`), folder, port };
  const cuts = noCuts();
  const lives = Array.from({ length: CLIENTS }, () => new ClientLife(cuts));
  let consentEvents = 0;
  const startedAt = performance.now();
  try {
    for (let kill = 0; kill < KILLS; kill++) {
      const gateway = await startGateway(options);
      using ask = askableProcess(gateway);
      let alive = true;
      try {
        for (const life of lives) await life.settle(ask);
        const living = Promise.all(lives.map((life) => life.live(ask, () => alive)));
        await Promise.race([living, pause(Math.random() * LONGEST_LIFE_MS)]);
        alive = false;
        await gateway.child.stop({ signal: "SIGKILL" });
        await living;
      } finally {
        alive = false;
        await gateway.child.stop({ signal: "SIGKILL" });
      }
      consentEvents += gateway.events.filter(({ event }) =>
        event === "mcp_auth_downstream_consent_granted"
      ).length;
      await checkStore(folder);
    }
    const approvals = lives.reduce((sum, life) => sum + life.approvals, 0);
    await printTable(`${KILLS} kills in ${((performance.now() - startedAt) / 1000).toFixed(0)} s`, [
      ["step", "cut", "of these done"],
      ...Object.entries(cuts).map(([step, { cut, done }]) => [step, cut, done]),
    ]);
    await printTable("Consents", [["answered", "in the log"], [approvals, consentEvents]]);
    for (const [step, { cut }] of Object.entries(cuts)) assert.ok(cut > 0, `no kill cut a ${step}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** The rules between rows, and every row whole: readable, and of its kind's shape. */
async function checkStore(folder: string): Promise<void> {
  const keyRing = parseKeyRing((await Deno.readTextFile(`${folder}/gateway.keys`)).trim(), systemRandom);
  const kv = await Deno.openKv(`${folder}/gateway.kv`);
  try {
    await assertInvariants(kv, { now: Date.now(), keyRing });
    for await (const { key, value } of kv.list<Uint8Array>({ prefix: [] })) {
      const kind = Object.values(schema).find(({ name }) => name === key[0]);
      assert.ok(kind, String(key[0]));
      if (kind.sealed) continue; // The checker of invariants has opened it.
      const { error } = kind.schema.safeParse(JSON.parse(new TextDecoder().decode(value.subarray(1))));
      assert.equal(error, undefined, `${key.join(" ")}: ${error}`);
    }
  } finally {
    kv.close();
  }
}
