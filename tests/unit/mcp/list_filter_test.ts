/** `filterText()`: cuts what is hidden out of a message's text, and keeps every other byte. */
import assert from "node:assert/strict";
import { Allowance, type AllowedLists } from "../../../lib/mcp/capabilities.ts";
import { filterText, UnreadableAnswerError } from "../../../lib/mcp/list_filter.ts";

const everything: AllowedLists = { tools: null, prompts: null, resources: null, resourceTemplates: null };
const shows = (lists: Partial<AllowedLists>, perUser = false) =>
  new Allowance({ ...everything, ...lists }, perUser);
const tools = (...names: string[]) => shows({ tools: new Map(names.map((name) => [name, null])) });
const text = (given: string, allowance: Allowance) => filterText(given, allowance).text;

Deno.test("text that hides nothing is the very text that was given", () => {
  const allowance = tools("a", "b");
  for (
    const given of [
      ' {"id":1 , "result" : { "tools":[ {"name":"a"} ,{"name" :"b"}],"nextCursor":"x" } } ',
      '{"id":1,"result":{"tools":[]}}',
      '{"id":1,"result":{"prompts":[{"name":"c"}]}}',
      '{"id":1,"error":{"code":-1,"message":"m","data":{"tools":[{"name":"c"}]}}}',
      '{"id":1,"method":"x","params":{"tools":[{"name":"c"}]}}',
      '{"id":1,"result":{"content":[{"tools":[{"name":"c"}]}]}}',
      '[{"id":1,"result":{"tools":[{"name":"a"}]}},{"method":"m"},5]',
      "[]",
      "null",
      '"tools"',
      "12",
    ]
  ) assert.equal(text(given, allowance), given);
});

Deno.test("entries that stay keep their bytes: numbers, escapes, order, white space, keys of the language", () => {
  const a = String
    .raw`{ "2":0, "1":1, "name":"\u0061","x":12345678901234567890.10e400,"__proto__":{"y": [1 ,2]}, "q":"]}\"\\" }`;
  const given =
    `{"result":{"x":[{"name":"b"}],"tools":[{"name":"b"}, ${a} ,{"name":"b","z":[${a}]}],"y":1},"id":"\\u0069"}`;
  assert.equal(
    text(given, tools("a")),
    `{"result":{"x":[{"name":"b"}],"tools":[${a}],"y":1},"id":"\\u0069"}`,
  );
});

Deno.test("projections change their members and no others", () => {
  const projection = { description: "new", annotations: { b: { c: 2 }, d: [3] }, _meta: { e: 1 } };
  const allowance = shows({ tools: new Map([["a", projection]]) });
  const given =
    '{"id":1,"result":{"tools":[{"name":"a" , "annotations":{"z":1.0,"b":{"c":1,"y":9}}, "description":"old","n":1.0}]}}';
  assert.equal(
    text(given, allowance),
    '{"id":1,"result":{"tools":[{"name":"a" , "annotations":{"z":1,"b":{"c":2,"y":9},"d":[3]}, "description":"new","n":1.0,"_meta":{"e":1}}]}}',
  );
  const other = '{"id":1,"result":{"tools":[{"name":"a","annotations":null,"description":5}]}}';
  assert.match(text(other, allowance) ?? "", /"annotations":\{"b":\{"c":2\},"d":\[3\]\},"description":"new"/);
});

Deno.test("members that are named like the language's own are merged as members", () => {
  const own = JSON.parse('{"_meta":{"__proto__":{"polluted":true}}}');
  const allowance = shows({ tools: new Map([["a", own]]) });
  const given = '{"id":1,"result":{"tools":[{"name":"a","_meta":{"__proto__":{"x":1}}}]}}';
  assert.equal(
    text(given, allowance),
    '{"id":1,"result":{"tools":[{"name":"a","_meta":{"__proto__":{"x":1,"polluted":true}}}]}}',
  );
  assert.equal(Reflect.get({}, "polluted"), undefined);
});

Deno.test("where the user decides, a curated list is private, and nothing else is", () => {
  const allowance = shows({ tools: new Map() }, true);
  assert.equal(
    text('{"id":1,"result":{"cacheScope":"public","tools":[],"ttlMs":5}}', allowance),
    '{"id":1,"result":{"cacheScope":"private","tools":[],"ttlMs":5}}',
  );
  assert.equal(
    text('{"id":1,"result":{"tools":[{"name":"a"}],"cacheScope":null}}', allowance),
    '{"id":1,"result":{"tools":[],"cacheScope":"private"}}',
  );
  const others = '{"id":1,"result":{"cacheScope":"public","prompts":[]}}';
  assert.equal(text(others, allowance), others);
});

Deno.test("the place of a single id is told, in both texts", () => {
  const given = '{"result":{"tools":[{"name":"b"}]},"id": "x\\"y" ,"jsonrpc":"2.0"}';
  const filtered = filterText(given, tools());
  assert.equal(given.slice(filtered.id?.given.start, filtered.id?.given.end), '"x\\"y"');
  assert.equal(filtered.text?.slice(filtered.id?.filtered.start, filtered.id?.filtered.end), '"x\\"y"');
  assert.equal(filterText('{"id":1,"id":2,"result":{"tools":[]}}', tools()).id, null);
});

Deno.test("a batch in a batch is none, and what readers would find in it does not pass", () => {
  const list = '{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"b"}]}}';
  for (const given of [`[[${list}]]`, `[${list},[[${list}]]]`, "[[]]"]) {
    assert.throws(() => filterText(given, tools("a")), UnreadableAnswerError, given);
  }
});

Deno.test("what is no JSON is refused, and depth does no harm", () => {
  for (const given of ["", "{", "{}{}", '{"a":NaN}', "\ufeff{}", "{'a':1}", '{"a":1,}', "tools"]) {
    assert.throws(() => filterText(given, tools()), UnreadableAnswerError, given);
  }
  const deep = "[".repeat(200_000) + "]".repeat(200_000);
  const given = `{"id":1,"result":{"tools":[{"name":"a","x":${deep}},{"name":"b","x":${deep}}]}}`;
  assert.equal(text(given, tools("a")), `{"id":1,"result":{"tools":[{"name":"a","x":${deep}}]}}`);
  const merging = shows({ tools: new Map([["a", { _meta: { y: 1 } }]]) });
  const nested = `{"id":1,"result":{"tools":[{"name":"a","_meta":{"z":${deep}}}]}}`;
  assert.equal(
    text(nested, merging),
    `{"id":1,"result":{"tools":[{"name":"a","_meta":{"z":${deep},"y":1}}]}}`,
  );
});

Deno.test("a list of a hundred thousand entries takes its time, and no more", () => {
  const entries = Array.from({ length: 100_000 }, (_, index) => `{"name":"tool_${index}","d":"x"}`).join(",");
  const began = performance.now();
  const filtered = text(`{"id":1,"result":{"tools":[${entries}]}}`, tools("tool_5", "tool_99999"));
  assert.equal(
    filtered,
    '{"id":1,"result":{"tools":[{"name":"tool_5","d":"x"},{"name":"tool_99999","d":"x"}]}}',
  );
  assert.ok(performance.now() - began < 3_000);
});
