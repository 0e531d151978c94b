/** Attack corpus B16 on MCP routes: what is logged of hostile requests, under which names, and that nothing can be forged into it. */
import assert from "node:assert/strict";
import { mcpProxy } from "../../mod.ts";
import { callMcp, obtainTokens, registerClient } from "../support/oauth_flow.ts";
import { type WatchedGateway, watchedGateway } from "./watched_gateway.ts";

const NAMES = [
  'a\r\n{"event":"mcp_auth_downstream_token_issued","level":"info"}',
  "\u001b[2J\u001b[31mred\u001b]0;title\u0007",
  '","event":"forged","x":"',
  "\u2028\u2029\u0085",
  "\u202egnp.exe",
  "x".repeat(1_000_000),
];

Deno.test("names of tools and methods that a client makes up stay in their field, cut to size (B16 256)", async () => {
  await using gateway = await watchedGateway();
  const { access_token } = await obtainTokens(gateway, await registerClient(gateway));
  for (const name of NAMES) {
    for (
      const message of [
        { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name } },
        { jsonrpc: "2.0", id: 1, method: name },
      ]
    ) {
      const before = gateway.events.length;
      await callMcp(gateway, "/alpha", access_token, { message, headers: { "user-agent": "\u00e9\u00ff" } });
      const told = gateway.events.slice(before);
      const field = message.method === name ? "mcpMethod" : "capability";
      assert.deepEqual(told.map(({ event }) => event), [
        "mcp_capability_invoked",
        "mcp_capability_completed",
      ]);
      for (const event of told) {
        assert.equal(event[field], name.length > 256 ? `${name.slice(0, 256)}…` : name);
        assert.ok(JSON.stringify(event).length < 4_000);
      }
    }
  }
  for (const path of NAMES.map((name) => `/x?${encodeURIComponent(name.slice(0, 5000))}`)) {
    await callMcp(gateway, path, access_token);
  }
  assert.ok(!gateway.events.some(({ event }) => String(event) === "forged"));
});

interface Provocation {
  readonly event: string;
  readonly reasonCode: string;
  readonly status: number;
  readonly act: (gateway: WatchedGateway, token: string) => Promise<Response>;
}

const call = (options: Parameters<typeof callMcp>[3]): Provocation["act"] => (gateway, token) =>
  callMcp(gateway, "/alpha", token, options);

const SECRET = "canary-of-the-request";

const PROVOCATIONS: readonly Provocation[] = [
  {
    event: "mcp_session_refused",
    reasonCode: "session_of_another_or_unknown",
    status: 404,
    act: call({ headers: { "mcp-session-id": SECRET } }),
  },
  {
    event: "http_request_refused",
    reasonCode: "origin_not_allowed",
    status: 403,
    act: call({ headers: { origin: `https://${SECRET}.test` } }),
  },
  {
    event: "http_request_refused",
    reasonCode: "body_not_json",
    status: 400,
    act: call({ message: `{${SECRET}` }),
  },
  {
    event: "http_request_refused",
    reasonCode: "json_duplicate_key",
    status: 400,
    act: call({ message: `{"jsonrpc":"2.0","id":1,"method":"ping","${SECRET}":1,"${SECRET}":2}` }),
  },
  {
    event: "http_request_refused",
    reasonCode: "body_too_large",
    status: 413,
    act: call({ message: { jsonrpc: "2.0", id: 1, method: "ping", params: { text: SECRET.repeat(1000) } } }),
  },
  {
    event: "http_request_refused",
    reasonCode: "content_type_unsupported",
    status: 415,
    act: call({ headers: { "content-type": `text/${SECRET}` } }),
  },
  {
    event: "http_request_refused",
    reasonCode: "method_not_allowed",
    status: 405,
    act: call({ method: "PUT" }),
  },
  {
    event: "mcp_upstream_unreachable",
    reasonCode: "upstream_redirected",
    status: 502,
    act: call({ message: { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "redirect" } } }),
  },
];

Deno.test("what is refused at an MCP route is told under a stable name, with ids and a reason, and nothing of what was sent (B16 257)", async () => {
  await using gateway = await watchedGateway({
    expect5xx: [502],
    upstream: () => new Response(null, { status: 307, headers: { location: `https://${SECRET}.test/` } }),
    config: (upstream) => ({
      limits: { bodyBytes: 10_000 },
      routes: [mcpProxy("/alpha", { operationId: "alpha", upstream })],
    }),
  });
  const client = await registerClient(gateway);
  const { access_token } = await obtainTokens(gateway, client);
  const { clientId } = client;
  const issued = gateway.events.find(({ event }) => event === "mcp_auth_downstream_token_issued");
  const subjectId = issued?.subjectId;
  assert.equal(typeof subjectId, "string");
  for (const { event, reasonCode, status, act } of PROVOCATIONS) {
    const before = gateway.events.length;
    const response = await act(gateway, access_token);
    assert.equal(response.status, status, reasonCode);
    const requestId = response.headers.get("x-request-id");
    const told = gateway.events.slice(before).filter((each) => each.event === event);
    assert.deepEqual(
      told.map((each) => [each.level, each.reasonCode, each.status, each.path, each.requestId]),
      [["warn", reasonCode, status, "/alpha", requestId]],
      reasonCode,
    );
    // Of a page that may not call, nobody has asked who it is.
    const who = reasonCode === "origin_not_allowed" ? [undefined, undefined] : [subjectId, clientId];
    assert.deepEqual(told.map((each) => [each.operationId, each.subjectId, each.clientId]), [[
      "alpha",
      ...who,
    ]]);
  }
  const log = JSON.stringify(gateway.events);
  assert.ok(!log.includes(SECRET) && !log.includes(access_token));
});
