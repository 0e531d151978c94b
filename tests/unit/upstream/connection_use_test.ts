/** The connections of all owners: what is stored, what a call gets of it, and what the user has to agree to. */
import assert from "node:assert/strict";
import { Connections } from "../../../lib/upstream/connection.ts";
import { claimConnection } from "../../../lib/upstream/connection_records.ts";
import { type ConnectRecord, connects } from "../../../lib/store/upstream_schema.ts";
import type { UpstreamTokens } from "../../../lib/upstream/token_endpoint.ts";
import { testServices } from "../../support/services.ts";
import { connectParts, connectRecord, ISSUER, network, settings } from "./stage.ts";

async function stage() {
  const services = await testServices();
  let serial = 0;
  const net = network(() =>
    Response.json({ access_token: `fresh-${++serial}`, token_type: "Bearer", expires_in: 300 })
  );
  const connections = new Connections(services, connectParts(net, services.clock, settings()));
  let holders = 0;
  /** Stores tokens as a connect that was just finished does. */
  const connect = async (tokens: Partial<UpstreamTokens> = {}, changes: Partial<ConnectRecord> = {}) => {
    const value = connectRecord(changes);
    const holder = `holder-${++holders}`;
    await claimConnection(services, services.store.write(), {
      owner: value.owner,
      connectionId: "acme",
      holder,
    }).commit();
    const entry = { collection: connects, id: [holder], value, version: "" } as const;
    return await connections.store(entry, {
      accessToken: "first",
      refreshToken: "refresh",
      scope: null,
      expiresIn: 300,
      ...tokens,
    });
  };
  return { services, net, connections, connect, [Symbol.dispose]: () => services[Symbol.dispose]() };
}

/** A credential that was there already. */
function known(accessToken: string) {
  return { kind: "ready", accessToken, refreshed: false };
}

Deno.test("`get()`: absent, ready, and stale when a token without a refresh token has run out", async () => {
  using s = await stage();
  assert.deepEqual(await s.connections.get("alice"), { kind: "absent" });
  await s.connect({ refreshToken: null, expiresIn: 60 });
  assert.deepEqual(await s.connections.get("alice"), known("first"));
  assert.deepEqual(await s.connections.get("bob"), { kind: "absent" });
  s.services.clock.advance({ seconds: 60 });
  assert.deepEqual(await s.connections.get("alice"), { kind: "stale", missingScope: null });
  assert.equal(s.net.sent.length, 0);
});

Deno.test("`get()` renews what has run out, once for all who ask, and never what has no end (UP-18)", async () => {
  using s = await stage();
  await s.connect();
  s.services.clock.advance({ seconds: 301 });
  const all = await Promise.all(Array.from({ length: 20 }, () => s.connections.get("alice")));
  assert.ok(all.every((each) => each.kind === "ready" && each.accessToken === "fresh-1"));
  assert.equal(s.net.sent.length, 1);
  await s.connect({ expiresIn: null });
  s.services.clock.advance({ days: 300 });
  assert.deepEqual(await s.connections.get("alice"), known("first"));
  assert.equal(s.net.sent.length, 1);
});

Deno.test("`renew()` after a refusal: what is newer already is used, what cannot be renewed ends (UP-19)", async () => {
  using s = await stage();
  assert.deepEqual(await s.connections.renew("alice", "first"), { kind: "absent" });
  await s.connect();
  assert.deepEqual(await s.connections.renew("alice", "older"), known("first"));
  assert.deepEqual(await s.connections.renew("alice", "first"), { ...known("fresh-1"), refreshed: true });
  await s.connect({ refreshToken: null });
  assert.deepEqual(await s.connections.renew("alice", "first"), { kind: "stale", missingScope: null });
  const lost = s.services.emitted.filter(({ event }) => event === "mcp_auth_upstream_connection_lost");
  assert.deepEqual(lost.map(({ reasonCode, subjectId }) => [reasonCode, subjectId]), [[
    "upstream_refused_token",
    "alice",
  ]]);
  assert.deepEqual(await s.connections.get("alice"), { kind: "stale", missingScope: null });
  assert.equal((await s.connections.standing("alice"))?.state, "ended");
});

Deno.test("`needScope()` asks for what is new, gathers it up to a length that is read, and not for what was agreed to (UP-20, B14 236)", async () => {
  using s = await stage();
  assert.deepEqual(await s.connections.needScope("alice", "first", ["x"]), { kind: "absent" });
  await s.connect({}, { scope: ["read"] });
  assert.equal(await s.connections.needScope("alice", "first", ["read"]), null);
  assert.deepEqual(await s.connections.needScope("alice", "older", ["x"]), known("first"));
  assert.deepEqual(await s.connections.needScope("alice", "first", ["x"]), {
    kind: "stale",
    missingScope: ["x"],
  });
  await s.connections.needScope("alice", "first", ["read", "y"]);
  assert.deepEqual(await s.connections.standing("alice"), {
    state: "limited",
    connectedAt: s.services.clock.now(),
    scope: ["read"],
    missingScope: ["x", "read", "y"],
  });
  // The rest goes on.
  assert.equal((await s.connections.get("alice")).kind, "ready");
  for (let index = 0; index < 100; index++) await s.connections.needScope("alice", "first", [`s${index}`]);
  assert.equal((await s.connections.standing("alice"))?.missingScope.length, 50);
  await s.connect({ scope: ["read", "x"] });
  assert.equal((await s.connections.standing("alice"))?.state, "works");
});

Deno.test("`store()` keeps what was granted, else what was asked for; `disconnect()` ends it here and there (UP-22)", async () => {
  using s = await stage();
  assert.equal(await s.connect({}, { scope: ["a", "b"] }), true);
  assert.equal(await s.connections.needScope("alice", "first", ["a", "b"]), null);
  assert.equal((await s.connections.standing("alice"))?.connectedAt, s.services.clock.now());
  await s.connections.disconnect("alice");
  assert.deepEqual(await s.connections.get("alice"), { kind: "absent" });
  assert.deepEqual(s.net.urls(), [`${ISSUER}/revoke`]);
  assert.equal(s.net.sent[0]?.form.get("token"), "refresh");
  await s.connections.disconnect("alice");
  assert.equal(s.net.sent.length, 1);
});
