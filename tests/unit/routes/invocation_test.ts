/** The events of a request: how it began, how it ended, and at which level. */
import assert from "node:assert/strict";
import { ClientGoneError } from "../../../lib/mcp/forward.ts";
import { JsonRpcError, type McpMessage } from "../../../lib/mcp/json_rpc.ts";
import { startInvocation } from "../../../routes/invocation.ts";
import { startHarness } from "../../support/harness.ts";
import { testServices } from "../../support/services.ts";

const call: McpMessage = {
  kind: "request",
  id: 1,
  method: "tools/call",
  capability: "echo",
  modern: null,
  sessionElicitsUrls: null,
  elements: [],
};
const ping: McpMessage = {
  kind: "request",
  id: 1,
  method: "ping",
  capability: null,
  modern: null,
  sessionElicitsUrls: null,
  elements: [],
};

async function invoke(
  message: McpMessage | null,
  act: (invocation: ReturnType<typeof startInvocation>) => void,
) {
  using services = await testServices();
  await using gateway = await startHarness();
  const [route] = gateway.gateway.routes;
  assert.ok(route);
  const context = {
    requestId: "r",
    target: { host: "localhost", path: "/mcp/alpha", search: "" },
    origin: gateway.origin,
    peer: "127.0.0.1",
    address: "127.0.0.1",
    delivery: { completed: Promise.resolve() },
  };
  const verdict = {
    tokenId: "hash-of-the-token",
    grantId: "g",
    clientId: "c",
    userId: "u",
    resource: "",
    operationId: "alpha",
    scope: [],
    expiresAt: 0,
  };
  act(startInvocation(services, { context, route, verdict, message }));
  return services.emitted;
}

Deno.test("a capability that was used is told at info: by whom, where, what, how long (B16 257)", async () => {
  const [invoked, completed, ...more] = await invoke(call, (invocation) => {
    invocation.upstreamAnswered(200);
    invocation.completed();
  });
  const common = {
    requestId: "r",
    operationId: "alpha",
    subjectId: "u",
    clientId: "c",
    mcpMethod: "tools/call",
    capability: "echo",
  };
  assert.deepEqual(invoked, { level: "info", event: "mcp_capability_invoked", ...common });
  assert.ok(completed);
  const { latencyMs, upstreamLatencyMs, ...rest } = completed;
  assert.deepEqual(rest, {
    level: "info",
    event: "mcp_capability_completed",
    ...common,
    outcome: "ok",
    status: 200,
  });
  assert.ok(Number(latencyMs) >= Number(upstreamLatencyMs) && Number(upstreamLatencyMs) >= 0);
  assert.equal(more.length, 0);
});

Deno.test("bookkeeping is told at debug", async () => {
  for (const message of [ping, null]) {
    const emitted = await invoke(message, (invocation) => invocation.completed());
    assert.deepEqual(emitted.map(({ level }) => level), ["debug", "debug"]);
  }
});

Deno.test("each message of a batch is told, as if it had come alone (B13 199)", async () => {
  const batch: McpMessage = { ...ping, kind: "batch", id: null, method: null, elements: [call, ping] };
  const emitted = await invoke(batch, (invocation) => {
    invocation.upstreamAnswered(200);
    invocation.completed();
  });
  assert.deepEqual(emitted.map(({ level, mcpMethod }) => [level, mcpMethod]), [
    ["info", call.method],
    ["debug", ping.method],
    ["info", call.method],
    ["debug", ping.method],
  ]);
});

Deno.test("an error is told at warn with its reason, and a client that left is none", async () => {
  const fault = new JsonRpcError(5020, "m", { status: 504, reason: "upstream_timeout" });
  const cases: [(invocation: ReturnType<typeof startInvocation>) => void, Record<string, unknown>][] = [
    [(invocation) => invocation.failed(fault), {
      level: "warn",
      outcome: "error",
      status: 504,
      reasonCode: "upstream_timeout",
    }],
    [(invocation) => invocation.failed(new Error("secret")), {
      level: "warn",
      outcome: "error",
      reasonCode: "gateway_fault",
    }],
    [(invocation) => invocation.failed(new ClientGoneError()), { level: "info", outcome: "cancelled" }],
    [(invocation) => invocation.completed("cancelled"), {
      level: "info",
      outcome: "cancelled",
      status: undefined,
    }],
    [(invocation) => {
      invocation.upstreamAnswered(500);
      invocation.completed();
    }, { level: "warn", outcome: "error", status: 500 }],
  ];
  for (const [act, expected] of cases) {
    const completed = (await invoke(call, act)).at(-1) ?? {};
    const seen = Object.fromEntries(
      Object.keys(expected).map((name) => [name, Reflect.get(completed, name)]),
    );
    assert.deepEqual(seen, expected);
    assert.ok(!JSON.stringify(completed).includes("secret"));
  }
});

Deno.test("of a resource the log tells the URI up to its query, and a tool's name as it is (B16 254)", async () => {
  const capability = "docs://a/b?token=canary#x";
  for (const method of ["resources/read", "resources/subscribe"]) {
    const [invoked] = await invoke({ ...call, method, capability }, () => {});
    assert.equal(invoked?.capability, "docs://a/b", method);
  }
  const [invoked] = await invoke({ ...call, capability: "what?" }, () => {});
  assert.equal(invoked?.capability, "what?");
});
