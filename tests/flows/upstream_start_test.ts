/** `main.ts` and its upstreams: what the start tells of their names, and how an operator's own proxy is used. */
import assert from "node:assert/strict";
import { rawHost, writeAll } from "../support/document_host.ts";
import { askableProcess, startGateway } from "../support/gateway_process.ts";
import { callMcp, obtainTokens, registerClient } from "../support/oauth_flow.ts";

const config = (upstream: string, options = "") => `
  import { defineGateway, mcpDevOAuth, mcpProxy } from "@sallyport/gateway";
  export default defineGateway({
    oauth: mcpDevOAuth(),
    routes: [mcpProxy("/alpha", { operationId: "alpha", upstream: "${upstream}", ${options} })],
  });`;

Deno.test("the start tells of an upstream whose name does not resolve, and goes on (B13 197, F21)", async () => {
  const gateway = await startGateway({ config: config("https://no-such-name.invalid/mcp") });
  try {
    const { operationId, reasonCode, level } = await gateway.waitForEvent("mcp_upstream_address_refused");
    assert.deepEqual([operationId, reasonCode, level], ["alpha", "upstream_name_unresolved", "warn"]);
    using flow = askableProcess(gateway);
    const { access_token } = await obtainTokens(flow, await registerClient(flow));
    const refused = await callMcp(flow, "/alpha", access_token);
    assert.equal(refused.status, 502);
    assert.match((await refused.json()).error.message, /could not be found/);
  } finally {
    await gateway.stop();
  }
});

Deno.test("a name that only an operator's proxy knows needs allowPrivateNetwork, and is then asked through the proxy", async () => {
  const asked: string[] = [];
  await using proxy = rawHost(async (connection) => {
    const buffer = new Uint8Array(16_384);
    for (let size = await connection.read(buffer); size !== null; size = await connection.read(buffer)) {
      asked.push(new TextDecoder().decode(buffer.subarray(0, size)));
      const body = '{"jsonrpc":"2.0","id":1,"result":{"by":"the proxy"}}';
      await writeAll(
        connection,
        `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
    }
  });
  const env = { HTTP_PROXY: `http://127.0.0.1:${proxy.port}`, NO_PROXY: "127.0.0.1" };
  for (const [options, status] of [["", 502], ["allowPrivateNetwork: true", 200]] as const) {
    const gateway = await startGateway({ config: config("http://mcp.inside.invalid/mcp", options), env });
    try {
      using flow = askableProcess(gateway);
      const { access_token } = await obtainTokens(flow, await registerClient(flow));
      const response = await callMcp(flow, "/alpha", access_token);
      assert.equal(response.status, status, options);
      const body = await response.json();
      assert.equal(body.result?.by, status === 200 ? "the proxy" : undefined);
      assert.equal(asked.length, status === 200 ? 1 : 0);
    } finally {
      await gateway.stop();
    }
  }
  assert.match(asked[0] ?? "", /^POST http:\/\/mcp\.inside\.invalid\/mcp HTTP\/1\.1\r\n/);
});
