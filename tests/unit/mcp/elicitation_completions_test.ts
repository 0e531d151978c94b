/** What a session is told of the URLs that its client was asked to open: its own, done, once, and in time. */
import assert from "node:assert/strict";
import { systemRandom } from "../../../lib/crypto/secret_token.ts";
import { startingWith } from "../../../lib/mcp/event_stream.ts";
import { ElicitationCompletions } from "../../../lib/mcp/elicitation_completions.ts";
import { RevocationFeed } from "../../../lib/store/revocation_feed.ts";
import { Store } from "../../../lib/store/store.ts";
import { parseKeyRing } from "../../../lib/crypto/keyring.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { TEST_KEYS } from "../../support/harness.ts";

async function stage() {
  const clock = new FakeClock();
  const kv = await Deno.openKv(":memory:");
  const store = new Store({ kv, clock, keyRing: parseKeyRing(TEST_KEYS, systemRandom) });
  const revocations = new RevocationFeed({ store, clock, random: systemRandom });
  const completions = new ElicitationCompletions({ clock, revocations });
  return {
    clock,
    revocations,
    completions,
    told: (session: string) => {
      const bytes = completions.take(session);
      return bytes === null ? [] : [...new TextDecoder().decode(bytes).matchAll(/^data: (.*)$/gm)]
        .map(([, data = ""]) => JSON.parse(data).params.elicitationId);
    },
    [Symbol.dispose]: () => kv.close(),
  };
}

Deno.test("a session hears of its own elicitations, once, after what they wait for has happened (EL-08)", async () => {
  using on = await stage();
  on.completions.note("a", { elicitationId: "e1", completedBy: "made:acme:alice" });
  on.completions.note("a", { elicitationId: "e2", completedBy: "made:other:alice" });
  on.completions.note("b", { elicitationId: "e1", completedBy: "made:acme:alice" });
  on.completions.note("c", { elicitationId: "e3", completedBy: "made:acme:bob" });
  assert.deepEqual(on.told("a"), []);
  on.revocations.announce("made:acme:alice");
  assert.deepEqual(on.told("a"), ["e1"]);
  assert.deepEqual(on.told("a"), []);
  assert.deepEqual(on.told("b"), ["e1"]);
  assert.deepEqual([on.told("c"), on.told("unknown")], [[], []]);
  on.revocations.announce("made:other:alice");
  assert.deepEqual(on.told("a"), ["e2"]);
});

Deno.test("after fifteen minutes nothing is told; of ten thousand sessions the oldest is forgotten (EL-08)", async () => {
  using on = await stage();
  on.completions.note("a", { elicitationId: "e1", completedBy: "made" });
  on.completions.note("b", { elicitationId: "e2", completedBy: "made" });
  on.clock.advance({ seconds: 899 });
  on.revocations.announce("made");
  assert.deepEqual(on.told("a"), ["e1"]);
  on.clock.advance({ seconds: 1 });
  assert.deepEqual(on.told("b"), []);
  for (let n = 0; n <= 10_000; n++) {
    on.completions.note(`s${n}`, { elicitationId: `e${n}`, completedBy: "made" });
  }
  on.revocations.announce("made");
  assert.deepEqual(on.told("s0"), []);
  assert.deepEqual(on.told("s1"), ["e1"]);
  assert.deepEqual(on.told("s10000"), ["e10000"]);
});

Deno.test("`startingWith()` sends the first bytes, then the stream's own, and ends with it", async () => {
  const own = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      controller.enqueue(new TextEncoder().encode("own"));
      controller.close();
    },
  });
  const { body } = startingWith(new TextEncoder().encode("first "), { body: own, end() {} });
  assert.equal(await new Response(body).text(), "first own");
  let ended = 0;
  const idle = startingWith(new TextEncoder().encode("first"), {
    body: new ReadableStream(),
    end: () => ended++,
  });
  const reader = idle.body.getReader();
  await reader.read();
  await reader.cancel();
  assert.equal(ended, 1);
});
