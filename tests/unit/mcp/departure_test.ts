/** A client's departure is asked for late, told once, and of no interest when the answer is on its way. */
import assert from "node:assert/strict";
import { Departure } from "../../../lib/mcp/departure.ts";

/** A request of which only the leaving matters. */
function visit(headers: HeadersInit = { host: "gateway.example" }) {
  const client = new AbortController();
  let asked = 0;
  const request = new Request("http://gateway.example/mcp", { headers });
  Object.defineProperty(request, "signal", {
    get() {
      asked++;
      return client.signal;
    },
  });
  let running: (() => void) | null = null;
  const deadlines = {
    start(_ms: number, expire: () => void) {
      running = expire;
      return { stop: () => void (running = null) };
    },
  };
  let told = 0;
  const departure = new Departure(request, deadlines);
  departure.controller.signal.addEventListener("abort", () => told++);
  return {
    departure,
    leave: () => client.abort(),
    waitsLong: () => running?.(),
    get asked() {
      return asked > 0;
    },
    get told() {
      return told;
    },
  };
}

Deno.test("whoever leaves while the answer takes long is told of, once (TR-17)", () => {
  const on = visit();
  on.waitsLong();
  assert.deepEqual([on.told, on.departure.left], [0, false]);
  on.leave();
  assert.deepEqual([on.told, on.departure.left], [1, true]);
});

Deno.test("whoever left before anybody asked is told of then (TR-17)", () => {
  const on = visit();
  on.leave();
  assert.deepEqual([on.asked, on.told], [false, 0]);
  on.waitsLong();
  assert.deepEqual([on.asked, on.told, on.departure.left], [true, 1, true]);
});

Deno.test("a quick answer asks for nothing", () => {
  const on = visit();
  on.departure.over();
  on.waitsLong();
  on.leave();
  assert.deepEqual([on.asked, on.told, on.departure.left], [false, 0, false]);
});

Deno.test("a departure after the answer is somebody else's", () => {
  const on = visit();
  on.waitsLong();
  on.departure.over();
  on.leave();
  assert.deepEqual([on.told, on.departure.left], [0, false]);
});

Deno.test("a request without a host among its headers, as over HTTP/2, is attended at once", () => {
  const on = visit({});
  assert.equal(on.asked, true);
  on.leave();
  assert.deepEqual([on.told, on.departure.left], [1, true]);
});
