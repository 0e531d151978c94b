/** The demo server as real clients see it, without a gateway in between: they sign in at its own authorization server. */
import assert from "node:assert/strict";
import { request } from "node:http";
import type { Client } from "@modelcontextprotocol/client";
import { type DemoOptions, type DemoServer, serveDemo } from "../../examples/demo/server.ts";
import {
  callWithProgress,
  close,
  type ConnectionV1,
  type ConnectionV2,
  connectV1,
  connectV2,
  negotiatedVersion,
} from "../support/clients.ts";
import { TestChild } from "../support/child_process.ts";
import { HeadlessOAuthProvider } from "../support/oauth_client_provider.ts";

async function withDemo(
  act: (demo: DemoServer) => Promise<void>,
  options: Omit<DemoOptions, "port"> = {},
): Promise<void> {
  const demo = serveDemo({ ...options, port: 0 });
  try {
    await act(demo);
  } finally {
    await demo.close();
  }
}

/** Somebody who approves at the demo. */
function person(account = "ada") {
  return { oauth: new HeadlessOAuthProvider({ approval: { account } }) };
}

const eras = [
  { name: "SDK v1", connect: (url: URL) => connectV1(url, person()), version: "2025-11-25" },
  { name: "SDK v2, legacy", connect: (url: URL) => connectV2(url, person()), version: "2025-11-25" },
  {
    name: "SDK v2, auto",
    connect: (url: URL) => connectV2(url, { ...person(), mode: "auto" }),
    version: "2026-07-28",
  },
  {
    name: "SDK v2, pinned",
    connect: (url: URL) => connectV2(url, { ...person(), mode: { pin: "2026-07-28" } }),
    version: "2026-07-28",
  },
] as const;

for (const { name, connect, version } of eras) {
  Deno.test(`${name} uses the demo's tools, prompt and resources`, () =>
    withDemo(async ({ url }) => {
      const connection: ConnectionV1 | ConnectionV2 = await connect(url);
      // The two clients agree on these calls; a union of their overloads cannot be called.
      const client = connection.client as Client;
      try {
        assert.equal(negotiatedVersion(connection), version);
        const { tools } = await client.listTools();
        assert.deepEqual(tools.map((tool) => tool.name).sort(), [
          "convert_time",
          "convert_units",
          "countdown",
          "delete_note",
          "find_notes",
          "save_note",
          "text_statistics",
          "who_am_i",
        ]);
        const call = async (tool: string, input: Record<string, unknown>) =>
          await client.callTool({ name: tool, arguments: input });
        assert.deepEqual((await call("who_am_i", {})).content, [{ type: "text", text: "ada" }]);
        const time = { time: "2026-07-28T09:30", from: "America/New_York", to: "Europe/Lisbon" };
        assert.deepEqual((await call("convert_time", time)).content, [{
          type: "text",
          text: "2026-07-28T14:30+01:00[Europe/Lisbon]",
        }]);
        const statistics = await call("text_statistics", { text: "One, two. Two three!" });
        assert.deepEqual(statistics.structuredContent, {
          characters: 20,
          words: 4,
          distinctWords: 3,
          sentences: 2,
          readingMinutes: 1,
        });
        await call("save_note", { title: "Milk", text: "Buy oat milk." });
        const { resources } = await client.listResources();
        assert.deepEqual(resources.map(({ uri }) => uri).sort(), ["demo://about", "demo://notes/1"]);
        const { contents } = await client.readResource({ uri: "demo://notes/1" });
        assert.deepEqual(contents.map((part) => "text" in part && part.text), ["Buy oat milk."]);
        const prompt = await client.getPrompt({ name: "summarize_notes", arguments: {} });
        assert.match(JSON.stringify(prompt.messages), /Buy oat milk/);
        const refused = await call("convert_units", { value: 1, from: "kg", to: "km" });
        assert.equal(refused.isError, true);
        await assert.rejects(client.readResource({ uri: "demo://notes/99" }));
      } finally {
        await close(connection);
      }
    }));

  Deno.test(`${name} sees the demo's countdown as it happens (TR-03)`, () =>
    withDemo(async ({ url }) => {
      const connection: ConnectionV1 | ConnectionV2 = await connect(url);
      try {
        const countdown = { name: "countdown", input: { steps: 3, stepMs: 100 } };
        const { progressAt, answeredAt } = await callWithProgress(connection, countdown);
        assert.equal(progressAt.length, 3);
        assert.ok(answeredAt - (progressAt[0] ?? Infinity) > 150, `late: ${progressAt}, ${answeredAt} ms`);
      } finally {
        await close(connection);
      }
    }));
}

Deno.test("The demo stops at once while a client counts down", () =>
  withDemo(async (demo) => {
    const { client, transport } = await connectV2(demo.url, { ...person(), mode: "auto" });
    const call = client.callTool({ name: "countdown", arguments: { steps: 50, stepMs: 100 } }, {
      onprogress: () => {},
    });
    const ended = assert.rejects(call);
    await new Promise((resolve) => setTimeout(resolve, 150));
    const started = performance.now();
    await demo.close();
    assert.ok(performance.now() - started < 1000);
    await close({ client, transport });
    await ended;
  }));

/** `fetch` would not send a `Host` of our own. */
function statusOf(url: URL, headers: Record<string, string>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(url, { headers, agent: false }, (response) => {
      response.resume().on("end", () => resolve(response.statusCode));
    }).on("error", reject).end();
  });
}

Deno.test("The demo refuses a foreign Host and a foreign Origin (RS-11)", () =>
  withDemo(async ({ url }) => {
    assert.equal(await statusOf(url, { host: "evil.example.com" }), 403);
    assert.equal(await statusOf(url, { origin: "https://evil.example.com" }), 403);
    assert.equal(await statusOf(url, { origin: "http://localhost:5173" }), 401);
  }));

Deno.test("The demo runs with network permission for its port alone, and says when the port is taken", async () => {
  const taken = serveDemo({ port: 0 });
  const program = new URL("../../examples/demo/server.ts", import.meta.url).href;
  const args = ["run", "--no-prompt", `--allow-net=127.0.0.1:${taken.url.port}`, program, "--port"];
  const second = new TestChild({ args: [...args, taken.url.port] });
  assert.equal((await second.status).code, 1);
  assert.deepEqual(second.lines, [
    `Demo MCP server: port ${taken.url.port} on 127.0.0.1 is taken. Free it, or choose another with --port.`,
  ]);
  await taken.close();
  const third = new TestChild({ args: [...args, taken.url.port] });
  await third.waitForLine((line) => line === `Demo MCP server: ${taken.url}` || undefined);
  assert.equal((await third.stop()).code, 0);
});

Deno.test("with `open` the demo asks nobody to sign in", () =>
  withDemo(async ({ url }) => {
    const connection = await connectV1(url);
    const answer = await connection.client.callTool({ name: "who_am_i", arguments: {} });
    assert.deepEqual(answer.content, [{ type: "text", text: "everybody" }]);
    await close(connection);
  }, { open: true }));
