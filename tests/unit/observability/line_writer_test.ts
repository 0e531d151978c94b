/** The log never holds up a request: batches, slow readers, broken pipes. */
import assert from "node:assert/strict";
import { LineWriter } from "../../../lib/observability/line_writer.ts";

/** A sink that takes at most `most` bytes at a time, and only while `gate` is open. */
function sink(most = Infinity) {
  const state = { text: "", writes: 0, gate: Promise.resolve() };
  const decoder = new TextDecoder();
  return {
    state,
    async write(bytes: Uint8Array): Promise<number> {
      await state.gate;
      const taken = bytes.subarray(0, most);
      state.text += decoder.decode(taken, { stream: true });
      state.writes++;
      return taken.length;
    },
  };
}

const dropped = (count: number) => `dropped ${count}`;

Deno.test("lines of the same moment are written together, in order, within 20 ms or so", async () => {
  const out = sink();
  const writer = new LineWriter(out, dropped);
  for (const line of ["one", "two", "three"]) writer.write(line);
  assert.equal(out.state.writes, 0);
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.deepEqual([out.state.text, out.state.writes], ["one\ntwo\nthree\n", 1]);
  writer.write("four");
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.equal(out.state.text, "one\ntwo\nthree\nfour\n");
});

Deno.test("a line is put into words once, and not before it is written", async () => {
  const out = sink();
  const writer = new LineWriter(out, dropped);
  let asked = 0;
  const line = { toString: () => `line ${++asked}` };
  writer.write(line);
  writer.write(line);
  assert.equal(asked, 0);
  await writer.flush();
  assert.deepEqual([asked, out.state.text], [2, "line 1\nline 2\n"]);
});

Deno.test("`flush()` writes what is buffered at once, and nothing when there is nothing", async () => {
  const out = sink();
  const writer = new LineWriter(out, dropped);
  await writer.flush();
  assert.equal(out.state.writes, 0);
  writer.write("one");
  await writer.flush();
  assert.equal(out.state.text, "one\n");
});

Deno.test("a sink that takes a few bytes at a time gets every byte, also of characters cut in two", async () => {
  const out = sink(3);
  const writer = new LineWriter(out, dropped);
  writer.write("äöü🗝".repeat(50));
  writer.write("end");
  await writer.flush();
  assert.equal(out.state.text, `${"äöü🗝".repeat(50)}\nend\n`);
});

Deno.test("lines that come while a batch is being written follow it", async () => {
  const out = sink();
  const open = Promise.withResolvers<void>();
  out.state.gate = open.promise;
  const writer = new LineWriter(out, dropped);
  writer.write("one");
  const first = writer.flush();
  writer.write("two");
  const second = writer.flush();
  open.resolve();
  await Promise.all([first, second]);
  assert.equal(out.state.text, "one\ntwo\n");
});

Deno.test("a reader that stalls costs 8 MiB and a few lines at most; what is lost is counted (F32)", async () => {
  const out = sink();
  const open = Promise.withResolvers<void>();
  out.state.gate = open.promise;
  const writer = new LineWriter(out, dropped);
  const line = "x".repeat(1023);
  const fits = 8 * 1024;
  for (let count = 0; count < fits; count++) writer.write(line);
  const stalled = writer.flush();
  // What is being written still counts as buffered.
  await Promise.resolve();
  // Whole batches: up to 63 further lines would not be text yet, and find room when they become it.
  for (let count = 0; count < 512; count++) writer.write(line);
  open.resolve();
  await stalled;
  await writer.flush();
  const lines = out.state.text.split("\n");
  assert.equal(lines.filter((each) => each === line).length, fits);
  assert.ok(lines.includes("dropped 512"), lines.at(-2)?.slice(0, 40));
  writer.write("alive");
  await writer.flush();
  assert.ok(out.state.text.endsWith("alive\n"));
  assert.equal(out.state.text.match(/dropped/g)?.length, 1);
});

Deno.test("a closed pipe stops nothing", async () => {
  let attempts = 0;
  const writer = new LineWriter({
    write: () => {
      attempts++;
      return Promise.reject(new Deno.errors.BrokenPipe());
    },
  }, dropped);
  for (let count = 0; count < 3; count++) {
    writer.write("x");
    await writer.flush();
  }
  assert.equal(attempts, 3);
});
