/** Anonymous floods against a gateway process: the store stays bounded, and honest clients are served. */
import assert from "node:assert/strict";
import { authorizeUrl, REDIRECT_URI, registerClient, type TestClient } from "../support/oauth_flow.ts";
import { askableProcess } from "../support/gateway_process.ts";
import {
  address,
  flood,
  HonestClients,
  snapshot,
  snapshotRows,
  startEcho,
  startFloodedGateway,
  whileHonest,
} from "./flood.ts";
import { pause, printTable } from "./measures.ts";

const UNLIMITED = {
  registrationsPerMinute: 1_000_000,
  authorizationsPerMinute: 1_000_000,
  tokenRequestsPerMinute: 1_000_000,
};
const REGISTRATIONS = 10_000;
const AUTHORIZATIONS = 100_000;
const STATE_TTL_SECONDS = 90;
/** KV removes an expired row up to a minute late. */
const SWEEP_SECONDS = 65;

Deno.test("10,000 registrations and 100,000 unfinished authorizations, with the quotas out of the way: honest clients are served, and the rows go (B17 258, B17 259)", async () => {
  await using echo = startEcho();
  const upstream = `http://127.0.0.1:${echo.addr.port}/mcp`;
  const gateway = await startFloodedGateway({
    limits: UNLIMITED,
    stateTtlSeconds: STATE_TTL_SECONDS,
    upstream,
  });
  using ask = askableProcess(gateway);
  try {
    const honest = await HonestClients.before(ask);
    const waiting: TestClient[] = [];
    for (let count = 0; count < 100; count++) {
      waiting.push(await registerClient(ask, { client_name: `Waiting client ${count}` }));
    }
    const snapshots = [await snapshot(gateway, "before")];
    const floods: (string | number)[][] = [["flood", "requests", "seconds", "per second", "answers"]];
    const note = (what: string, { seconds, statuses }: Awaited<ReturnType<typeof flood>>) => {
      const requests = Object.values(statuses).reduce((sum, count) => sum + count, 0);
      floods.push([
        what,
        requests,
        seconds.toFixed(1),
        Math.round(requests / seconds),
        JSON.stringify(statuses),
      ]);
    };

    note("registrations", await whileHonest(honest, () => flood(REGISTRATIONS, register(ask))));
    snapshots.push(await snapshot(gateway, "registered"));
    const survivors = await countKnown(ask, waiting);
    const attacker = await registerClient(ask, { client_name: "Attacker" });
    note(
      "authorizations",
      await whileHonest(honest, () => flood(AUTHORIZATIONS, authorize(ask, attacker))),
    );
    snapshots.push(await snapshot(gateway, "authorizing"));
    await whileHonest(honest, () => pause((STATE_TTL_SECONDS + SWEEP_SECONDS) * 1000));
    snapshots.push(await snapshot(gateway, "afterwards"));

    await printTable("Floods without quotas", floods);
    await printTable("Honest clients meanwhile", honest.rows());
    await printTable("Clients that registered before the floods and had not connected yet", [
      ["known after 10,000 registrations", `${survivors} of ${waiting.length}`],
    ]);
    await printTable("Store and process", snapshotRows(snapshots));
    // Some ten thousand registrations a minute may push out a client between two of its own steps.
    assert.ok(honest.refused["sign in"] <= 2, honest.reasons.get("sign in"));
    assert.deepEqual([...honest.reasons.keys()].filter((act) => act !== "sign in"), []);
    assert.ok(honest.latencies["sign in"].count > 100);
    assert.ok(honest.latencies["sign in"].percentile(0.99) < 2_000);
    assert.ok(survivors >= 0.65 * waiting.length, `${survivors} survive`);
    const left = snapshots.at(-1)?.stock;
    for (const kind of ["authorization", "login"]) {
      assert.ok((left?.get(kind)?.rows ?? 0) < 1_000, `${kind}: ${left?.get(kind)?.rows}`);
    }
    const resident = snapshots.map(({ residentMiB }) => residentMiB ?? 0);
    assert.ok(Math.max(...resident) < 600, `resident: ${resident}`);
  } finally {
    await gateway.stop();
  }
});

Deno.test("a flood from thousands of addresses against the default quotas: what is stored is bounded, and afterwards all is well (B17 258)", async () => {
  await using echo = startEcho();
  const upstream = `http://127.0.0.1:${echo.addr.port}/mcp`;
  const gateway = await startFloodedGateway({ limits: {}, stateTtlSeconds: 900, upstream });
  using ask = askableProcess(gateway);
  try {
    const honest = await HonestClients.before(ask);
    const attacker = await registerClient(ask, { client_name: "Attacker" });
    const snapshots = [await snapshot(gateway, "before")];
    const until = performance.now() + 45_000;
    const enough = () => performance.now() > until;
    const sends = [register(ask), authorize(ask, attacker), guessTokens(ask)];
    const result = await whileHonest(
      honest,
      () => flood(Infinity, (n) => (sends[n % sends.length] ?? register(ask))(n), enough),
    );
    snapshots.push(await snapshot(gateway, "flooded"));
    await pause(61_000);
    const after = await HonestClients.before(ask);
    for (let turn = 0; turn < 10; turn++) await after.turn();
    await printTable("Flood of registrations, authorizations and guessed codes in turn, default quotas", [
      ["seconds", "answers"],
      [result.seconds.toFixed(1), JSON.stringify(result.statuses)],
    ]);
    await printTable("Honest clients during the flood", honest.rows());
    await printTable("Honest clients after it", after.rows());
    await printTable("Store and process", snapshotRows(snapshots));
    assert.deepEqual([...after.reasons], []);
    const { stock } = snapshots.at(-1) ?? assert.fail();
    // Twenty times the quota of one address, in the one or two minutes that the flood lasted.
    for (
      const [kind, perMinute] of [["client", 1_200], ["authorization", 6_000], ["login", 6_000]] as const
    ) {
      assert.ok((stock.get(kind)?.rows ?? 0) <= 2 * perMinute + 100, `${kind}: ${stock.get(kind)?.rows}`);
    }
  } finally {
    await gateway.stop();
  }
});

/** How many of the clients the gateway still knows. */
async function countKnown(ask: Ask, clients: readonly TestClient[]): Promise<number> {
  let known = 0;
  for (const client of clients) {
    const answer = await ask.fetch(authorizeUrl(ask, client));
    await answer.body?.cancel();
    if (answer.status === 303) known++;
  }
  return known;
}

type Ask = ReturnType<typeof askableProcess>;

/** A registration from an address of its own. */
function register(ask: Ask): (n: number) => Promise<Response> {
  return (n) =>
    ask.fetch("/oauth/register", {
      method: "POST",
      body: JSON.stringify({
        client_name: `Client ${n}`,
        redirect_uris: [REDIRECT_URI],
        token_endpoint_auth_method: "none",
      }),
      headers: { "content-type": "application/json", "x-forwarded-for": address(n) },
    });
}

/** An authorization request that nobody will finish, from an address of its own. */
function authorize(ask: Ask, client: TestClient): (n: number) => Promise<Response> {
  const url = authorizeUrl(ask, client);
  return (n) => ask.fetch(url, { headers: { "x-forwarded-for": address(n) } });
}

/** A token request with a code that was made up, from an address of its own. */
function guessTokens(ask: Ask): (n: number) => Promise<Response> {
  const body = "grant_type=authorization_code&client_id=nobody&code=made-up&code_verifier=x";
  return (n) =>
    ask.fetch("/oauth/token", {
      method: "POST",
      body,
      headers: { "content-type": "application/x-www-form-urlencoded", "x-forwarded-for": address(n) },
    });
}
