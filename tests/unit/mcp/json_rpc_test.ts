/** What counts as a JSON-RPC message, and how the gateway's own errors look. */
import assert from "node:assert/strict";
import { errorBody, JSON_RPC_CODES, JsonRpcError, parseMessage } from "../../../lib/mcp/json_rpc.ts";

const parse = (value: unknown) =>
  parseMessage(new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value))).message;

function refused(body: string | Uint8Array, code: number, reason: string): void {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  assert.throws(() => parseMessage(bytes), (error: unknown) => {
    assert.ok(error instanceof JsonRpcError);
    assert.deepEqual([error.code, error.status, error.reason, error.id], [code, 400, reason, null]);
    return true;
  });
}

Deno.test("a request, a notification and an answer are told apart (TR-06, TR-28)", () => {
  const base = { jsonrpc: "2.0" };
  assert.deepEqual(
    parse({ ...base, id: 1, method: "tools/call", params: { name: "echo", arguments: { uri: "x" } } }),
    {
      kind: "request",
      id: 1,
      method: "tools/call",
      capability: "echo",
      modern: null,
      sessionElicitsUrls: null,
      elements: [],
    },
  );
  assert.deepEqual(parse({ ...base, id: "a", method: "resources/read", params: { uri: "file:///x" } }), {
    kind: "request",
    id: "a",
    method: "resources/read",
    capability: "file:///x",
    modern: null,
    sessionElicitsUrls: null,
    elements: [],
  });
  assert.equal(parse({ ...base, method: "notifications/initialized" }).kind, "notification");
  assert.equal(parse({ ...base, id: 1, result: {} }).kind, "response");
  assert.equal(parse({ ...base, id: 1, error: { code: 1, message: "m" } }).kind, "response");
  assert.equal(parse({ ...base, id: null, error: { code: -32700, message: "m" } }).kind, "response");
});

Deno.test("only a name that is a string is one", () => {
  for (const params of [null, [], "x", 1, { name: 1 }, { name: { toString: "echo" } }, {}]) {
    assert.equal(parse({ jsonrpc: "2.0", id: 1, method: "tools/call", params }).capability, null);
  }
});

Deno.test("what a message is about is what its method knows, whatever else it carries", () => {
  const both = { name: "decoy", uri: "file:///x" };
  const about = (method: string) => parse({ jsonrpc: "2.0", id: 1, method, params: both }).capability;
  assert.deepEqual(["resources/read", "resources/subscribe"].map(about), ["file:///x", "file:///x"]);
  assert.deepEqual(["tools/call", "prompts/get"].map(about), ["decoy", "decoy"]);
});

Deno.test("an id that MCP does not allow is refused (B13 200)", () => {
  for (const id of ["null", "true", "{}", "[1]", "1e400", "-1e400"]) {
    refused(
      `{"jsonrpc":"2.0","id":${id},"method":"x"}`,
      JSON_RPC_CODES.invalidRequest,
      "body_not_json_rpc",
    );
  }
});

Deno.test("a list of messages is a batch, and an empty or mixed one is nothing (B13 199, TR-30)", () => {
  const batch = parse([
    { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "echo" } },
    { jsonrpc: "2.0", method: "notifications/initialized" },
    { jsonrpc: "2.0", id: 2, result: {} },
  ]);
  assert.equal(batch.kind, "batch");
  assert.deepEqual(batch.elements.map(({ kind, id, capability }) => [kind, id, capability]), [
    ["request", 1, "echo"],
    ["notification", null, null],
    ["response", 2, null],
  ]);
  for (
    const list of [
      "[]",
      "[1]",
      '[{"jsonrpc":"2.0","id":1,"method":"x"},null]',
      "[[]]",
      '[[{"jsonrpc":"2.0","id":1,"method":"x"}]]',
      '[{"jsonrpc":"2.0","id":1,"method":"x"},{"jsonrpc":"2.0"}]',
      '[{"jsonrpc":"2.0","id":null,"method":"x"}]',
      '[{"id":1,"method":"x"}]',
    ]
  ) {
    refused(list, JSON_RPC_CODES.invalidRequest, "body_not_json_rpc");
  }
});

Deno.test("a batch has a hundred messages at most, and none that decides an era (B13 199, TR-30)", () => {
  const ping = { jsonrpc: "2.0", id: 1, method: "ping" };
  assert.equal(parse(Array(100).fill(ping)).elements.length, 100);
  for (const many of [101, 10_000]) {
    refused(JSON.stringify(Array(many).fill(ping)), JSON_RPC_CODES.invalidRequest, "batch_too_large");
  }
  const modern = { _meta: { "io.modelcontextprotocol/protocolVersion": "2026-07-28" } };
  for (
    const element of [
      { ...ping, method: "initialize" },
      { ...ping, params: modern },
      { jsonrpc: "2.0", method: "notifications/x", params: modern },
    ]
  ) {
    refused(JSON.stringify([ping, element]), JSON_RPC_CODES.invalidRequest, "batch_element_refused");
  }
});

Deno.test("a protocol version that is no string decides no era and is refused (TR-05, TR-12)", () => {
  for (const version of [null, 20260728, {}, ["2026-07-28"]]) {
    const params = { _meta: { "io.modelcontextprotocol/protocolVersion": version } };
    assert.throws(() => parse({ jsonrpc: "2.0", id: 4, method: "tools/list", params }), {
      code: JSON_RPC_CODES.invalidParams,
      status: 400,
      id: 4,
    });
  }
});

Deno.test("what is no JSON in UTF-8 is a parse error (B13 200, TR-01)", () => {
  for (const body of ["", "{", "undefined", "{'a':1}", '{"a":1}{"b":2}', "\u0000"]) {
    refused(body, JSON_RPC_CODES.parseError, "body_not_json");
  }
  refused(Uint8Array.of(0x22, 0xff, 0x22), JSON_RPC_CODES.parseError, "body_not_json");
  refused(Uint8Array.of(0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00), JSON_RPC_CODES.parseError, "body_not_json");
});

Deno.test("JSON that is no JSON-RPC message is an invalid request", () => {
  for (
    const body of [
      "null",
      "1",
      '"x"',
      "{}",
      '{"jsonrpc":"1.0","method":"x"}',
      '{"jsonrpc":"2.0"}',
      '{"jsonrpc":"2.0","id":1}',
      '{"jsonrpc":"2.0","id":1,"method":5}',
      '{"method":"x","id":1}',
    ]
  ) refused(body, JSON_RPC_CODES.invalidRequest, "body_not_json_rpc");
});

Deno.test("a message as deep as a body allows neither hangs nor crashes (B13 200)", () => {
  const deep = `{"jsonrpc":"2.0","id":1,"method":"x","params":${"[".repeat(50_000)}${"]".repeat(50_000)}}`;
  try {
    assert.equal(parse(deep).method, "x");
  } catch (error) {
    assert.ok(error instanceof JsonRpcError);
  }
  const proto = parse(
    '{"jsonrpc":"2.0","id":1,"method":"x","__proto__":{"method":"y"},"params":{"__proto__":{"name":"z"}}}',
  );
  assert.deepEqual([proto.method, proto.capability], ["x", null]);
});

Deno.test("`errorBody()` is a JSON-RPC error, with data only if there is some", () => {
  const text = (data?: unknown) =>
    new TextDecoder().decode(errorBody({ id: "a", code: -32000, message: 'say "ü"', data }));
  assert.deepEqual(JSON.parse(text()), {
    jsonrpc: "2.0",
    id: "a",
    error: { code: -32000, message: 'say "ü"' },
  });
  assert.deepEqual(JSON.parse(text({ x: 1 })).error.data, { x: 1 });
});
