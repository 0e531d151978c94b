/** JSON that everybody reads alike. */
import assert from "node:assert/strict";
import { parseStrictJson, StrictJsonError } from "../../../lib/http/strict_json.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

function refused(input: string | Uint8Array, reason: StrictJsonError["reason"], maxDepth = 8): void {
  const what = typeof input === "string" ? input.slice(0, 80) : String(input);
  assert.throws(
    () => parseStrictJson(typeof input === "string" ? bytes(input) : input, maxDepth),
    (error) => error instanceof StrictJsonError && error.reason === reason,
    what,
  );
}

Deno.test("`parseStrictJson()` reads what `JSON.parse()` reads, where that is unambiguous (B2 029)", () => {
  for (
    const text of [
      "null",
      " 1e3 ",
      '"a\\"b\\\\"',
      "[]",
      "{}",
      '{"a":{"a":1},"b":[{"a":1},{"a":2}]}',
      '{"a":"b","b":"a"}',
      '["a","a"]',
      '{"a":["a","a",":"],"b":"a:"}',
      '{"x\\\\":1,"x":2}',
      '{"\\"":1,"\\\\\\"":2}',
      '{ "a" : 1 , "A" : 2 }',
      '{"":1}',
      '{"__proto__":1,"constructor":2}',
      '{"é":1,"e\u0301":2}',
      '{"a":"{\\"a\\":1,\\"a\\":2}"}',
      '{"a":"]","b":"}"}',
    ]
  ) assert.deepEqual(parseStrictJson(bytes(text), 8), JSON.parse(text), text);
});

Deno.test("`parseStrictJson()` refuses a key twice in one object, however it is spelt (B2 029)", () => {
  for (
    const text of [
      '{"a":1,"a":1}',
      '{"a":1,"\\u0061":1}',
      '{"\\u0061":1,"\\u0061":1}',
      '{"a":1 , "b":2,\n"a"\t:3}',
      '{"a":{"b":{},"c":1,"b":2}}',
      '[{"a":1},{"a":1,"a":2}]',
      '{"a":["}"],"a":1}',
      '{"a":"\\\\","a":1}',
      '{"\\/":1,"/":2}',
      '{"":1,"":2}',
      '{"__proto__":1,"__proto__":2}',
    ]
  ) refused(text, "json_duplicate_key");
});

Deno.test("`parseStrictJson()` counts objects and lists as depth, and strings not (B2 029)", () => {
  const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
  assert.ok(Array.isArray(parseStrictJson(bytes(nested(8)), 8)));
  refused(nested(9), "json_too_deep");
  refused(`${'{"a":'.repeat(9)}1${"}".repeat(9)}`, "json_too_deep");
  refused(nested(10_000), "json_too_deep");
  parseStrictJson(bytes(`{"a":"${"[".repeat(100)}"}`), 1);
  // Side by side is not deep.
  parseStrictJson(bytes(`[${Array(1000).fill("[]").join()}]`), 2);
});

Deno.test("`parseStrictJson()` refuses what is no JSON or no UTF-8, and repairs nothing (B2 029)", () => {
  for (
    const text of [
      "",
      " ",
      "{",
      "[1,]",
      "{a:1}",
      "'a'",
      "NaN",
      "01",
      "1 2",
      "{}x",
      '"\n"',
      "\ufeff{}",
      "undefined",
      "\u00a01",
    ]
  ) {
    refused(text, "json_malformed");
  }
  refused(new Uint8Array([0x22, 0xff, 0x22]), "json_malformed");
  refused(new Uint8Array([0x22, 0xc0, 0xaf, 0x22]), "json_malformed");
  refused(new Uint8Array([0x22, 0xed, 0xa0, 0x80, 0x22]), "json_malformed");
  refused(new Uint8Array([0xfe, 0xff, 0, 0x7b, 0, 0x7d]), "json_malformed");
});

Deno.test("`parseStrictJson()` takes time in proportion to the size, whatever it is made of (B2 029)", () => {
  const size = 1_000_000;
  for (
    const text of [
      `"${"\\\\".repeat(size / 2)}"`,
      `"${'\\"'.repeat(size / 2)}"`,
      `{"a"${" ".repeat(size)}:1}`,
      `[${Array(size / 5).fill('"ab"').join()}]`,
      `{${Array.from({ length: size / 12 }, (_, n) => `"${n}":1`).join()}}`,
    ]
  ) {
    const started = performance.now();
    parseStrictJson(bytes(text), 8);
    assert.ok(performance.now() - started < 1500, text.slice(0, 20));
  }
});
