/** `capabilityFilter` and event streams: which are read, what is taken out of them, and which are handed over as they are. */
import assert from "node:assert/strict";
import { eventsOf, legacy, modern } from "../support/curated_gateway.ts";
import { type CuratedGateway, curatedGateway, type SendOptions } from "../support/curated_gateway.ts";
import type { CapabilityFilterOptions } from "../../mod.ts";
import { freePort } from "../support/child_process.ts";
import { callMcp } from "../support/oauth_flow.ts";
import { serveHarness } from "../support/raw_http.ts";

const TOOLS = { tools: ["list_issues"] } as const;
const RESOURCES = { ...TOOLS, resources: ["docs://handbook"] } as const;

const hiddenList = JSON.stringify({
  jsonrpc: "2.0",
  id: 1,
  result: { tools: [{ name: "list_issues" }, { name: "delete_everything" }] },
});
const progress =
  '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1.0}}';
const updated = (uri: string) =>
  JSON.stringify({ jsonrpc: "2.0", method: "notifications/resources/updated", params: { uri } });
const sampling = JSON.stringify({
  jsonrpc: "2.0",
  id: 9,
  method: "sampling/createMessage",
  params: { messages: [], tools: [{ name: "delete_everything" }], maxTokens: 5 },
});
const changed = '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}';

const streamOf = (...data: string[]) =>
  new Response(data.map((each, index) => `id: ${index}\ndata: ${each}\n\n`).join(""), {
    headers: { "content-type": "Text/Event-Stream; charset=utf-8", "mcp-session-id": "s" },
  });

interface Listening {
  readonly curated: CuratedGateway;
  /** Sends over the network, and reads to the end. */
  readonly read: (message: unknown, options?: SendOptions) => Promise<string>;
}

/** A gateway on a port, whose upstream answers everything with this stream. */
async function withStream(
  filter: CapabilityFilterOptions,
  data: readonly string[],
  test: (on: Listening) => Promise<void>,
): Promise<void> {
  const port = freePort();
  await using curated = await curatedGateway(filter, {
    origin: `http://127.0.0.1:${port}`,
    script: { answer: () => streamOf(...data) },
  });
  await using _server = serveHarness(curated.gateway, port);
  const token = await curated.signIn("alice");
  const read = async (message: unknown, options: SendOptions = {}) =>
    await (await callMcp({ fetch }, `${curated.gateway.origin}/alpha${options.search ?? ""}`, token, {
      ...options,
      message,
    })).text();
  await test({ curated, read });
}

Deno.test("an answer among other messages of its stream is filtered, the others pass untouched (TR-28)", async () => {
  const data = [
    progress,
    sampling,
    changed,
    updated("docs://payroll"),
    updated("docs://handbook"),
    hiddenList,
  ];
  await withStream(RESOURCES, data, async ({ read }) => {
    const text = await read(legacy("tools/list"));
    const shown = JSON.stringify({ jsonrpc: "2.0", id: 1, result: { tools: [{ name: "list_issues" }] } });
    assert.deepEqual(eventsOf(text), [progress, sampling, changed, updated("docs://handbook"), shown]);
    assert.match(text, /id: 3\n\nid: 4\n/, "what was taken out keeps its place, for a client that resumes");
  });
});

Deno.test("a stream that is resumed is filtered, for a list may be replayed in it (TR-27)", async () => {
  await withStream(TOOLS, [progress, hiddenList], async ({ read }) => {
    for (const method of ["GET", "POST"]) {
      const message = method === "GET" ? null : legacy("tools/call", { name: "list_issues" });
      const text = await read(message, { method, headers: { "last-event-id": "5" } });
      assert.ok(!text.includes("delete_everything"), method);
      assert.ok(text.includes("list_issues") && text.includes(progress));
    }
    // Some servers look there, too.
    for (const search of ["?lastEventId=5", "?a=b&LAST-EVENT-ID=5", "?last%45v%65ntId=5"]) {
      const text = await read(null, { method: "GET", search });
      assert.ok(!text.includes("delete_everything"), search);
    }
  });
});

Deno.test("a stream of notifications is read for resources only, and only where resources are curated", async () => {
  const data = ["not json", updated("docs://payroll"), updated("docs://handbook")];
  for (const filter of [TOOLS, RESOURCES]) {
    await withStream(filter, data, async ({ read }) => {
      const expected = filter === TOOLS ? data : [data[0], data[2]];
      for (
        const [message, options] of [
          [null, { method: "GET" }],
          [legacy("tools/call", { name: "list_issues" }), {}],
          [modern("subscriptions/listen", { notifications: { toolsListChanged: true } }).message, {
            headers: modern("subscriptions/listen").headers,
          }],
        ] as const
      ) {
        assert.deepEqual(eventsOf(await read(message, options)), expected);
      }
    });
  }
});

Deno.test("a call's long answer passes, whether its stream is read or not (TR-03)", async () => {
  const long = JSON.stringify({
    jsonrpc: "2.0",
    id: 1,
    result: { content: [{ text: "x".repeat(9_000_000) }] },
  });
  for (const filter of [TOOLS, RESOURCES]) {
    await withStream(filter, [long, updated("docs://handbook")], async ({ read }) => {
      const text = await read(legacy("tools/call", { name: "list_issues" }));
      assert.deepEqual(eventsOf(text).map((data) => data.length), [
        long.length,
        updated("docs://handbook").length,
      ]);
    });
  }
});

Deno.test("a list that is too long for the filter ends its stream with an error (B13 204)", async () => {
  const long = hiddenList.replace("delete_everything", "x".repeat(9_000_000));
  await withStream(TOOLS, [progress, long, progress], async ({ curated, read }) => {
    const events = eventsOf(await read(legacy("tools/list", {}, 1)));
    assert.equal(events.length, 2);
    assert.equal(JSON.parse(events[1] ?? "").error.code, 5020);
    const [withheld] = curated.gateway.events.filter(({ event }) =>
      event === "mcp_capability_answer_withheld"
    );
    assert.deepEqual([withheld?.["reasonCode"], withheld?.["mcpMethod"]], ["answer_too_large", "tools/list"]);
  });
});

Deno.test("a client that leaves a filtered stream ends the upstream's (TR-17)", async () => {
  const cancelled = Promise.withResolvers<void>();
  const answer = () =>
    new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(new TextEncoder().encode(`data: ${progress}\n\n`)),
        cancel: () => cancelled.resolve(),
      }),
      { headers: { "content-type": "text/event-stream" } },
    );
  await using curated = await curatedGateway(RESOURCES, { script: { answer } });
  const response = await curated.send(null, { method: "GET" });
  const reader = response.body?.getReader();
  assert.match(new TextDecoder().decode((await reader?.read())?.value), /progress/);
  await reader?.cancel();
  await cancelled.promise;
});

Deno.test("a filtered stream ends when its token does (RS-14)", async () => {
  const cancelled = Promise.withResolvers<void>();
  const answer = () =>
    new Response(new ReadableStream({ cancel: () => cancelled.resolve() }), {
      headers: { "content-type": "text/event-stream" },
    });
  await using curated = await curatedGateway(RESOURCES, { script: { answer } });
  const response = await curated.send(null, { method: "GET" });
  const reading = response.text();
  curated.gateway.clock.advance({ seconds: 901 });
  assert.equal(await reading, "");
  await cancelled.promise;
});

Deno.test("an upstream that fails in the middle of a list: the client is told, and nothing half-read passes", async () => {
  const answer = () =>
    new Response(ReadableStream.from([new TextEncoder().encode(hiddenList.slice(0, -5))]), {
      headers: { "content-type": "application/json", "content-length": String(hiddenList.length) },
    });
  await using curated = await curatedGateway(TOOLS, { script: { answer }, expect5xx: [502] });
  const { status, text, body } = await curated.ask(legacy("tools/list", {}, "x"));
  assert.deepEqual([status, body.id], [502, "x"]);
  assert.ok(!text.includes("delete_everything"));
});

Deno.test("timeouts.idleMs holds for filtered answers, too", async () => {
  const silent = (type: string, text: string) =>
    new Response(
      new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode(text)) }),
      { headers: { "content-type": type } },
    );
  const script = { answer: () => silent("application/json", hiddenList.slice(0, -5)) };
  await using curated = await curatedGateway(RESOURCES, { script, idleMs: 100, expect5xx: [502] });
  const list = await curated.ask(legacy("tools/list"));
  assert.equal(list.status, 502);
  assert.ok(!list.text.includes("delete_everything"));
  curated.script.answer = () => silent("text/event-stream", `data: ${progress}\n\ndata: half`);
  const stream = await curated.send(legacy("tools/call", { name: "list_issues" }));
  const reader = stream.body?.getReader();
  assert.equal(new TextDecoder().decode((await reader?.read())?.value), `data: ${progress}\n\n`);
  await assert.rejects(async () => await reader?.read());
  const idle = curated.gateway.events.filter(({ reasonCode }) => reasonCode === "upstream_idle");
  assert.equal(idle.length, 2);
});
