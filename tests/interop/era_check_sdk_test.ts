/** The gateway's check of modern headers against the SDK's own server: what the one lets pass, so does the other. */
import assert from "node:assert/strict";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { checkEra } from "../../lib/mcp/era_check.ts";
import { JsonRpcError, parseMessage } from "../../lib/mcp/json_rpc.ts";
import { MODERN_VERSION, modernMessage } from "../support/modern_message.ts";

/** Numbers that are the same in every run (mulberry32). */
function generator(seed: number): <T>(choices: readonly T[]) => T {
  return (choices) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    const index = ((mixed ^ (mixed >>> 14)) >>> 0) % choices.length;
    return choices[index] as (typeof choices)[number]; // in range, by the remainder
  };
}

const base64 = (text: string) => `=?base64?${new TextEncoder().encode(text).toBase64()}?=`;

const METHODS = [
  "tools/call",
  "prompts/get",
  "resources/read",
  "tasks/get",
  "tasks/cancel",
  "tools/list",
  "server/discover",
  "toString",
] as const;
const PARAMS = ["name", "uri", "taskId"] as const;
const NAMES = [
  "echo",
  "Echo",
  "größe",
  "日本",
  "",
  " x ",
  "a/b?c",
  "=?base64?ZQ==?=",
  "=?base64?",
  "1",
] as const;
const VERSIONS = [MODERN_VERSION, "2025-11-25", "2026-07-29"] as const;

/** How a header may stand to what the body says. */
const FORMS: readonly ((name: string) => string | null)[] = [
  (name) => /^[\x21-\x7e]+$/.test(name) ? name : base64(name),
  base64,
  (name) => base64(`${name}!`),
  (name) => base64(name).replace("==", ""),
  (name) => base64(name).toUpperCase(),
  (name) => base64(name).replace("?=", "? ="),
  () => "other",
  () => null,
];

/** Whether the SDK's server answers -32020. */
async function sdkRefuses(
  handler: ReturnType<typeof createMcpHandler>,
  headers: Record<string, string>,
  body: string,
): Promise<boolean> {
  const response = await handler.fetch(
    new Request("http://127.0.0.1/mcp", {
      method: "POST",
      body,
      headers: {
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        ...headers,
      },
    }),
  );
  const text = await response.text();
  return response.status === 400 && text.includes("-32020");
}

function gatewayRefuses(headers: Record<string, string>, body: string): boolean {
  try {
    checkEra(new Headers(headers), parseMessage(body).message);
    return false;
  } catch (error) {
    assert.ok(error instanceof JsonRpcError && error.code === -32020, String(error));
    return true;
  }
}

Deno.test("headers that the SDK's server takes are taken, those that it refuses are refused, 2,000 times (TR-09, TR-10)", async () => {
  const pick = generator(20260728);
  const server = () =>
    new McpServer({ name: "oracle", version: "1" }, {
      capabilities: { tools: {}, prompts: {}, resources: {} },
    });
  const handler = createMcpHandler(server, { legacy: "reject" });
  const refused = [0, 0];
  for (let round = 0; round < 2000; round++) {
    const method = pick(METHODS);
    const name = pick(NAMES);
    const params = { [pick(PARAMS)]: name, [pick(PARAMS)]: pick(NAMES) };
    const { message } = modernMessage(method, params);
    const mirrored = pick(FORMS)(name);
    const version = pick([MODERN_VERSION, MODERN_VERSION, MODERN_VERSION, ...VERSIONS, null]);
    const named = pick([method, method, method, method, pick(METHODS), null]);
    const headers = {
      ...(mirrored === null ? {} : { "mcp-name": mirrored }),
      ...(version === null ? {} : { "mcp-protocol-version": version }),
      ...(named === null ? {} : { "mcp-method": named }),
    };
    const body = JSON.stringify(message);
    const [sdks, ours] = [await sdkRefuses(handler, headers, body), gatewayRefuses(headers, body)];
    refused[Number(ours)]!++;
    // The one difference: a name in the header of a request that names nothing is refused here, and there a fault of the request.
    if (ours && !sdks && namesNothing(method, message.params)) continue;
    assert.equal(ours, sdks, JSON.stringify({ method, params, headers }));
  }
  await handler.close();
  assert.ok(refused.every((count) => count > 200), `${refused}`);
});

/** Whether a request lacks the parameter that its method wants repeated. */
function namesNothing(method: string, params: Readonly<Record<string, unknown>>): boolean {
  const wanted = method.startsWith("tasks/") ? "taskId" : method === "resources/read" ? "uri" : "name";
  return !(wanted in params);
}
