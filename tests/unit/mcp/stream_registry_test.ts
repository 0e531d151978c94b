/** Open streams: how many there may be, and what ends them. */
import assert from "node:assert/strict";
import { type OpenStream, StreamRegistry } from "../../../lib/mcp/stream_registry.ts";
import { type TestServices, testServices } from "../../support/services.ts";

const TICK_MS = 300;

/** A registry with streams that end as real ones do: aborted, they settle. */
async function registry(limits = { streams: 3, streamsPerUser: 2 }) {
  const services = await testServices();
  const { clock, revocations } = services;
  const streams = new StreamRegistry({ clock, revocations, limits });
  const aborted: string[] = [];
  const open = (name: string, changes: Partial<OpenStream> = {}) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    streams.add({
      userId: "alice",
      grantId: `grant-of-${name}`,
      tokenId: `token-of-${name}`,
      expiresAt: clock.now() + 900_000,
      abort: () => {
        aborted.push(name);
        resolve();
      },
      ...changes,
    }, promise);
    return resolve;
  };
  return {
    services,
    streams,
    aborted,
    open,
    [Symbol.dispose]: () => (streams.closeAll(), services[Symbol.dispose]()),
  };
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 0));

/** Real time, since the registry's own timer runs on it. */
const tick = () => new Promise((resolve) => setTimeout(resolve, TICK_MS));

async function revoke({ store, revocations }: TestServices, id: string): Promise<void> {
  await revocations.record(store.write(), id).commit();
}

Deno.test("streams are bounded per user and in all, and an ended one makes room (B17 262)", async () => {
  using r = await registry();
  const end = r.open("a1");
  assert.equal(r.streams.hasRoomFor("alice"), true);
  r.open("a2");
  assert.deepEqual([r.streams.hasRoomFor("alice"), r.streams.hasRoomFor("bob")], [false, true]);
  r.open("b1", { userId: "bob" });
  assert.deepEqual([r.streams.hasRoomFor("bob"), r.streams.hasRoomFor("carol")], [false, false]);
  end();
  await settle();
  assert.deepEqual([r.streams.size, r.streams.hasRoomFor("alice"), r.streams.hasRoomFor("bob")], [
    2,
    true,
    true,
  ]);
});

Deno.test("a stream whose sending fails is forgotten, too", async () => {
  using r = await registry();
  const failed = Promise.withResolvers<void>();
  const { clock } = r.services;
  r.streams.add(
    { userId: "u", grantId: "g", tokenId: "t", expiresAt: clock.now() + 1, abort() {} },
    failed.promise,
  );
  failed.reject(new Error("the client is gone"));
  await settle();
  assert.equal(r.streams.size, 0);
});

Deno.test("a stream ends when its token expires (RS-14)", async () => {
  using r = await registry();
  r.open("short", { expiresAt: r.services.clock.now() + 1_000 });
  r.open("long");
  r.services.clock.advance({ ms: 999 });
  await tick();
  assert.deepEqual(r.aborted, []);
  r.services.clock.advance({ ms: 1 });
  await tick();
  assert.deepEqual(r.aborted, ["short"]);
  assert.equal(r.streams.size, 1);
});

Deno.test("a revocation in this process ends the streams of its grant or token at once (RS-14)", async () => {
  using r = await registry({ streams: 10, streamsPerUser: 10 });
  for (const name of ["a", "b", "c"]) r.open(name);
  r.services.revocations.announce("grant-of-a");
  assert.deepEqual(r.aborted, ["a"]);
  r.services.revocations.announce("token-of-b");
  assert.deepEqual(r.aborted, ["a", "b"]);
  await settle();
  assert.equal(r.streams.size, 1);
});

Deno.test("a revocation in another process ends them within a tick (RS-14)", async () => {
  using r = await registry();
  using other = await testServices({ kv: r.services.kv, clock: r.services.clock });
  r.open("a");
  await tick();
  await revoke(other, "grant-of-a");
  r.services.clock.advance({ ms: 100 });
  await tick();
  assert.deepEqual(r.aborted, ["a"]);
});

Deno.test("a store that cannot be read does not keep expired streams open", async () => {
  using r = await registry();
  r.services.store.get = () => Promise.reject(new Error("the store cannot be read"));
  r.open("short", { expiresAt: r.services.clock.now() + 1_000 });
  r.services.clock.advance({ seconds: 1 });
  await tick();
  assert.deepEqual(r.aborted, ["short"]);
});

Deno.test("`closeAll()` ends every stream, opens no more and leaves no timer behind", async () => {
  // The sanitizer of `deno test` fails this test if a timer runs on.
  const r = await registry();
  for (const name of ["a", "b"]) r.open(name);
  r.streams.closeAll();
  assert.deepEqual(r.aborted, ["a", "b"]);
  await settle();
  assert.deepEqual([r.streams.size, r.streams.hasRoomFor("alice")], [0, false]);
  r.services[Symbol.dispose]();
});

Deno.test("the timer stops with the last stream and starts with the next", async () => {
  const r = await registry();
  const end = r.open("a");
  end();
  await settle();
  r.open("b", { expiresAt: 0 });
  await tick();
  assert.deepEqual(r.aborted, ["b"]);
  await settle();
  r.services[Symbol.dispose]();
});
