/** Refreshing: one at a time, kept before it is used, ended by the server's word alone, and not asked again at once after a failure. */
import assert from "node:assert/strict";
import { takeLease } from "../../../lib/store/lease.ts";
import { type ConnectionRecord, connections } from "../../../lib/store/upstream_schema.ts";
import { ConnectionRecords } from "../../../lib/upstream/connection_records.ts";
import { Refreshes } from "../../../lib/upstream/refresh.ts";
import { testServices } from "../../support/services.ts";
import { CLIENT, connectParts, network, server, settings, UPSTREAM } from "./stage.ts";

/** A connection that is about to expire, and what refreshes it. */
async function stage(answer: () => Response | Promise<Response>) {
  const services = await testServices();
  const now = services.clock.now();
  const record: ConnectionRecord = {
    upstreamOrigin: new URL(UPSTREAM).origin,
    server: server(),
    client: CLIENT,
    resource: UPSTREAM,
    accessToken: "old",
    refreshToken: "refresh",
    scope: ["a"],
    obtainedAt: now,
    accessTokenExpiresAt: now + 60_000,
    missingScope: null,
    dead: false,
    connectedAt: now,
    expiresAt: now + 1e10,
  };
  await services.store.write().set(connections, ["alice", "acme"], record).commit();
  const net = network(answer);
  const own = settings({
    clientRegistration: {
      mode: "manual",
      clientId: "client",
      clientSecret: null,
      tokenEndpointAuthMethod: "none",
    },
  });
  const process = () =>
    new Refreshes({
      ...connectParts(net, services.clock, own),
      services,
      records: new ConnectionRecords(services, own),
    });
  const stored = async () => (await services.store.get(connections, "alice", "acme"))?.value;
  const asked = () => net.urls().filter((url) => url.endsWith("/token")).length;
  return { services, record, asked, process, stored, [Symbol.dispose]: () => services[Symbol.dispose]() };
}

const huge = () =>
  Response.json({ access_token: "n".repeat(16_000), token_type: "Bearer", refresh_token: "next" });

const fresh = () => Response.json({ access_token: "new", token_type: "Bearer", expires_in: 300 });

Deno.test("two processes and twenty callers each make one refresh, and all get its token, which is stored (UP-18)", async () => {
  using s = await stage(fresh);
  const processes = [s.process(), s.process()];
  const all = await Promise.all(
    processes.flatMap((each) => Array.from({ length: 20 }, () => each.once("alice", s.record))),
  );
  assert.ok(all.every((credential) => credential.kind === "ready" && credential.accessToken === "new"));
  assert.equal(s.asked(), 1);
  const stored = await s.stored();
  assert.deepEqual([stored?.accessToken, stored?.refreshToken, stored?.scope], ["new", "refresh", ["a"]]);
});

Deno.test("tokens are stored before anybody uses them: who gets one finds it in the store (UP-18)", async () => {
  using s = await stage(fresh);
  const credential = await s.process().once("alice", s.record);
  assert.deepEqual(credential, {
    kind: "ready",
    accessToken: (await s.stored())?.accessToken,
    refreshed: true,
  });
});

Deno.test("a lease that a dead process left holds up for its time and no longer (UP-18)", async () => {
  using s = await stage(fresh);
  assert.ok(await takeLease(s.services, "refresh:alice:acme", 5_000));
  const waiting = s.process().once("alice", s.record);
  await new Promise((resolve) => setTimeout(resolve, 120));
  assert.equal(s.asked(), 0);
  s.services.clock.advance({ seconds: 6 });
  assert.equal((await waiting).kind, "ready");
});

Deno.test("`invalid_grant` ends the credential; an outage does not, and is not asked about again at once (UP-18)", async () => {
  {
    using s = await stage(() => Response.json({ error: "invalid_grant" }, { status: 400 }));
    assert.deepEqual(await s.process().once("alice", s.record), { kind: "stale", missingScope: null });
    assert.equal((await s.stored())?.dead, true);
  }
  using s = await stage(() => new Response(null, { status: 503 }));
  const [one, other] = [s.process(), s.process()];
  for (const each of [one, one, other]) {
    await assert.rejects(each.once("alice", s.record), { name: "UpstreamError", kind: "unavailable" });
  }
  assert.equal(s.asked(), 1);
  assert.deepEqual((await s.stored())?.dead, false);
  s.services.clock.advance({ seconds: 60 });
  await assert.rejects(other.once("alice", s.record), { kind: "unavailable" });
  assert.equal(s.asked(), 2);
});

Deno.test("a refresh for a connection that was ended, or renewed by somebody else, asks nobody (UP-18)", async () => {
  using s = await stage(fresh);
  await s.services.store.write().set(connections, ["alice", "acme"], { ...s.record, accessToken: "other" })
    .commit();
  assert.deepEqual(await s.process().once("alice", s.record), {
    kind: "ready",
    accessToken: "other",
    refreshed: false,
  });
  await s.services.store.write().delete(connections, "alice", "acme").commit();
  assert.deepEqual(await s.process().once("alice", s.record), { kind: "absent" });
  assert.equal(s.asked(), 0);
});

Deno.test("who wants another credential refreshed than the one that is being refreshed gets no outcome of that one (UP-18, UP-19)", async () => {
  const [asked, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let serial = 0;
  using s = await stage(async () => {
    if (++serial > 1) return fresh();
    asked.resolve();
    await go.promise;
    return Response.json({ access_token: "late", token_type: "Bearer", expires_in: 300 });
  });
  const process = s.process();
  const first = process.once("alice", s.record);
  await asked.promise;
  // The user connects anew, and the upstream refuses what that brought.
  const anew = { ...s.record, accessToken: "anew", refreshToken: "anew-refresh" };
  await s.services.store.write().set(connections, ["alice", "acme"], anew).commit();
  const second = process.once("alice", anew);
  go.resolve();
  assert.deepEqual(await first, { kind: "ready", accessToken: "anew", refreshed: false });
  assert.deepEqual(await second, { kind: "ready", accessToken: "new", refreshed: true });
  await process.settled();
});

Deno.test("tokens that no row can hold fail at once, with a reason, and the server is left alone for a while (UP-18)", async () => {
  using s = await stage(huge);
  // What the operator configured is never cut.
  const full = { ...s.record, scope: ["x".repeat(60_000)] };
  await s.services.store.write().set(connections, ["alice", "acme"], full).commit();
  const process = s.process();
  const started = performance.now();
  await assert.rejects(process.once("alice", full), {
    name: "UpstreamError",
    kind: "unavailable",
    reason: "upstream_answer_too_large",
  });
  assert.ok(performance.now() - started < 10_000);
  await assert.rejects(process.once("alice", full), { reason: "refresh_paused" });
  assert.deepEqual([s.asked(), (await s.stored())?.accessToken], [1, "old"]);
});
