/** The official SDKs at routes with a `capabilityFilter`: they see and use what is shown, and are told of the rest as of nothing. */
import assert from "node:assert/strict";
import { SdkHttpError } from "@modelcontextprotocol/client";
import { callWithProgress, close, connectV1, connectV2, negotiatedVersion } from "../support/clients.ts";
import { HeadlessOAuthProvider } from "../support/oauth_client_provider.ts";
import { onStage } from "./scene.ts";

const filters = {
  everything: {
    tools: [{ name: "echo", description: "Says it again." }, "trigger-long-running-operation"],
    prompts: ["simple-prompt"],
    resources: [],
    resourceTemplates: ["demo://resource/dynamic/text/{resourceId}"],
  },
  demo: {
    tools: ["save_note", { name: "find_notes", annotations: { title: "Find" } }, "countdown"],
    resources: ["demo://about"],
    resourceTemplates: [],
  },
} as const;

const POLICIES = {
  everythingPolicy: `capabilityFilter(${JSON.stringify(filters.everything)})`,
  demoPolicy: `capabilityFilter(${JSON.stringify(filters.demo)})`,
};

/** As both SDKs throw it: the code, and whatever else they say. */
const notOffered = (error: unknown) => {
  assert.equal(Reflect.get(Object(error), "code"), -32601, String(error));
  return true;
};

/** In 2026-07-28 -32601 comes with 404 (SEP-2575), which the SDK throws as a fault of HTTP, with the answer in its text. */
const notOfferedByHttp = (error: unknown) => {
  assert.ok(error instanceof SdkHttpError && error.status === 404, String(error));
  assert.match(error.message, /"code":-32601.*offers nothing of that name/);
  return true;
};

const connectors = [
  ["SDK v1", connectV1],
  ["SDK v2", connectV2],
  [
    "SDK v2, auto",
    (url: URL, options: Parameters<typeof connectV2>[1]) => connectV2(url, { ...options, mode: "auto" }),
  ],
] as const;

for (const [name, connect] of connectors) {
  Deno.test(`${name} at a filtered server with sessions`, () =>
    onStage(async ({ everything }) => {
      const connection = await connect(everything, { oauth: new HeadlessOAuthProvider() });
      // Both clients have the same methods here; their types differ in what does not matter.
      const client = connection.client as Awaited<ReturnType<typeof connectV2>>["client"];
      try {
        assert.ok(client.getServerCapabilities()?.resources, "what the server says of itself is left true");
        const { tools } = await client.listTools();
        assert.deepEqual(tools.map((tool) => tool.name).toSorted(), [
          "echo",
          "trigger-long-running-operation",
        ]);
        assert.equal(tools.find((tool) => tool.name === "echo")?.description, "Says it again.");
        const { prompts } = await client.listPrompts();
        assert.deepEqual(prompts.map((prompt) => prompt.name), ["simple-prompt"]);
        assert.deepEqual((await client.listResources()).resources, []);
        const { resourceTemplates } = await client.listResourceTemplates();
        assert.deepEqual(
          resourceTemplates.map(({ uriTemplate }) => uriTemplate),
          filters.everything.resourceTemplates,
        );
        const echoed = await client.callTool({ name: "echo", arguments: { message: "hello" } });
        assert.match(JSON.stringify(echoed.content), /hello/);
        const { contents } = await client.readResource({ uri: "demo://resource/dynamic/text/1" });
        assert.equal(contents.length, 1);
        await client.getPrompt({ name: "simple-prompt" });
        const long = { name: "trigger-long-running-operation", input: { duration: 1, steps: 2 } };
        assert.equal((await callWithProgress(connection, long)).progressAt.length, 2);
        await assert.rejects(client.callTool({ name: "get-env", arguments: {} }), notOffered);
        await assert.rejects(client.getPrompt({ name: "args-prompt", arguments: { city: "x" } }), notOffered);
        await assert.rejects(client.readResource({ uri: "demo://resource/dynamic/blob/1" }), notOffered);
        await assert.rejects(client.subscribeResource({ uri: "demo://resource/dynamic/blob/1" }), notOffered);
        const ref = { type: "ref/prompt" as const, name: "completable-prompt" };
        await assert.rejects(
          client.complete({ ref, argument: { name: "department", value: "" } }),
          notOffered,
        );
      } finally {
        await close(connection);
      }
    }, POLICIES));
}

for (const mode of ["auto", { pin: "2026-07-28" }] as const) {
  const name = mode === "auto" ? "auto" : "pinned";
  Deno.test(`SDK v2, ${name}, at a filtered server of 2026-07-28`, () =>
    onStage(async ({ demo }) => {
      const connection = await connectV2(demo, { oauth: new HeadlessOAuthProvider(), mode });
      const { client } = connection;
      try {
        assert.equal(negotiatedVersion(connection), "2026-07-28");
        const { tools } = await client.listTools();
        assert.deepEqual(tools.map((tool) => tool.name).toSorted(), ["countdown", "find_notes", "save_note"]);
        const find = tools.find((tool) => tool.name === "find_notes");
        assert.equal(find?.annotations?.title, "Find");
        assert.equal(find?.annotations?.readOnlyHint, true, "merged into what the upstream says");
        await client.callTool({ name: "save_note", arguments: { title: "Note", text: "text" } });
        assert.match(
          JSON.stringify(
            (await client.callTool({ name: "find_notes", arguments: { words: "text" } })).content,
          ),
          /Note/,
        );
        const countdown = { name: "countdown", input: { steps: 2, stepMs: 50 } };
        assert.equal((await callWithProgress(connection, countdown)).progressAt.length, 2);
        assert.deepEqual((await client.listResources()).resources.map(({ uri }) => uri), ["demo://about"]);
        assert.equal((await client.readResource({ uri: "demo://about" })).contents.length, 1);
        assert.ok((await client.listPrompts()).prompts.length > 0, "not curated");
        await assert.rejects(client.callTool({ name: "convert_time", arguments: {} }), notOfferedByHttp);
        await assert.rejects(client.readResource({ uri: "demo://notes/1" }), notOfferedByHttp);
      } finally {
        await close(connection);
      }
    }, POLICIES));
}
