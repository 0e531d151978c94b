/** Cross-app access: the identity assertion of the login becomes an access token of the upstream, without anybody connecting anything. */
import assert from "node:assert/strict";
import { mcpOAuth, mcpProxy, tokenExchange } from "../../mod.ts";
import { startHarness } from "../support/harness.ts";
import { callMcp, obtainTokens, registerClient } from "../support/oauth_flow.ts";
import { startScriptedProvider } from "../support/scripted_provider.ts";
import { browserBeyond, oauthOptionsFor } from "../support/test_provider.ts";
import { FakeClock } from "../support/fake_clock.ts";

interface Exchange {
  readonly path: string;
  readonly authorization: string | null;
  readonly params: URLSearchParams;
}

/** The exchange endpoint of the identity provider, and the upstream's authorization server. */
function serveExchanges() {
  const seen: Exchange[] = [];
  let answers = 0;
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const params = new URLSearchParams(await request.text());
    const { pathname: path } = new URL(request.url);
    seen.push({ path, authorization: request.headers.get("authorization"), params });
    if (path === "/idp") {
      return Response.json({
        access_token: `id-jag-${seen.length}`,
        issued_token_type: "urn:ietf:params:oauth:token-type:id-jag",
        token_type: "N_A",
        expires_in: 300,
      });
    }
    return Response.json({ access_token: `upstream-${++answers}`, token_type: "Bearer", expires_in: 300 });
  });
  return { seen, origin: `http://127.0.0.1:${server.addr.port}`, close: () => server.shutdown() };
}

Deno.test("a call carries the token that the user's identity assertion was exchanged for, once per lifetime (EM-10)", async () => {
  const clock = new FakeClock(Date.now());
  await using provider = startScriptedProvider({ clock });
  const exchanges = serveExchanges();
  const bearers: (string | null)[] = [];
  let refuse = false;
  await using gateway = await startHarness({
    clock,
    upstream: async (request) => {
      bearers.push(request.headers.get("authorization"));
      const { id } = await request.json();
      if (refuse) {
        refuse = false;
        return new Response(null, { status: 401, headers: { "www-authenticate": "Bearer" } });
      }
      return Response.json({ jsonrpc: "2.0", id, result: { content: [] } });
    },
    config: (upstream) => ({
      oauth: mcpOAuth(oauthOptionsFor(provider)),
      routes: [mcpProxy("/alpha", {
        operationId: "alpha",
        upstream,
        policies: [tokenExchange({
          id: "crm",
          displayName: "CRM",
          authMode: "id-jag",
          idJag: {
            scopes: ["read"],
            idp: {
              tokenUrl: `${exchanges.origin}/idp`,
              clientAuth: { method: "client_secret_post", clientId: "gateway", clientSecret: "s" },
            },
            resourceAs: {
              tokenUrl: `${exchanges.origin}/as`,
              audience: "https://as.crm.example",
              resource: "https://crm.example/mcp",
              clientAuth: { method: "client_secret_basic", clientId: "gw", clientSecret: "t" },
            },
          },
        })],
      })],
    }),
  });
  try {
    const client = await registerClient(gateway);
    const tokens = await obtainTokens(gateway, client, { browser: browserBeyond(gateway) });
    for (let count = 0; count < 3; count++) {
      const answer = await callMcp(gateway, "/alpha", tokens.access_token);
      assert.equal(answer.status, 200);
      await answer.body?.cancel();
    }
    assert.deepEqual(bearers, ["Bearer upstream-1", "Bearer upstream-1", "Bearer upstream-1"]);
    const [first, second, ...others] = exchanges.seen;
    assert.deepEqual([first?.path, second?.path, others.length], ["/idp", "/as", 0]);
    assert.equal(first?.params.get("requested_token_type"), "urn:ietf:params:oauth:token-type:id-jag");
    assert.equal(first?.params.get("audience"), "https://as.crm.example");
    assert.equal(first?.params.get("client_secret"), "s");
    assert.match(first?.params.get("subject_token") ?? "", /^ey/);
    assert.equal(second?.params.get("assertion"), "id-jag-1");
    assert.equal(second?.params.get("scope"), "read");
    assert.match(second?.authorization ?? "", /^Basic /);

    // The upstream's own word ends a token early.
    refuse = true;
    const again = await callMcp(gateway, "/alpha", tokens.access_token);
    assert.equal(again.status, 200);
    await again.body?.cancel();
    assert.equal(bearers.at(-1), "Bearer upstream-2");

    // The assertion has expired, and there is no refresh token of the provider: the user has to sign in again.
    clock.advance({ seconds: 600 });
    const expired = await callMcp(gateway, "/alpha", tokens.access_token);
    const { error } = await expired.json();
    assert.equal(error.code, -32042);
    assert.equal(error.data.state, "authenticating");
    assert.equal(error.data.authProfileId, "crm:id-jag");
    assert.ok(!JSON.stringify(gateway.events).includes("id-jag-1"));
  } finally {
    await exchanges.close();
  }
});
