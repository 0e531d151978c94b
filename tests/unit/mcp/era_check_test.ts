/** Headers against bodies: what has to agree, what may be missing, and who is refused how. */
import assert from "node:assert/strict";
import { checkEra, decodeHeaderValue } from "../../../lib/mcp/era_check.ts";
import { JSON_RPC_CODES, JsonRpcError, parseMessage } from "../../../lib/mcp/json_rpc.ts";

const MODERN = "2026-07-28";
const { headerMismatch, invalidParams, invalidRequest } = JSON_RPC_CODES;

/** What the check says: the code of its refusal, or `null`. */
function verdict(headers: Readonly<Record<string, string>>, message: unknown): number | null {
  const { message: parsed } = parseMessage(JSON.stringify(message));
  try {
    checkEra(new Headers(headers), parsed);
    return null;
  } catch (error) {
    assert.ok(error instanceof JsonRpcError, String(error));
    assert.equal(error.status, 400);
    assert.equal(error.id, parsed.id);
    return error.code;
  }
}

function modern(method: string, params: Record<string, unknown> = {}, version = MODERN) {
  const _meta = {
    "io.modelcontextprotocol/protocolVersion": version,
    "io.modelcontextprotocol/clientCapabilities": {},
  };
  return { jsonrpc: "2.0", id: 3, method, params: { ...params, _meta } };
}

function headersOf(method: string, name?: string, version = MODERN): Record<string, string> {
  return {
    "mcp-protocol-version": version,
    "mcp-method": method,
    ...(name === undefined ? {} : { "mcp-name": name }),
  };
}

const NAMED: readonly (readonly [string, string])[] = [
  ["tools/call", "name"],
  ["prompts/get", "name"],
  ["resources/read", "uri"],
  ["tasks/get", "taskId"],
  ["tasks/update", "taskId"],
  ["tasks/cancel", "taskId"],
];

Deno.test("a modern request repeats version, method and name in its headers, or is -32020 (TR-09, B13 201)", () => {
  assert.equal(verdict(headersOf("tools/list"), modern("tools/list")), null);
  assert.equal(verdict({ "mcp-protocol-version": MODERN }, modern("tools/list")), headerMismatch);
  assert.equal(verdict({ "mcp-method": "tools/list" }, modern("tools/list")), headerMismatch);
  assert.equal(verdict(headersOf("tools/call"), modern("tools/list")), headerMismatch);
  assert.equal(verdict(headersOf("Tools/List"), modern("tools/list")), headerMismatch);
  assert.equal(
    verdict(headersOf("tools/list", undefined, "2025-11-25"), modern("tools/list")),
    headerMismatch,
  );
  for (const [method, param] of NAMED) {
    const body = modern(method, { [param]: "a/b" });
    assert.equal(verdict(headersOf(method, "a/b"), body), null, method);
    assert.equal(
      verdict(headersOf(method, "A/b"), body),
      headerMismatch,
      `${method}: values are case-sensitive`,
    );
    assert.equal(verdict(headersOf(method, "bar"), body), headerMismatch, method);
    assert.equal(verdict(headersOf(method), body), headerMismatch, `${method}: missing`);
    assert.equal(verdict(headersOf(method, "a/b, a/b"), body), headerMismatch, `${method}: sent twice`);
    // The other methods' parameters are not the ones that count.
    const decoy = modern(method, { name: "x", uri: "x", taskId: "x", [param]: "a/b" });
    assert.equal(verdict(headersOf(method, "x"), decoy), headerMismatch, method);
  }
});

Deno.test("a body without the name is the upstream's to refuse, unless the header names something (TR-09)", () => {
  for (const [method, param] of NAMED) {
    for (const params of [{}, { [param]: 5 }, { [param]: null }]) {
      assert.equal(verdict(headersOf(method), modern(method, params)), null, method);
      assert.equal(verdict(headersOf(method, "5"), modern(method, params)), headerMismatch, method);
    }
  }
  // Other methods have no name to repeat; the SDKs send none, and servers look at none.
  assert.equal(verdict(headersOf("tools/list", "x"), modern("tools/list")), null);
  assert.equal(verdict(headersOf("constructor", "x"), modern("constructor")), null);
});

Deno.test("names are compared decoded; what is not decodable is refused (TR-10)", () => {
  const base64 = (text: string) => `=?base64?${new TextEncoder().encode(text).toBase64()}?=`;
  const call = (name: string) => modern("tools/call", { name });
  for (const name of ["größe", "日本語", " spaced ", "", "=?base64?eA==?=", "tab\there", "😀"]) {
    assert.equal(verdict(headersOf("tools/call", base64(name)), call(name)), null, name);
    assert.equal(verdict(headersOf("tools/call", base64(`${name}x`)), call(name)), headerMismatch, name);
  }
  assert.equal(verdict(headersOf("tools/call", base64("echo")), call("echo")), null, "needless, but right");
  for (
    const invalid of [
      "=?base64?ZWNobw?=", // no padding
      "=?base64?ZWN obw==?=",
      "=?base64?Z-No_w==?=", // base64url
      "=?base64?!!!!?=",
      "=?base64?/w==?=", // no UTF-8
      "=?BASE64?ZWNobw==?=",
      "=?base64?ZWNobw==",
      "echo\u00e9",
    ]
  ) {
    assert.equal(verdict(headersOf("tools/call", invalid), call("echo")), headerMismatch, invalid);
  }
  assert.equal(decodeHeaderValue("caf\u00e9"), null, "bytes outside ASCII have to be encoded, equal or not");
  assert.equal(verdict(headersOf("tools/call", "caf\u00e9"), call("caf\u00e9")), headerMismatch);
  assert.equal(decodeHeaderValue("plain =? text ?="), "plain =? text ?=");
});

Deno.test("header names are matched in any case (TR-10)", () => {
  const headers = { "MCP-PROTOCOL-VERSION": MODERN, "mCP-mETHOD": "tools/call", "Mcp-name": "echo" };
  assert.equal(verdict(headers, modern("tools/call", { name: "echo" })), null);
});

Deno.test("a modern request without client capabilities, and a modern header without a version in the body, are -32602 (TR-05, TR-12)", () => {
  const bare = { jsonrpc: "2.0", id: 3, method: "tools/list" };
  for (const params of [undefined, {}, { _meta: {} }]) {
    assert.equal(verdict(headersOf("tools/list"), { ...bare, params }), invalidParams);
  }
  for (const capabilities of [undefined, null, "all", []]) {
    const _meta = {
      "io.modelcontextprotocol/protocolVersion": MODERN,
      "io.modelcontextprotocol/clientCapabilities": capabilities,
    };
    assert.equal(verdict(headersOf("tools/list"), { ...bare, params: { _meta } }), invalidParams);
  }
});

Deno.test("a modern notification needs no headers, but those that come must agree (TR-06, B13 201)", () => {
  const { id: _, ...note } = modern("notifications/x");
  assert.equal(verdict({}, note), null);
  assert.equal(verdict(headersOf("notifications/x"), note), null);
  assert.equal(verdict(headersOf("notifications/y"), note), headerMismatch);
  assert.equal(verdict({ "mcp-protocol-version": "2025-11-25" }, note), headerMismatch);
  const bare = { jsonrpc: "2.0", method: "notifications/x" };
  assert.equal(verdict(headersOf("notifications/x"), bare), null, "it has nowhere to say more");
});

Deno.test("a later revision may require other headers; what comes must agree all the same (TR-13)", () => {
  const body = modern("tools/call", { name: "echo" }, "2027-01-01");
  assert.equal(verdict({}, body), null);
  assert.equal(verdict(headersOf("tools/call", "echo", "2027-01-01"), body), null);
  assert.equal(verdict(headersOf("tools/call", "other", "2027-01-01"), body), headerMismatch);
  assert.equal(verdict(headersOf("tools/call", "echo"), body), headerMismatch);
});

Deno.test("a legacy body is not held to modern headers (TR-23)", () => {
  const body = { jsonrpc: "2.0", id: 3, method: "tools/call", params: { name: "echo" } };
  for (const version of [{}, { "mcp-protocol-version": "2025-11-25" }]) {
    assert.equal(verdict({ ...version, "mcp-method": "tools/list", "mcp-name": "other" }, body), null);
  }
});

Deno.test("a batch is for 2025-03-26, named or assumed, and for no other revision (TR-24, TR-30, B13 199)", () => {
  const batch = [{ jsonrpc: "2.0", id: 1, method: "ping" }];
  assert.equal(verdict({}, batch), null);
  assert.equal(verdict({ "mcp-protocol-version": "2025-03-26" }, batch), null);
  for (const version of ["2024-11-05", "2025-06-18", "2025-11-25", MODERN, "", "x"]) {
    assert.equal(verdict({ "mcp-protocol-version": version }, batch), invalidRequest, version);
  }
});
