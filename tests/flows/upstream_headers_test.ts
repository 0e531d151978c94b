/** `upstreamApiKey` and `setHeaders` as an upstream receives them, whatever the client sends under the same names. */
import assert from "node:assert/strict";
import { mcpProxy, type RoutePolicy, setHeaders, upstreamApiKey } from "../../mod.ts";
import { watchedGateway } from "../security/watched_gateway.ts";
import { callMcp, obtainTokens, registerClient } from "../support/oauth_flow.ts";
import { rawUpstream } from "../support/raw_upstream.ts";

const FORMS: readonly (readonly [readonly RoutePolicy[], Readonly<Record<string, string>>])[] = [
  [[], {}],
  [[upstreamApiKey({ value: "k-1" })], { authorization: "Bearer k-1" }],
  [[upstreamApiKey({ value: "k-2", prefix: "Token" })], { authorization: "Token k-2" }],
  [[upstreamApiKey({ value: "k-3", header: "X-Api-Key" })], { "x-api-key": "k-3" }],
  [[upstreamApiKey({ value: "k-4", header: "X-Api-Key", prefix: "Key" })], { "x-api-key": "Key k-4" }],
  [[upstreamApiKey({ value: "k-5", header: "Cookie" })], { cookie: "k-5" }],
  [
    [setHeaders({ "X-Team": "search", Authorization: "Basic dTpw" }), setHeaders({ "X-Plan": "a, b" })],
    { "x-team": "search", "x-plan": "a, b", authorization: "Basic dTpw" },
  ],
  [[setHeaders({ "User-Agent": "ours/1.0" })], { "user-agent": "ours/1.0" }],
];

/** What a client may try to put in their place. */
const FORGED = ["x-api-key", "cookie", "x-team", "x-plan", "user-agent"];

Deno.test("a key and headers of a route arrive in every form, once, and no client's in their place (B13 188, TR-04)", async () => {
  await using upstream = rawUpstream();
  await using gateway = await watchedGateway({
    paths: FORMS.map((_, index) => `/mcp/${index}`),
    config: () => ({
      routes: FORMS.map(([policies], index) =>
        mcpProxy(`/mcp/${index}`, {
          operationId: `form-${index}`,
          upstream: upstream.url,
          policies: [...policies],
        })
      ),
    }),
  });
  const client = await registerClient(gateway);
  for (const [index, [, expected]] of FORMS.entries()) {
    const changes = { resource: `${gateway.origin}/mcp/${index}` };
    const { access_token } = await obtainTokens(gateway, client, { changes });
    const headers = Object.fromEntries(FORGED.map((name) => [name, "of-the-client"]));
    assert.equal((await callMcp(gateway, `/mcp/${index}`, access_token, { headers })).status, 200);
    const arrived = upstream.requests.at(-1)?.headers ?? [];
    const got = Object.fromEntries(arrived);
    for (const name of ["authorization", ...FORGED]) {
      const wanted = expected[name] ?? (name === "user-agent" ? "sallyport" : undefined);
      assert.equal(got[name], wanted, `form ${index}: ${name}`);
    }
    assert.equal(arrived.length, new Set(arrived.map(([name]) => name)).size, `form ${index}: each once`);
    assert.ok(!JSON.stringify(arrived).includes("of-the-client"));
  }
});
