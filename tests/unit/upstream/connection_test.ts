/** What a call may use of a connection without asking the store: only what is known to be good at this moment. */
import assert from "node:assert/strict";
import { REVOCATION_FRESHNESS_MS } from "../../../lib/store/revocation_feed.ts";
import { type ConnectionRecord, connections } from "../../../lib/store/upstream_schema.ts";
import { Connections } from "../../../lib/upstream/connection.ts";
import type { ConnectionSettings } from "../../../lib/upstream/connection_settings.ts";
import { Discovery } from "../../../lib/upstream/discovery.ts";
import { KnownClients } from "../../../lib/upstream/known_clients.ts";
import { type TestServices, testServices } from "../../support/services.ts";

const settings: ConnectionSettings = {
  id: "acme",
  displayName: "Acme",
  authMode: "user-oauth",
  upstream: "https://mcp.acme.example/",
  scopes: [],
  scopeDelimiter: " ",
  prompt: null,
  clientRegistration: { mode: "auto" },
  protectedResourceMetadataUrl: null,
  overrides: { issuer: null, resource: null, assumePkce: false, omitResource: false },
  idJag: null,
};

/** A connection of alice's whose token lives for an hour. */
async function stage(changes: Partial<ConnectionRecord> = {}) {
  const services = await testServices();
  const now = services.clock.now();
  const record: ConnectionRecord = {
    upstreamOrigin: "https://mcp.acme.example",
    server: {
      issuer: "https://as.acme.example",
      authorizationEndpoint: "https://as.acme.example/authorize",
      tokenEndpoint: "https://as.acme.example/token",
      registrationEndpoint: null,
      revocationEndpoint: null,
      authMethods: [],
      sendsIss: false,
      takesMetadataDocuments: false,
      offersOfflineAccess: false,
    },
    client: { clientId: "gateway", clientSecret: null, authMethod: "none" },
    resource: null,
    accessToken: "t1",
    refreshToken: null,
    scope: null,
    obtainedAt: now,
    accessTokenExpiresAt: now + 3_600_000,
    missingScope: null,
    dead: false,
    connectedAt: now,
    expiresAt: now + 86_400_000,
    ...changes,
  };
  await services.store.write().set(connections, ["alice", "acme"], record).commit();
  return { ...services, connections: connectionsOn(services) };
}

function connectionsOn(services: TestServices): Connections {
  const fetch = () => Promise.reject(new Error("nobody is asked"));
  return new Connections(services, {
    settings,
    discovery: new Discovery(settings, {
      fetch,
      clock: services.clock,
      allowLoopback: false,
      allowPrivateNetwork: false,
    }),
    tokenEndpoint: {
      fetch,
      signingKey: () => Promise.reject(new Error("no key is needed")),
      knownClients: new KnownClients(services.clock),
    },
  });
}

Deno.test("`peek()` knows what was just read, and reads nothing itself (B14 240)", async () => {
  using on = await stage();
  assert.equal(on.connections.peek("alice"), null, "nobody has asked yet");
  assert.deepEqual(await on.connections.get("alice"), { kind: "ready", accessToken: "t1", refreshed: false });
  const before = on.reads.length;
  assert.equal(on.connections.peek("alice"), "t1");
  assert.equal(on.connections.peek("bob"), null);
  assert.equal(on.reads.length, before);
});

Deno.test("`peek()` knows nothing once revocations may have been missed: a disconnect in another process is seen (B14 240)", async () => {
  using on = await stage();
  using elsewhere = await testServices({ kv: on.kv, clock: on.clock, keyRing: on.keyRing });
  await on.connections.get("alice");
  await connectionsOn(elsewhere).disconnect("alice");
  on.clock.advance({ ms: REVOCATION_FRESHNESS_MS - 1 });
  assert.equal(on.connections.peek("alice"), "t1");
  on.clock.advance({ ms: 1 });
  assert.equal(on.connections.peek("alice"), null);
  assert.deepEqual(await on.connections.get("alice"), { kind: "absent" });
  assert.equal(on.connections.peek("alice"), null);
});

Deno.test("`peek()` leaves a token that is due, a dead connection and an old reading to `get()` (UP-18)", async () => {
  using due = await stage({ accessTokenExpiresAt: Date.UTC(2026, 10, 21, 9, 0, 10) });
  await due.connections.get("alice");
  assert.equal(due.connections.peek("alice"), "t1");
  due.clock.advance({ ms: 9_950 });
  await due.connections.get("alice");
  assert.equal(due.connections.peek("alice"), null);
  using dead = await stage({ dead: true });
  await dead.connections.get("alice");
  assert.equal(dead.connections.peek("alice"), null);
  using old = await stage();
  await old.connections.get("alice");
  old.clock.advance({ seconds: 5 });
  await old.revocations.refresh();
  assert.equal(old.connections.peek("alice"), null);
});
