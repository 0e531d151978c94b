/** A document that two readers could take for two is none. */
import assert from "node:assert/strict";
import { readDocument } from "../../../lib/upstream/document.ts";

const answer = (body: BodyInit | null, type: string | null = "application/json") =>
  new Response(body, { headers: type === null ? {} : { "content-type": type } });

Deno.test("`readDocument()` takes JSON whatever type the server gives it, but a web page", async () => {
  for (
    const type of [
      "application/json",
      "application/problem+json",
      "text/plain",
      "application/octet-stream",
      null,
    ]
  ) {
    assert.deepEqual(await readDocument(answer('{"a":1}', type)), { a: 1 }, String(type));
  }
  for (const type of ["text/html", "TEXT/HTML; charset=utf-8", "application/xhtml+xml"]) {
    assert.equal(await readDocument(answer('{"a":1}', type)), null, type);
  }
});

Deno.test("`readDocument()` refuses what is ambiguous, too deep, broken or empty", async () => {
  const deep = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;
  assert.ok(await readDocument(answer(deep(16))));
  for (
    const body of [
      '{"a":1,"a":2}',
      '{"a":1,"\\u0061":2}',
      deep(17),
      "{",
      "{} {}",
      "",
      new Uint8Array([0x22, 0xff, 0x22]),
    ]
  ) assert.equal(await readDocument(answer(body)), null);
});

Deno.test("`readDocument()` does not take a network that breaks for a document that is bad", async () => {
  const broken = new ReadableStream({ start: (controller) => controller.error(new TypeError("reset")) });
  await assert.rejects(readDocument(answer(broken)), TypeError);
});
