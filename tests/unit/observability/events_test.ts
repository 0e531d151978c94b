/** Events: one well-formed line each, as short as it has to be, and with nothing in it that was not meant to be. */
import assert from "node:assert/strict";
import {
  createEvents,
  type EventFields,
  type EventLevel,
  type Line,
  member,
} from "../../../lib/observability/events.ts";
import { FakeClock } from "../../support/fake_clock.ts";

function logger(level: EventLevel = "debug") {
  const lines: string[] = [];
  const clock = new FakeClock();
  const events = createEvents({ clock, level, write: (line) => lines.push(String(line)) });
  return { events, lines, clock };
}

Deno.test("an event is one JSON line with time, level, name and its fields", () => {
  const { events, lines } = logger();
  events.emit("info", "mcp_capability_invoked", { operationId: "alpha", status: 200 });
  assert.deepEqual(lines.map((line) => JSON.parse(line)), [{
    time: "2026-11-21T09:00:00.000Z",
    level: "info",
    event: "mcp_capability_invoked",
    operationId: "alpha",
    status: 200,
  }]);
});

Deno.test("each event bears its own millisecond, also when the clock is set back", () => {
  const { events, lines, clock } = logger();
  for (const ms of [0, 7, 993, 86_400_000, -1_001]) {
    clock.advance({ ms });
    events.emit("info", "gateway_fault", {});
  }
  assert.deepEqual(lines.map((line) => JSON.parse(line).time), [
    "2026-11-21T09:00:00.000Z",
    "2026-11-21T09:00:00.007Z",
    "2026-11-21T09:00:01.000Z",
    "2026-11-22T09:00:01.000Z",
    "2026-11-22T08:59:59.999Z",
  ]);
});

Deno.test("what events share stands in each of them, beside their own, shortened and escaped alike (B16 256)", () => {
  const { events, lines } = logger("info");
  const shared = { members: member("requestId", "r") + member("capability", '\u202e"\n' + "x".repeat(5000)) };
  events.emit("info", "mcp_capability_invoked", shared);
  events.emit("debug", "mcp_capability_invoked", shared);
  events.emit("warn", "mcp_capability_completed", { members: shared.members + member("status", 502) });
  const common = {
    time: "2026-11-21T09:00:00.000Z",
    requestId: "r",
    capability: '\u202e"\n' + "x".repeat(253) + "…",
  };
  assert.deepEqual(lines.map((line) => JSON.parse(line)), [
    { ...common, level: "info", event: "mcp_capability_invoked" },
    { ...common, level: "warn", event: "mcp_capability_completed", status: 502 },
  ]);
  for (const line of lines) assert.doesNotMatch(line, /[\n\u202e]/);
});

Deno.test("a line that is written later says when it was emitted", () => {
  const clock = new FakeClock();
  const waiting: Line[] = [];
  const events = createEvents({ clock, level: "info", write: (line) => waiting.push(line) });
  events.emit("info", "gateway_started", {});
  clock.advance({ ms: 20 });
  events.emit("info", "gateway_stopping", {});
  clock.advance({ ms: 20 });
  assert.deepEqual(waiting.map((line) => JSON.parse(String(line)).time), [
    "2026-11-21T09:00:00.000Z",
    "2026-11-21T09:00:00.020Z",
  ]);
});

Deno.test("an event below the level is not written", () => {
  const levels: EventLevel[] = ["debug", "info", "warn", "error"];
  for (const [index, least] of levels.entries()) {
    const { events, lines } = logger(least);
    for (const level of levels) events.emit(level, "gateway_fault", {});
    assert.deepEqual(lines.map((line) => JSON.parse(line).level), levels.slice(index));
  }
});

Deno.test("only listed fields can be given: a token, a query or a body is a type error (B16 254)", () => {
  const { events } = logger();
  // @ts-expect-error: no field for a token
  events.emit("info", "gateway_fault", { token: "at_" });
  // @ts-expect-error: no field for a URL with its query
  events.emit("info", "gateway_fault", { url: "/?code=1" });
  // @ts-expect-error: no event of another name
  events.emit("info", "something_else", {});
  // @ts-expect-error: no object that could carry more
  const nested: EventFields = { path: { query: "x" } };
  assert.ok(nested);
});

Deno.test("line breaks, escape sequences and quotes stay inside their field (B16 256)", () => {
  const { events, lines } = logger();
  const nasty = [
    "a\r\nb",
    '","level":"error","x":"',
    "\u001b[31mred\u001b[0m",
    "\u009b31mred",
    "\u007f\u0085\u2028\u2029",
    "\u202egnp.exe\u2066",
    "\u0000",
    "\ud800",
  ];
  for (const path of nasty) {
    events.emit("warn", "http_request_refused", { path, capability: path });
    const line = lines.at(-1) ?? "";
    assert.equal(JSON.parse(line).path, path);
    assert.match(line, /^[\x20-\x7e\u00a0-\u2027\u202a-\uffff]+$/, JSON.stringify(path));
    assert.equal(JSON.parse(line).level, "warn");
  }
});

Deno.test("a long field is cut, and the line stays short (B16 256)", () => {
  const { events, lines } = logger();
  events.emit("warn", "http_request_refused", { path: "x".repeat(1_000_000), reasonCode: "y".repeat(256) });
  const { path, reasonCode } = JSON.parse(lines[0] ?? "");
  assert.deepEqual([path.length, path.at(-1), reasonCode.length], [257, "…", 256]);
  events.emit("warn", "http_request_refused", { path: "🗝".repeat(1000) });
  assert.ok(lines.every((line) => line.length < 2_000));
});
