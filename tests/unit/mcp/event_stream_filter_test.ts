/** `EventStreamFilter`: what is hidden is taken out of a stream however it is cut and written; the rest keeps its bytes. */
import assert from "node:assert/strict";
import { Allowance } from "../../../lib/mcp/capabilities.ts";
import { EventStreamFilter, type StreamRule } from "../../../lib/mcp/event_stream_filter.ts";
import { ListCache } from "../../../lib/mcp/list_cache.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

const allowance = new Allowance({
  tools: new Map([["shown", null]]),
  prompts: null,
  resources: new Map([["a://shown", null]]),
  resourceTemplates: null,
}, false);

interface Filtered {
  readonly text: string;
  readonly unreadable: readonly string[];
  readonly over: boolean;
}

/** The stream in chunks of `size` bytes through a filter. */
function filtered(text: string, rule: Partial<StreamRule> & { readonly size?: number } = {}): Filtered {
  const unreadable: string[] = [];
  const filter = new EventStreamFilter({
    allowance,
    cache: new ListCache(),
    lists: true,
    id: 1,
    maxBytes: 10_000,
    onUnreadable: (reason) => unreadable.push(reason),
    ...rule,
  });
  const bytes = encoder.encode(text);
  const out: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += rule.size ?? bytes.length) {
    out.push(filter.push(bytes.slice(at, at + (rule.size ?? bytes.length))));
  }
  out.push(filter.end());
  const whole = new Uint8Array(out.reduce((sum, { length }) => sum + length, 0));
  let written = 0;
  for (const part of out) {
    whole.set(part, written);
    written += part.length;
  }
  return { text: decoder.decode(whole), unreadable, over: filter.over };
}

const list = (...names: string[]) =>
  JSON.stringify({ jsonrpc: "2.0", id: 1, result: { tools: names.map((name) => ({ name })) } });
const updated = (uri: unknown) =>
  JSON.stringify({ jsonrpc: "2.0", method: "notifications/resources/updated", params: { uri } });
const progress = '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1.0}}';

Deno.test("events that hide nothing keep their very bytes, in chunks of any size (TR-03)", () => {
  const streams = [
    `: hello\n\nid: 1\nevent: message\ndata: ${progress}\n\n`,
    `id: 1\r\ndata:${progress}\r\n\r\nretry: 5\r\n\r\n`,
    `data: ${progress}\rid\r\rdata: ${list("shown")}\r\r`,
    `\ufeffdata: ${progress}\n\n\n\n:ping\ndata: ${updated("a://shown")}\n\n`,
    'data: {"jsonrpc":"2.0",\ndata: "id":1,"result":{"tools": [ ]}}\nretry: 5\n\n',
    "id: prime\ndata: \n\n",
    "data\n\ndata:\n\n",
    `data: {"jsonrpc":"2.0","id":"é\u2028","result":{"tools":[{"name":"shown","x":"üñ"}]}}\n\n`,
    `data: ${progress}`,
  ];
  for (const text of streams) {
    for (const size of [1, 2, 3, 7, 64, 10_000]) {
      assert.deepEqual(filtered(text, { size }), { text, unreadable: [], over: false });
    }
  }
});

Deno.test("an event is handed on as soon as it is complete, a comment at once (TR-03)", () => {
  const filter = new EventStreamFilter({
    allowance,
    cache: new ListCache(),
    lists: true,
    id: 1,
    maxBytes: 1_000,
    onUnreadable: () => {},
  });
  const push = (text: string) => decoder.decode(filter.push(encoder.encode(text)));
  assert.equal(push(": ping\n"), ": ping\n");
  assert.equal(push(`data: ${progress}\n`), "");
  assert.equal(push("\n"), `data: ${progress}\n\n`);
  assert.equal(push(`data: ${progress}\r\n\r`), `data: ${progress}\r\n\r`);
  assert.equal(push("\ndata: "), "\n");
});

Deno.test("hidden entries and notifications are taken out, in chunks of any size", () => {
  const streams: readonly (readonly [string, string])[] = [
    [
      `id: 9\nevent: message\ndata: ${list("shown", "hidden")}\n\n`,
      `id: 9\nevent: message\ndata: ${list("shown")}\n\n`,
    ],
    [
      `data: ${list("hidden")}\r\n\r\ndata: ${progress}\r\n\r\n`,
      `data: ${list()}\n\n\ndata: ${progress}\r\n\r\n`,
    ],
    [`data: ${list("hidden")}\r\rdata: ${progress}\r\r`, `data: ${list()}\n\ndata: ${progress}\r\r`],
    [`\ufeffdata: ${list("hidden")}\n\n`, `data: ${list()}\n\n`],
    [`data: ${updated("a://hidden")}\n\ndata: ${progress}\n\n`, `data: ${progress}\n\n`],
    [`id: 5\nevent: message\ndata: ${updated("a://hidden")}\n\n`, "id: 5\n\n"],
    [`data: ${updated(undefined)}\n\ndata: ${updated(5)}\n\n`, ""],
    [`data: ${updated("a://hidden").replaceAll("/", "\\/")}\n\n`, ""],
    [
      `data: [${progress},${list("hidden")},${updated("a://hidden")}]\n\n`,
      `data: [${progress},${list()}]\n\n`,
    ],
    [`data: [${updated("a://hidden")}]\n\n`, ""],
    [
      `data: ${list("hidden", "shown").replace(",", ",\ndata: ")}\n\n`,
      `data: ${list("shown").replace(",", ",\ndata: ")}\n\n`,
    ],
    [`data: ${list("shown", "hidden")}`, `data: ${list("shown")}\n\n`],
    [
      `data: ${list("hidden").replace("tools", "\\u0074ools")}\n\n`,
      `data: ${list().replace("tools", "\\u0074ools")}\n\n`,
    ],
  ];
  for (const [given, expected] of streams) {
    for (const size of [1, 2, 5, 64, 10_000]) assert.equal(filtered(given, { size }).text, expected);
  }
});

Deno.test("lines that no reader of events takes for anything do not pass where lists may come", () => {
  const bare = list("hidden");
  assert.equal(filtered(`${bare}\n\n`).text, "");
  assert.equal(filtered(`id: 1\n${bare}\ndata: ${progress}\n\n`).text, `id: 1\ndata: ${progress}\n\n`);
  assert.equal(filtered(`DATA: ${bare}\ndata:\n\n`).text, "data: \n\n");
  assert.equal(filtered(`x: y\ndata: ${progress}\n\n`, { lists: false }).text, `x: y\ndata: ${progress}\n\n`);
});

Deno.test("what is no JSON does not pass where lists may come; the request gets an error", () => {
  const { text, unreadable } = filtered(
    `id: 3\ndata: {"result":{"tools":[{"name":"hidden"}, NaN]}}\n\ndata: ${progress}\n\n`,
  );
  assert.deepEqual(unreadable, ["answer_unreadable"]);
  assert.match(text, /^id: 3\ndata: \{"jsonrpc":"2.0","id":1,"error":\{"code":5020,.*\}\n\ndata: .*progress/);
  assert.ok(!text.includes("hidden"));
  assert.equal(filtered("data: not json\n\n", { id: null }).text, "");
  // Where only notifications count, it is nobody's business.
  assert.equal(filtered("data: not json\n\n", { lists: false }).text, "data: not json\n\n");
});

Deno.test("an event without end is not held without end (B13 204)", () => {
  for (const size of [100, 4_096, 1_000_000]) {
    const endless = filtered(`data: ${progress}\n\ndata: ${"hidden".repeat(100_000)}`, { size });
    assert.deepEqual([endless.over, endless.unreadable], [true, ["answer_too_large"]]);
    assert.match(endless.text, /^data: \{.*progress.*\n\ndata: \{"jsonrpc":"2.0","id":1,"error"/);
    assert.ok(endless.text.length < 1_000 && !endless.text.includes("hidden"));
  }
  // A long answer to a call is none of the filter's business: it passes while it comes, and what follows is judged.
  const long = `id: 1\ndata: {"result":"${"x".repeat(50_000)}\ndata: ${"y".repeat(50_000)}"}\n\n`;
  for (const size of [1, 99, 4_096, 1_000_000]) {
    const { text, over } = filtered(`${long}data: ${updated("a://hidden")}\n\n${long}`, {
      size,
      lists: false,
    });
    assert.equal(over, false);
    // In one piece it was complete before it was too long to be held.
    assert.equal(text, long + long);
  }
});

Deno.test("a million tiny events pass, and nothing piles up (B13 204)", () => {
  const text = ":\n\nid: 1\n\ndata:\n\n".repeat(60_000);
  assert.equal(filtered(text, { size: 65_536 }).text, text);
});
