/** The store: what it writes it reads, as long as it lives, and nothing that was altered, moved or written by somebody else. */
import assert from "node:assert/strict";
import { z } from "zod";
import { KeyRing, parseKeyRing } from "../../../lib/crypto/keyring.ts";
import { createKeyRingEntry } from "../../../lib/crypto/keyring.ts";
import { systemRandom } from "../../../lib/crypto/secret_token.ts";
import { collection } from "../../../lib/store/collection.ts";
import { RecordTooLargeError, Store } from "../../../lib/store/store.ts";
import { FakeClock } from "../../support/fake_clock.ts";

const plain = collection("plain", { text: z.string() }, { sealed: false });
const sealed = collection("sealed", { text: z.string() }, { sealed: true });
const both = [plain, sealed] as const;

/** A store in memory, with what a test looks at. */
async function memory(keys = createKeyRingEntry("a", systemRandom)) {
  const kv = await Deno.openKv(":memory:");
  const clock = new FakeClock();
  const unreadable: string[] = [];
  const open = (ring: KeyRing) =>
    new Store({ kv, clock, keyRing: ring, onUnreadable: (name) => unreadable.push(name) });
  return {
    kv,
    clock,
    unreadable,
    keys,
    open: (text: string) => open(parseKeyRing(text, systemRandom)),
    store: open(parseKeyRing(keys, systemRandom)),
    inSeconds: (seconds: number) => clock.now() + seconds * 1000,
    [Symbol.dispose]: () => kv.close(),
  };
}

async function bytesOf(kv: Deno.Kv, key: Deno.KvKey): Promise<Uint8Array> {
  const { value } = await kv.get(key);
  assert.ok(value instanceof Uint8Array);
  return value;
}

Deno.test("`get()` returns what `set()` wrote, plain and sealed, and the store holds nothing but bytes", async () => {
  using m = await memory();
  for (const kind of both) {
    const record = { text: "Grüße \u0000 🗝", expiresAt: m.inSeconds(60) };
    assert.equal(await m.store.write().set(kind, ["x", "y"], record).commit(), true);
    assert.deepEqual((await m.store.get(kind, "x", "y"))?.value, record);
    assert.equal(await m.store.get(kind, "x"), null);
    assert.equal((await bytesOf(m.kv, [kind.name, "x", "y"]))[0], kind.sealed ? 2 : 1);
  }
  const stored = new TextDecoder().decode(await bytesOf(m.kv, ["sealed", "x", "y"]));
  assert.ok(!stored.includes("text") && !stored.includes("expiresAt"));
});

Deno.test("a record ends by the injected clock, although KV still has the row", async () => {
  using m = await memory();
  for (const kind of both) {
    await m.store.write().set(kind, ["x"], { text: "t", expiresAt: m.inSeconds(60) }).commit();
  }
  m.clock.advance({ ms: 59_999 });
  for (const kind of both) assert.ok(await m.store.get(kind, "x"));
  m.clock.advance({ ms: 1 });
  for (const kind of both) {
    assert.equal(await m.store.get(kind, "x"), null);
    assert.equal(await m.store.take(kind, "x"), null);
    assert.equal((await Array.fromAsync(m.store.list(kind))).length, 0);
    await bytesOf(m.kv, [kind.name, "x"]);
  }
  assert.deepEqual(m.unreadable, []);
});

Deno.test("a record that has already ended can be written and is not read", async () => {
  using m = await memory();
  assert.equal(
    await m.store.write().set(plain, ["x"], { text: "t", expiresAt: m.inSeconds(-5) }).commit(),
    true,
  );
  assert.equal(await m.store.get(plain, "x"), null);
});

Deno.test("a row of another form is not read, and is told about (B15 246)", async () => {
  using m = await memory();
  const utf8 = (text: string) => new TextEncoder().encode(text);
  const json = `{"text":"t","expiresAt":${m.inSeconds(60)}}`;
  const rows: [string, unknown][] = [
    ["an object of KV's own serialisation", { text: "t", expiresAt: m.inSeconds(60) }],
    ["a string", json],
    ["no bytes", new Uint8Array(0)],
    ["JSON without the format byte", utf8(json)],
    ["another format", Uint8Array.of(9, ...utf8(json))],
    ["the other format: plain for sealed", Uint8Array.of(1, ...utf8(json))],
    ["the other format: sealed for plain", Uint8Array.of(2, ...utf8(json))],
    ["no JSON", Uint8Array.of(1, ...utf8("{"))],
    ["JSON of another shape", Uint8Array.of(1, ...utf8('{"text":1,"expiresAt":1}'))],
    ["a record without its end", Uint8Array.of(1, ...utf8('{"text":"t"}'))],
    ["a record whose end is no number", Uint8Array.of(1, ...utf8('{"text":"t","expiresAt":null}'))],
  ];
  for (const [what, value] of rows) {
    for (const kind of both) {
      if (kind === plain && what.endsWith("plain for sealed")) continue;
      m.unreadable.length = 0;
      await m.kv.set([kind.name, "x"], value);
      assert.equal(await m.store.get(kind, "x"), null, `${kind.name}: ${what}`);
      assert.deepEqual(m.unreadable, [kind.name], `${kind.name}: ${what}`);
      assert.equal(await m.store.take(kind, "x"), null);
      assert.equal((await Array.fromAsync(m.store.list(kind))).length, 0);
    }
  }
});

Deno.test("a sealed row that was moved to another id or collection fails closed (B15 245)", async () => {
  using m = await memory();
  const other = collection("other", { text: z.string() }, { sealed: true });
  const record = { text: "alice", expiresAt: m.inSeconds(60) };
  await m.store.write().set(sealed, ["alice"], record).set(sealed, ["bob"], { ...record, text: "bob" })
    .commit();
  const [alice, bob] = [await bytesOf(m.kv, ["sealed", "alice"]), await bytesOf(m.kv, ["sealed", "bob"])];
  await m.kv.atomic().set(["sealed", "alice"], bob).set(["sealed", "bob"], alice).set(
    ["other", "alice"],
    alice,
  )
    .set(["sealed", "alice", "x"], alice).commit();
  assert.equal(await m.store.get(sealed, "alice"), null);
  assert.equal(await m.store.get(sealed, "bob"), null);
  assert.equal(await m.store.get(sealed, "alice", "x"), null);
  assert.equal(await m.store.get(other, "alice"), null);
  assert.equal(m.unreadable.length, 4);
  await m.kv.set(["sealed", "alice"], alice);
  assert.equal((await m.store.get(sealed, "alice"))?.value.text, "alice");
});

Deno.test("a sealed row with any byte altered is not read, and the others still are (B15 246)", async () => {
  using m = await memory();
  const record = { text: "t", expiresAt: m.inSeconds(60) };
  await m.store.write().set(sealed, ["x"], record).set(sealed, ["y"], record).commit();
  const bytes = await bytesOf(m.kv, ["sealed", "x"]);
  for (let index = 0; index < bytes.length; index++) {
    const altered = Uint8Array.from(bytes);
    altered[index] = (altered[index] ?? 0) ^ 1;
    await m.kv.set(["sealed", "x"], altered);
    assert.equal(await m.store.get(sealed, "x"), null, `byte ${index}`);
  }
  assert.equal(m.unreadable.length, bytes.length);
  assert.deepEqual((await Array.fromAsync(m.store.list(sealed))).map((entry) => entry.id), [["y"]]);
});

Deno.test("rotation: old rows stay readable and are sealed anew by their next write (B15 248)", async () => {
  using m = await memory();
  const fresh = createKeyRingEntry("b", systemRandom);
  await m.store.write().set(sealed, ["x"], { text: "t", expiresAt: m.inSeconds(60) }).commit();
  const rotated = m.open(`${fresh},${m.keys}`);
  const entry = await rotated.get(sealed, "x");
  assert.ok(entry);
  assert.equal(await m.open(fresh).get(sealed, "x"), null);
  await rotated.write().check(entry).set(sealed, entry.id, entry.value).commit();
  assert.equal((await m.open(fresh).get(sealed, "x"))?.value.text, "t");
  assert.equal(await m.open(m.keys).get(sealed, "x"), null);
});

Deno.test("a record that is too large is refused before anything of its write happens", async () => {
  using m = await memory();
  const record = (length: number) => ({ text: "x".repeat(length), expiresAt: m.inSeconds(60) });
  for (const kind of both) {
    const write = m.store.write().set(kind, ["small"], record(1));
    assert.throws(() => write.set(kind, ["large"], record(65_536)), RecordTooLargeError);
    assert.throws(() => write.set(kind, ["i".repeat(513)], record(1)), RecordTooLargeError);
    assert.equal(await m.store.get(kind, "small"), null);
    assert.equal(await m.store.get(kind, "large"), null);
  }
  // The largest plain record: 65,536 bytes with the format byte and the JSON around the text.
  const room = 65_535 - JSON.stringify(record(0)).length;
  assert.equal(await m.store.write().set(plain, ["x"], record(room)).commit(), true);
  assert.equal((await m.store.get(plain, "x"))?.value.text.length, room);
  assert.throws(() => m.store.write().set(plain, ["x"], record(room + 1)), RecordTooLargeError);
});

Deno.test("an id that no record can have is not even looked up", async () => {
  using m = await memory();
  assert.equal(await m.store.get(plain, "i".repeat(100_000)), null);
  assert.equal(await m.store.get(plain, "ok", "i".repeat(513)), null);
  for (const id of ["\u0000".repeat(512), "€".repeat(512), "\ud800", "", "../x"]) {
    await m.store.write().set(plain, [id], { text: "t", expiresAt: m.inSeconds(60) }).commit();
    assert.equal((await m.store.get(plain, id))?.value.text, "t", JSON.stringify(id.slice(0, 4)));
  }
});

Deno.test("`list()` yields the live records below a prefix, in key order, each with its id", async () => {
  using m = await memory();
  const put = (id: [string, ...string[]], seconds: number) =>
    m.store.write().set(sealed, id, { text: id.join(), expiresAt: m.inSeconds(seconds) }).commit();
  await put(["u1", "b"], 60);
  await put(["u1", "a"], 60);
  await put(["u1", "ended"], 10);
  await put(["u2", "c"], 60);
  m.clock.advance({ seconds: 10 });
  const ids = async (...prefix: string[]) =>
    (await Array.fromAsync(m.store.list(sealed, ...prefix))).map((entry) => entry.id.join("/"));
  assert.deepEqual(await ids("u1"), ["u1/a", "u1/b"]);
  assert.deepEqual(await ids(), ["u1/a", "u1/b", "u2/c"]);
  assert.deepEqual(await ids("u"), []);
  const [entry] = await Array.fromAsync(m.store.list(sealed, "u2"));
  assert.ok(entry);
  assert.equal(await m.store.write().check(entry).delete(sealed, ...entry.id).commit(), true);
});

Deno.test("`take()` gives a record to exactly one of 20 callers", async () => {
  using m = await memory();
  for (let round = 0; round < 20; round++) {
    await m.store.write().set(sealed, ["x"], { text: String(round), expiresAt: m.inSeconds(60) }).commit();
    const taken = await Promise.all(Array.from({ length: 20 }, () => m.store.take(sealed, "x")));
    assert.deepEqual(taken.filter((record) => record !== null).map((record) => record.text), [String(round)]);
  }
});

Deno.test("a write whose check fails changes nothing at all", async () => {
  using m = await memory();
  const record = { text: "1", expiresAt: m.inSeconds(60) };
  await m.store.write().set(plain, ["x"], record).commit();
  const entry = await m.store.get(plain, "x");
  assert.ok(entry);
  assert.equal(await m.store.write().check(entry).set(plain, ["x"], { ...record, text: "2" }).commit(), true);
  const late = m.store.write().check(entry).set(plain, ["x"], { ...record, text: "3" }).set(
    plain,
    ["y"],
    record,
  );
  assert.equal(await late.delete(plain, "x").commit(), false);
  assert.equal((await m.store.get(plain, "x"))?.value.text, "2");
  assert.equal(await m.store.get(plain, "y"), null);
  await m.store.write().delete(plain, "x").commit();
  assert.equal(await m.store.write().check(entry).set(plain, ["x"], record).commit(), false);
});
