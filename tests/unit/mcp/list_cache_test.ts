/** `ListCache`: the same text for the same allowance is answered from memory, with the id of the request at hand; nothing else is. */
import assert from "node:assert/strict";
import { Allowance } from "../../../lib/mcp/capabilities.ts";
import { ListCache } from "../../../lib/mcp/list_cache.ts";

const shows = (...names: string[]) =>
  new Allowance({
    tools: new Map(names.map((name) => [name, null])),
    prompts: null,
    resources: null,
    resourceTemplates: null,
  }, false);
const list = (id: string, ...names: string[]) =>
  `{"jsonrpc":"2.0","id":${id},"result":{"tools":[${names.map((name) => `{"name":"${name}"}`).join(",")}]}}`;

/** An answer is given as text, from an event stream, or as bytes. */
const FORMS = {
  text: (text: string) => text,
  bytes: (text: string) => new TextEncoder().encode(text),
};

/** How often a text is parsed while `act` runs. */
function parsings(act: () => void): number {
  const { parse } = JSON;
  let count = 0;
  JSON.parse = (...given: Parameters<typeof parse>) => {
    count++;
    return parse(...given);
  };
  try {
    act();
  } finally {
    JSON.parse = parse;
  }
  return count;
}

for (const [form, given] of Object.entries(FORMS)) {
  Deno.test(`an answer that differs in its id alone is not read again: ${form}`, () => {
    const cache = new ListCache();
    const allowance = shows("a");
    assert.equal(cache.filter(given(list("1", "a", "b")), allowance), list("1", "a"));
    const again = parsings(() => {
      for (const id of ["1", "2", "2", "-7", "123456", '"abc-1"', '""', "1"]) {
        assert.equal(cache.filter(given(list(id, "a", "b")), allowance), list(id, "a"));
      }
    });
    assert.equal(again, 0);
    // Ids of other kinds are read.
    for (const id of ["1.5", '"\\u0061"', "null", '"é"']) {
      assert.equal(cache.filter(given(list(id, "a", "b")), allowance), list(id, "a"));
    }
  });

  Deno.test(`what looks like an id but is more is read: ${form}`, () => {
    const cache = new ListCache();
    const allowance = shows("a");
    cache.filter(given(list("1", "a", "b")), allowance);
    const sly = list('1,"result":{"tools":[{"name":"b"}]},"x":1', "a", "b");
    assert.equal(
      cache.filter(given(sly), allowance),
      sly.replaceAll(',{"name":"b"}', "").replace('[{"name":"b"}]', "[]"),
    );
  });

  Deno.test(`where nothing is hidden the text comes back as it was: ${form}`, () => {
    const cache = new ListCache();
    const allowance = shows("a", "b", "é");
    for (const id of ["1", "1", "2"]) {
      assert.equal(cache.filter(given(list(id, "a", "é")), allowance), list(id, "a", "é"));
    }
  });
}

Deno.test("bytes and text are one answer, and what differs by a byte is another", () => {
  const cache = new ListCache();
  const allowance = shows("a");
  cache.filter(FORMS.bytes(list("1", "a", "é")), allowance);
  assert.equal(parsings(() => void cache.filter(list("2", "a", "é"), allowance)), 0);
  assert.equal(parsings(() => void cache.filter(FORMS.bytes(list("3", "a", "é")), allowance)), 0);
  for (const other of [list("1", "a", "è"), ` ${list("1", "a", "é")}`, `${list("1", "a", "é")} `]) {
    assert.ok(parsings(() => void cache.filter(FORMS.bytes(other), allowance)) > 0, other);
  }
});

Deno.test("bytes that are lent are not kept", () => {
  const cache = new ListCache();
  const allowance = shows("a");
  const lent = FORMS.bytes(list("1", "a", "b"));
  for (let use = 0; use < 2; use++) assert.equal(cache.filter(lent, allowance), list("1", "a"));
  lent.set(FORMS.bytes(list("2", "b", "a")));
  assert.equal(cache.filter(lent, allowance), list("2", "a"));
  assert.equal(cache.filter(FORMS.bytes(list("1", "a", "b")), allowance), list("1", "a"));
});

Deno.test("another allowance or another text is another answer", () => {
  const cache = new ListCache();
  const [a, b] = [shows("a"), shows("b")];
  for (let round = 0; round < 3; round++) {
    assert.equal(cache.filter(list("1", "a", "b"), a), list("1", "a"));
    assert.equal(cache.filter(list("1", "a", "b"), b), list("1", "b"));
    assert.equal(cache.filter(list("1", "a", "c"), a), list("1", "a"));
    assert.equal(cache.filter(list("1", "b"), b), list("1", "b"));
  }
});

Deno.test("many pages push each other out, and stay right", () => {
  const cache = new ListCache();
  const allowance = shows("a");
  for (let round = 0; round < 2; round++) {
    for (let page = 0; page < 100; page++) {
      assert.equal(cache.filter(list("1", "a", `page_${page}`), allowance), list("1", "a"));
    }
  }
});

Deno.test("only lists are kept: an answer of another kind is read each time", () => {
  const cache = new ListCache();
  const private_ = '{"jsonrpc":"2.0","id":1,"result":{"content":[{"text":"of one user"}]}}';
  const allowance = shows("a");
  assert.equal(cache.filter(private_, allowance), private_);
  assert.ok(parsings(() => void cache.filter(private_, allowance)) > 0);
});
