/** Who may write a connection's row when several do at once: decided at the commit, not at a look before it. */
import assert from "node:assert/strict";
import { systemRandom } from "../../../lib/crypto/secret_token.ts";
import { Store } from "../../../lib/store/store.ts";
import { connectionClaims, type ConnectionRecord, connections } from "../../../lib/store/upstream_schema.ts";
import { claimConnection, ConnectionRecords } from "../../../lib/upstream/connection_records.ts";
import { parseKeyRing } from "../../../lib/crypto/keyring.ts";
import { RevocationFeed } from "../../../lib/store/revocation_feed.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { TEST_KEYS } from "../../support/harness.ts";

/** A store that lets something happen between the look at a claim and what is made of it. */
class Interleaved extends Store {
  meanwhile: (() => Promise<unknown>) | null = null;

  override async get(...args: Parameters<Store["get"]>) {
    const entry = await super.get(...args);
    if (args[0] === connectionClaims && this.meanwhile !== null) {
      const act = this.meanwhile;
      this.meanwhile = null;
      await act();
    }
    // The base class infers the record from the collection; here it is whatever was asked for.
    return entry as never;
  }
}

async function stage() {
  const clock = new FakeClock();
  const kv = await Deno.openKv(":memory:");
  const options = { kv, clock, keyRing: parseKeyRing(TEST_KEYS, systemRandom) };
  const store = new Interleaved(options);
  const services = {
    store,
    clock,
    random: systemRandom,
    revocations: new RevocationFeed({ store, clock, random: systemRandom }),
  };
  const claim = (holder: string) =>
    claimConnection(services, new Store(options).write(), { owner: "alice", connectionId: "acme", holder })
      .commit();
  return {
    store,
    claim,
    records: new ConnectionRecords(services, { id: "acme", upstream: "https://mcp.acme.example/mcp" }),
    rows: () => Array.fromAsync(store.list(connections)),
    record: (accessToken: string) => recordOf(accessToken, clock.now()),
    [Symbol.dispose]: () => kv.close(),
  };
}

function recordOf(accessToken: string, now: number): ConnectionRecord {
  return {
    upstreamOrigin: "https://mcp.acme.example",
    server: {
      issuer: "https://as.example",
      authorizationEndpoint: "https://as.example/authorize",
      tokenEndpoint: "https://as.example/token",
      registrationEndpoint: null,
      revocationEndpoint: null,
      authMethods: [],
      sendsIss: false,
      takesMetadataDocuments: false,
      offersOfflineAccess: false,
    },
    client: { clientId: "gateway", clientSecret: null, authMethod: "none" },
    resource: null,
    accessToken,
    refreshToken: null,
    scope: null,
    obtainedAt: now,
    accessTokenExpiresAt: null,
    missingScope: null,
    dead: false,
    connectedAt: now,
    expiresAt: now + 1_000_000,
  };
}

Deno.test("`put()` writes for the holder of the claim, once, and for nobody else (B14 242)", async () => {
  using on = await stage();
  assert.equal(await on.records.put("alice", "one", on.record("t1")), false, "nobody claimed");
  await on.claim("one");
  assert.equal(await on.records.put("alice", "two", on.record("t2")), false);
  assert.equal(await on.records.put("bob", "one", on.record("t3")), false);
  assert.equal(await on.records.put("alice", "one", on.record("t4")), true);
  assert.equal(await on.records.put("alice", "one", on.record("t5")), false);
  assert.deepEqual((await on.rows()).map(({ value }) => value.accessToken), ["t4"]);
});

Deno.test("a disconnect, or another connect, between the look at the claim and the commit wins (B14 240, B14 242)", async () => {
  using on = await stage();
  await on.claim("one");
  on.store.meanwhile = () => on.records.remove("alice");
  assert.equal(await on.records.put("alice", "one", on.record("t1")), false);
  assert.deepEqual(await on.rows(), []);
  await on.claim("two");
  on.store.meanwhile = () => on.claim("three");
  assert.equal(await on.records.put("alice", "two", on.record("t2")), false);
  assert.equal(await on.records.put("alice", "three", on.record("t3")), true);
  assert.deepEqual((await on.rows()).map(({ value }) => value.accessToken), ["t3"]);
});

Deno.test("`remove()` ends the credential that a refresh put there at the same moment", async () => {
  using on = await stage();
  await on.claim("one");
  await on.records.put("alice", "one", on.record("t1"));
  const [entry] = await on.rows();
  assert.ok(entry !== undefined);
  const [changed, removed] = await Promise.all([
    on.records.change(entry, on.record("t2")),
    on.records.remove("alice"),
  ]);
  assert.equal(removed?.value.accessToken, changed ? "t2" : "t1");
  assert.deepEqual(await on.rows(), []);
  assert.equal(await on.records.cached("alice"), null);
});
