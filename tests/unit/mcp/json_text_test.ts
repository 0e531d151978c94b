/** Walking JSON text: the same members, elements and strings that `JSON.parse` finds, whatever the text looks like. */
import assert from "node:assert/strict";
import { elementsOf, firstValue, kindAt, membersOf, stringIn } from "../../../lib/mcp/json_text.ts";
import { type RandomSource, randomSource, spelled } from "../../support/random.ts";

/** Puts a value together again from what the walk finds. */
function walked(text: string, start: number, end: number): unknown {
  switch (kindAt(text, start)) {
    case "object":
      return Object.fromEntries(
        membersOf(text, start).map(({ key, value }) => [key, walked(text, value.start, value.end)]),
      );
    case "array":
      return elementsOf(text, start).map((element) => walked(text, element.start, element.end));
    case "string":
      return stringIn(text, { start, end });
    case "other":
      return JSON.parse(text.slice(start, end));
  }
}

const STRINGS = [
  "",
  "a",
  '"',
  "\\",
  '\\"',
  "]}",
  "{[",
  ":,",
  "\u0000",
  "é\u2028😀",
  "__proto__",
  "name",
  '\\\\"',
  "\\u0041",
];

/** Without the backslash alone: V8 15.0, once it expects that name, reads `"\\u0061"` as it, too. */
const NAMES = STRINGS.filter((name) => name !== "\\");

function randomValue(random: RandomSource, depth: number): unknown {
  if (depth === 0 || random.chance(0.3)) {
    return random.pick<unknown>([...STRINGS, 0, -1.5e300, 12, true, false, null]);
  }
  const items = Array.from({ length: Math.floor(random.next() * 4) }, () => randomValue(random, depth - 1));
  return random.chance(0.5) ? items : Object.fromEntries(items.map((item) => [random.pick(NAMES), item]));
}

Deno.test("the walk finds what `JSON.parse` finds", () => {
  for (let seed = 0; seed < 3_000; seed++) {
    const random = randomSource(seed);
    const text = `${random.pick(["", " ", "\n\t"])}${spelled(randomValue(random, 5), random)}${
      random.pick(["", "\r\n"])
    }`;
    const start = firstValue(text);
    const found = walked(text, start, text.trimEnd().length);
    // As text: assert does not get along with a member that is called `__proto__`.
    assert.equal(JSON.stringify(found), JSON.stringify(JSON.parse(text)), `seed ${seed}: ${text}`);
  }
});

Deno.test("members that come twice are both found, in their order", () => {
  const text = '{"a":1,"\\u0061":[2],"b":{},"a":"x"}';
  assert.deepEqual(
    membersOf(text, 0).map(({ key, value }) => [key, text.slice(value.start, value.end)]),
    [["a", "1"], ["a", "[2]"], ["b", "{}"], ["a", '"x"']],
  );
});

Deno.test("a walk over text that is cut off ends", () => {
  const text = '{"a":[1,{"b":"c\\"d"},[[]],"e"],"f":{"g":null}}';
  for (let end = 0; end < text.length; end++) {
    const cut = text.slice(0, end);
    for (const walk of [membersOf, elementsOf]) {
      try {
        walk(cut, 0);
      } catch (error) {
        assert.ok(error instanceof SyntaxError, cut);
      }
    }
  }
});
