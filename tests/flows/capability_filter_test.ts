/** `capabilityFilter` through a whole gateway: what is hidden cannot be listed, used, watched or completed; the rest is unharmed. */
import assert from "node:assert/strict";
import { curatedGateway, legacy, modern } from "../support/curated_gateway.ts";
import { CATALOGUE, exact } from "../support/curated_upstream.ts";
import { tokenExchange } from "../../mod.ts";

const FILTER = {
  tools: ["list_issues", "constructor"],
  prompts: ["summarize"],
  resources: ["docs://handbook"],
  resourceTemplates: ["docs://pages/{slug}"],
} as const;

const LISTS = [
  ["tools/list", "tools", "name", FILTER.tools],
  ["prompts/list", "prompts", "name", FILTER.prompts],
  ["resources/list", "resources", "uri", FILTER.resources],
  ["resources/templates/list", "resourceTemplates", "uriTemplate", FILTER.resourceTemplates],
] as const;

for (const form of ["json", "stream"] as const) {
  for (const era of ["legacy", "modern"] as const) {
    Deno.test(`lists hold what is allowed, byte for byte: ${era}, ${form} (TR-19)`, async () => {
      await using curated = await curatedGateway(FILTER, { script: { form } });
      for (const [method, member, identifier, allowed] of LISTS) {
        const { message, headers } = era === "modern"
          ? modern(method)
          : { message: legacy(method), headers: {} };
        for (const round of [1, 2]) {
          const { status, text, body } = await curated.ask({ ...message, id: round }, { headers });
          assert.equal(status, 200);
          assert.equal(body.id, round);
          assert.equal(body.result.nextCursor, "page-2", "pagination goes on");
          assert.equal(body.result.resultType, era === "modern" ? "complete" : undefined);
          assert.equal(body.result.cacheScope, era === "modern" ? "public" : undefined);
          const entries: Record<string, unknown>[] = body.result[member];
          assert.deepEqual(entries.map((entry) => entry[identifier]), allowed);
          for (const entry of CATALOGUE[member]) {
            const shown = allowed.some((each) => each === Reflect.get(entry, identifier));
            assert.equal(text.includes(exact(entry)), shown, "as the upstream wrote it");
          }
        }
      }
    });
  }
}

/** Each way to use something that is hidden. */
const HIDDEN: readonly (readonly [string, Readonly<Record<string, unknown>>])[] = [
  ["tools/call", { name: "delete_everything", arguments: {} }],
  ["tools/call", { name: "no_such_tool" }],
  ["tools/call", { name: "__proto__" }],
  ["tools/call", { name: "toString" }],
  ["tools/call", { name: 5 }],
  ["tools/call", { name: ["list_issues"] }],
  ["tools/call", { name: "List_Issues" }],
  ["tools/call", { name: "list_issues " }],
  ["tools/call", { name: "list_issues\u0000" }],
  ["tools/call", { uri: "list_issues" }],
  ["tools/call", {}],
  ["prompts/get", { name: "leak" }],
  ["prompts/get", { name: "list_issues" }],
  ["resources/read", { uri: "docs://payroll" }],
  ["resources/read", { uri: "docs://payroll", name: "docs://handbook" }],
  ["resources/read", { uri: "DOCS://handbook" }],
  ["resources/read", { uri: "docs://handbook/" }],
  ["resources/read", { uri: "docs://hand%62ook" }],
  ["resources/read", { uri: "docs://pages/../payroll" }],
  ["resources/read", { uri: "docs://pages/%2e%2e" }],
  ["resources/read", { uri: "docs://secrets/a" }],
  ["resources/read", {}],
  ["resources/subscribe", { uri: "docs://payroll" }],
  ["resources/unsubscribe", { uri: "docs://payroll" }],
  ["completion/complete", { ref: { type: "ref/prompt", name: "leak" }, argument: { name: "a", value: "" } }],
  ["completion/complete", { ref: { type: "ref/resource", uri: "docs://secrets/{+path}" }, argument: {} }],
  ["completion/complete", { ref: { type: "ref/tool", name: "list_issues" } }],
  ["completion/complete", {}],
  ["subscriptions/listen", {
    notifications: { resourceSubscriptions: ["docs://handbook", "docs://payroll"] },
  }],
  ["subscriptions/listen", { notifications: { resourceSubscriptions: "docs://payroll" } }],
];

/** Each way to use something that is shown. */
const SHOWN: readonly (readonly [string, Readonly<Record<string, unknown>>])[] = [
  ["tools/call", { name: "list_issues", arguments: { name: "delete_everything" } }],
  ["tools/call", { name: "constructor" }],
  ["prompts/get", { name: "summarize" }],
  ["resources/read", { uri: "docs://handbook" }],
  ["resources/read", { uri: "docs://pages/a-page" }],
  ["resources/subscribe", { uri: "docs://pages/a-page" }],
  ["resources/unsubscribe", { uri: "docs://handbook" }],
  ["completion/complete", {
    ref: { type: "ref/prompt", name: "summarize" },
    argument: { name: "a", value: "" },
  }],
  ["completion/complete", { ref: { type: "ref/resource", uri: "docs://pages/{slug}" }, argument: {} }],
  ["subscriptions/listen", {
    notifications: { toolsListChanged: true, resourceSubscriptions: ["docs://handbook", "docs://pages/b"] },
  }],
  ["subscriptions/listen", { notifications: { toolsListChanged: true } }],
  ["initialize", {
    protocolVersion: "2025-11-25",
    capabilities: {},
    clientInfo: { name: "t", version: "1" },
  }],
  ["ping", {}],
  ["logging/setLevel", { level: "info" }],
];

Deno.test("a hidden capability is -32601 and no business of the upstream's: 404 in 2026-07-28, 200 before (TR-14, TR-22)", async () => {
  await using curated = await curatedGateway(FILTER);
  for (const [method, params] of HIDDEN) {
    const name = JSON.stringify([method, params]);
    const old = await curated.ask(legacy(method, params, "a"));
    assert.deepEqual([old.status, old.body.error?.code, old.body.id], [200, -32601, "a"], name);
    const { message, headers } = modern(method, params, 7);
    const now = await curated.ask(message, { headers });
    assert.deepEqual([now.status, now.body.error?.code, now.body.id], [404, -32601, 7], name);
  }
  assert.equal(curated.gateway.upstreamRequests.length, 0);
  const refusals = curated.gateway.events.filter(({ event }) => event === "mcp_capability_refused");
  assert.equal(refusals.length, HIDDEN.length * 2);
  assert.equal(refusals[0]?.["reasonCode"], "capability_hidden");
  assert.equal(refusals[0]?.["capability"], "delete_everything");
});

Deno.test("what is shown works as without a filter, and reaches the upstream byte for byte (TR-11, TR-19)", async () => {
  await using curated = await curatedGateway(FILTER);
  for (const [method, params] of SHOWN) {
    const text = JSON.stringify(legacy(method, params)).replaceAll("_", "\\u005f");
    const old = await curated.ask(text);
    assert.deepEqual([old.status, old.body.error], [200, undefined], text);
    assert.equal(curated.gateway.upstreamRequests.at(-1)?.body, text);
    if (method === "initialize" || method === "ping") continue;
    const { message, headers } = modern(method, params);
    const now = await curated.ask(message, { headers });
    assert.deepEqual([now.status, now.body.error], [200, undefined], text);
    const sent = curated.gateway.upstreamRequests.at(-1);
    assert.equal(sent?.body, JSON.stringify(message));
    assert.equal(
      sent?.request.headers.get("mcp-name"),
      headers["mcp-name"] ?? null,
      "header and body stay a pair",
    );
  }
});

Deno.test("initialize and server/discover are left true (TR-15)", async () => {
  await using curated = await curatedGateway({
    tools: [],
    prompts: [],
    resources: [],
    resourceTemplates: [],
  });
  const old = await curated.ask(legacy("initialize", { protocolVersion: "2025-11-25", capabilities: {} }));
  const { message, headers } = modern("server/discover");
  const now = await curated.ask(message, { headers });
  for (const { body } of [old, now]) {
    assert.deepEqual(Object.keys(body.result.capabilities), ["tools", "prompts", "resources", "completions"]);
  }
  assert.equal(now.body.result.cacheScope, "public");
});

Deno.test("a list that is not given passes through, an empty one shows nothing", async () => {
  await using curated = await curatedGateway({ prompts: [], resources: [] });
  const tools = await curated.ask(legacy("tools/list"));
  assert.equal(tools.body.result.tools.length, CATALOGUE.tools.length);
  assert.equal((await curated.ask(legacy("tools/call", { name: "anything" }))).body.result.content.length, 1);
  assert.deepEqual((await curated.ask(legacy("prompts/list"))).body.result.prompts, []);
  assert.deepEqual((await curated.ask(legacy("resources/list"))).body.result.resources, []);
  const templates = await curated.ask(legacy("resources/templates/list"));
  assert.equal(templates.body.result.resourceTemplates.length, 2);
  // One of the two lists is given, and so a resource has to be found.
  assert.equal(
    (await curated.ask(legacy("resources/read", { uri: "docs://pages/a" }))).body.error.code,
    -32601,
  );
});

Deno.test("an entry can be shown otherwise than the upstream says: objects are merged", async () => {
  await using curated = await curatedGateway({
    tools: [{
      name: "get_issue",
      description: "One issue, read only.",
      annotations: { readOnlyHint: false, deep: { b: [2], c: null } },
      _meta: { "example.com/team": "platform" },
    }, "list_issues"],
    resources: [{
      uri: "docs://handbook",
      name: "Handbook",
      mimeType: "text/markdown",
      description: "How we work",
    }],
  });
  const { text, body } = await curated.ask(legacy("tools/list"));
  const [list, get] = body.result.tools;
  assert.equal(list.description, "Does list_issues");
  assert.equal(get.description, "One issue, read only.");
  assert.deepEqual(get.annotations, {
    title: "get_issue",
    readOnlyHint: false,
    deep: { a: 1, b: [2], c: null },
  });
  assert.deepEqual(get._meta, { origin: "upstream", "example.com/team": "platform" });
  assert.equal(text.match(/12345678901234567890/g)?.length, 2, "the rest of it is as it was");
  const { body: { result } } = await curated.ask(legacy("resources/list"));
  const { size: _, ...shown } = result.resources[0];
  assert.deepEqual(shown, {
    uri: "docs://handbook",
    name: "Handbook",
    mimeType: "text/markdown",
    description: "How we work",
  });
});

Deno.test("notifications and headers do not smuggle: the body decides (TR-23, B13 201)", async () => {
  await using curated = await curatedGateway(FILTER);
  const { id: _, ...notification } = legacy("tools/call", { name: "delete_everything" });
  const dropped = await curated.send(notification);
  assert.deepEqual([dropped.status, await dropped.text()], [202, ""]);
  const disguised = await curated.ask(legacy("tools/call", { name: "delete_everything" }), {
    headers: { "mcp-name": "list_issues", "mcp-method": "ping", "mcp-protocol-version": "2025-06-18" },
  });
  assert.equal(disguised.body.error.code, -32601);
  // Read by somebody who ignores case, the last one of each would count.
  const variants = [
    '{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call","params":{"name":"delete_everything"}}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_issues","Name":"delete_everything"}}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_issues"},"PARAMS":{"name":"delete_everything"}}',
    '{"jsonrpc":"2.0","id":1,"result":{},"METHOD":"tools/call","params":{"name":"delete_everything"}}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","param\u017f":{"name":"delete_everything"}}',
    '{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"summarize","NAME":"leak"}}}',
    '{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"ResourceSubscriptions":["docs://payroll"]}}}',
    '{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"resource_subscriptions":["docs://payroll"]}}}',
  ];
  for (const text of variants) {
    const { status, body } = await curated.ask(text);
    assert.deepEqual([status, body.error.code], [400, -32600], text);
  }
  for (const method of ["Tools/Call", " tools/call", "TOOLS/CALL", "tools/call\\n"]) {
    const text = `{"jsonrpc":"2.0","id":1,"method":"${method}","params":{"name":"delete_everything"}}`;
    assert.equal((await curated.ask(text)).body.error.code, -32601, method);
  }
  assert.equal(curated.gateway.upstreamRequests.length, 0);
});

Deno.test("a batch with a hidden capability is denied as a whole, with an answer for each (TR-30, B13 199)", async () => {
  await using curated = await curatedGateway(FILTER);
  const good = legacy("tools/call", { name: "list_issues" }, "good");
  const bad = legacy("tools/call", { name: "delete_everything" }, "bad");
  const note = { jsonrpc: "2.0", method: "notifications/roots/list_changed" };
  const denied = await curated.ask([good, note, bad]);
  assert.equal(denied.status, 200);
  assert.deepEqual(
    denied.body.map((each: { id: unknown; error: { code: number } }) => [each.id, each.error.code]),
    [["good", -32600], ["bad", -32601]],
  );
  const { id: _, ...quiet } = bad;
  assert.equal((await curated.send([note, quiet])).status, 202);
  assert.equal(curated.gateway.upstreamRequests.length, 0);
  const passed = await curated.ask([good, legacy("tools/list", {}, 2), legacy("prompts/list", {}, 3)]);
  assert.deepEqual(passed.body[0].result.content, [{ type: "text", text: "ok" }]);
  assert.deepEqual(passed.body[1].result.tools.map(({ name }: { name: string }) => name), FILTER.tools);
  assert.deepEqual(passed.body[2].result.prompts.map(({ name }: { name: string }) => name), FILTER.prompts);
});

Deno.test("a hidden tool triggers no connect and no refresh; a shown one does (B13 203)", async () => {
  const acme = tokenExchange({ id: "acme", displayName: "Acme" });
  await using curated = await curatedGateway(FILTER, { policies: [acme] });
  const hidden = await curated.ask(legacy("tools/call", { name: "delete_everything" }));
  assert.equal(hidden.body.error.code, -32601);
  const shown = await curated.ask(legacy("tools/call", { name: "list_issues" }));
  assert.equal(shown.body.error.code, -32042);
  const acts = curated.gateway.events.filter(({ event }) => event === "mcp_auth_upstream_user_must_act");
  assert.equal(acts.length, 1);
});
