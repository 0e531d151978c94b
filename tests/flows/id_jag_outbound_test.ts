/** Cross-app access: the identity assertion of the login becomes an access token of the upstream, without anybody connecting anything. */
import assert from "node:assert/strict";
import { mcpOAuth, mcpProxy, tokenExchange } from "../../mod.ts";
import { type Harness, type HarnessOptions, startHarness } from "../support/harness.ts";
import { callMcp, obtainTokens, registerClient } from "../support/oauth_flow.ts";
import {
  type ProviderScript,
  type ScriptedProvider,
  startScriptedProvider,
} from "../support/scripted_provider.ts";
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
  /** The provider has ended the user's session. */
  const script = { sessionEnded: false };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const params = new URLSearchParams(await request.text());
    const { pathname: path } = new URL(request.url);
    seen.push({ path, authorization: request.headers.get("authorization"), params });
    if (path === "/idp" && script.sessionEnded) {
      return Response.json({ error: "invalid_grant" }, { status: 400 });
    }
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
  return { seen, script, origin: `http://127.0.0.1:${server.addr.port}`, close: () => server.shutdown() };
}

/** A gateway whose one upstream takes ID-JAGs, and a user of it. */
async function scene(script: ProviderScript = {}) {
  const clock = new FakeClock(Date.now());
  const provider = startScriptedProvider({ clock, script });
  const exchanges = serveExchanges();
  const bearers: (string | null)[] = [];
  const upstream = {
    refuses: false,
    refusesThis: null as ((bearer: string | null) => Promise<boolean>) | null,
  };
  const harness: HarnessOptions = {
    clock,
    upstream: async (request) => {
      const bearer = request.headers.get("authorization");
      bearers.push(bearer);
      const { id } = await request.json();
      if (upstream.refuses || await upstream.refusesThis?.(bearer)) {
        upstream.refuses = false;
        return new Response(null, { status: 401, headers: { "www-authenticate": "Bearer" } });
      }
      return Response.json({ jsonrpc: "2.0", id, result: { content: [] } });
    },
    config: (url) => ({
      oauth: mcpOAuth({ ...oauthOptionsFor(provider), gateway: { accessTokenTtlSeconds: 86_400 } }),
      routes: [mcpProxy("/alpha", {
        operationId: "alpha",
        upstream: url,
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
  };
  const gateway = await startHarness(harness);
  const signIn = async () => {
    const client = await registerClient(gateway);
    return await obtainTokens(gateway, client, { browser: browserBeyond(gateway) });
  };
  const { access_token: token } = await signIn();
  return {
    clock,
    provider,
    exchanges,
    bearers,
    upstream,
    gateway,
    signIn,
    another: () => startHarness({ ...harness, kv: gateway.kv }),
    /** The status and the body of one call. */
    async call(at: Harness = gateway) {
      const answer = await callMcp(at, "/alpha", token);
      return { status: answer.status, body: await answer.json() };
    },
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await provider.close();
      await exchanges.close();
    },
  };
}

function renewals(provider: ScriptedProvider): number {
  return provider.tokenRequests.filter(({ params }) => params.get("grant_type") === "refresh_token").length;
}

Deno.test("a call carries the token that the user's identity assertion was exchanged for, once per lifetime (EM-10)", async () => {
  await using s = await scene();
  for (let count = 0; count < 3; count++) assert.equal((await s.call()).status, 200);
  assert.deepEqual(s.bearers, ["Bearer upstream-1", "Bearer upstream-1", "Bearer upstream-1"]);
  const [first, second, ...others] = s.exchanges.seen;
  assert.deepEqual([first?.path, second?.path, others.length], ["/idp", "/as", 0]);
  assert.equal(first?.params.get("requested_token_type"), "urn:ietf:params:oauth:token-type:id-jag");
  assert.equal(first?.params.get("audience"), "https://as.crm.example");
  assert.equal(first?.params.get("client_secret"), "s");
  assert.match(first?.params.get("subject_token") ?? "", /^ey/);
  assert.equal(second?.params.get("assertion"), "id-jag-1");
  assert.equal(second?.params.get("scope"), "read");
  assert.match(second?.authorization ?? "", /^Basic /);

  // The upstream's own word ends a token early.
  s.upstream.refuses = true;
  assert.equal((await s.call()).status, 200);
  assert.equal(s.bearers.at(-1), "Bearer upstream-2");

  // The assertion has expired, and there is no refresh token of the provider: the user has to sign in again.
  s.clock.advance({ seconds: 600 });
  const { error } = (await s.call()).body;
  assert.equal(error.code, -32042);
  assert.equal(error.data.state, "authenticating");
  assert.equal(error.data.authProfileId, "crm:id-jag");
  assert.ok(!JSON.stringify(s.gateway.events).includes("id-jag-1"));
});

Deno.test("a token that another call has obtained, and that is refused as well, is obtained anew once, and the call succeeds (EM-10, UP-19)", async () => {
  await using s = await scene();
  assert.equal((await s.call()).status, 200);
  const exchanged = () => s.exchanges.seen.filter(({ path }) => path === "/as").length;
  const [waits, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let calls = 0;
  // The first call's refusal comes when another call has met one, too, and gone on.
  s.upstream.refusesThis = async (bearer) => {
    if (bearer !== "Bearer upstream-1") return false;
    if (++calls === 1) {
      waits.resolve();
      await go.promise;
    }
    return true;
  };
  const waiting = s.call();
  await waits.promise;
  assert.equal((await s.call()).status, 200);
  assert.equal(exchanged(), 2);
  s.upstream.refusesThis = (bearer) => Promise.resolve(bearer === "Bearer upstream-2");
  go.resolve();
  assert.equal((await waiting).status, 200);
  assert.deepEqual(s.bearers.slice(-2), ["Bearer upstream-2", "Bearer upstream-3"]);
  assert.equal(exchanged(), 3);

  // Whatever is refused: one exchange for each call, and no more.
  s.upstream.refusesThis = () => Promise.resolve(true);
  const before = s.bearers.length;
  assert.equal((await s.call()).status, 502);
  assert.deepEqual([s.bearers.length - before, exchanged()], [2, 4]);
});

Deno.test("an expired assertion is renewed once for twenty calls of two processes, and each refresh token of the provider is used once (EM-10)", async () => {
  await using s = await scene({ refreshes: true });
  await using second = await s.another();
  for (let round = 1; round <= 3; round++) {
    s.clock.advance({ seconds: 600 });
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => s.call(index % 2 === 0 ? s.gateway : second)),
    );
    assert.deepEqual(
      answers.map(({ status, body }) => [status, body.error]),
      Array(20).fill([200, undefined]),
    );
    assert.equal(renewals(s.provider), round);
  }
});

Deno.test("a renewal whose ID token cannot be used keeps the provider's new refresh token (EM-10)", async () => {
  const faults = [
    // Nobody can verify it just now.
    { jwks: { status: 503 }, header: { kid: "unheard-of" } },
    { idToken: null },
    { subject: "bob" },
  ];
  for (const fault of faults) {
    await using s = await scene({ refreshes: true });
    s.clock.advance({ seconds: 3_600 });
    s.provider.script = { refreshes: true, ...fault };
    const failed = await s.call();
    assert.notEqual(failed.body.error, undefined, JSON.stringify(fault));
    assert.equal(renewals(s.provider), 1);
    s.provider.script = { refreshes: true };
    s.clock.advance({ seconds: 60 });
    assert.equal((await s.call()).body.error, undefined, JSON.stringify(fault));
    assert.equal(renewals(s.provider), 2);
  }
});

Deno.test("a refresh token that the provider does not honour any more is not sent again; signing in mends it (EM-10)", async () => {
  await using s = await scene({ refreshes: true });
  s.clock.advance({ seconds: 3_600 });
  s.provider.script = { token: { status: 400, body: { error: "invalid_grant" } } };
  for (let count = 0; count < 3; count++) {
    assert.equal((await s.call()).body.error?.data?.state, "authenticating");
  }
  assert.equal(renewals(s.provider), 1);
  s.provider.script = {};
  await s.signIn();
  assert.equal((await s.call()).body.error, undefined);
});

Deno.test("a login that brings no refresh token leaves the one that is known (EM-10)", async () => {
  await using s = await scene({ refreshes: true });
  s.provider.script = {};
  await s.signIn();
  s.clock.advance({ seconds: 3_600 });
  assert.equal((await s.call()).body.error, undefined);
  assert.equal(renewals(s.provider), 1);
});

Deno.test("a session that the provider has ended before the assertion's own end: signing in again is what helps (EM-10)", async () => {
  await using s = await scene();
  assert.equal((await s.call()).status, 200);
  s.exchanges.script.sessionEnded = true;
  // The token of before has run out; the assertion has not.
  s.clock.advance({ seconds: 280 });
  assert.equal((await s.call()).body.error?.data?.state, "authenticating");
  s.exchanges.script.sessionEnded = false;
  await s.signIn();
  assert.equal((await s.call()).body.error, undefined);
});
