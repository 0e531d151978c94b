/** Attack corpus B13: an upstream that sends the gateway elsewhere. */
import assert from "node:assert/strict";
import { mcpProxy, setHeaders, upstreamApiKey } from "../../mod.ts";
import { canary, documentHost, Names } from "../support/document_host.ts";
import { callMcp, obtainTokens, registerClient } from "../support/oauth_flow.ts";
import { certificateAuthority } from "../support/tls.ts";
import { type WatchedGateway, watchedGateway, type WatchedOptions } from "./watched_gateway.ts";

const KEY = "upstream-key-canary-0123456789";
const TENANT = "tenant-header-canary-0123456789";

interface Scene {
  readonly gateway: WatchedGateway;
  readonly call: () => Promise<Response>;
}

/** One route with a credential and a header of its own. */
async function scene(
  options: WatchedOptions & { readonly upstreamUrl?: string; readonly followRedirects: boolean },
  test: (scene: Scene) => Promise<void>,
): Promise<void> {
  const { followRedirects, upstreamUrl } = options;
  await using gateway = await watchedGateway({
    expect5xx: [502],
    config: (upstream) => ({
      routes: [mcpProxy("/alpha", {
        operationId: "alpha",
        upstream: upstreamUrl ?? upstream,
        followRedirects,
        policies: [upstreamApiKey({ value: KEY }), setHeaders({ "X-Tenant": TENANT })],
      })],
    }),
    ...options,
  });
  const { access_token } = await obtainTokens(gateway, await registerClient(gateway));
  await test({ gateway, call: () => callMcp(gateway, "/alpha", access_token) });
}

async function assertRefused(response: Response, reason: string, what: string): Promise<void> {
  assert.equal(response.status, 502, what);
  assert.equal(response.headers.get("location"), null, what);
  const { jsonrpc, id, result, error } = await response.json();
  assert.deepEqual([jsonrpc, id, result, error.code], ["2.0", 1, undefined, 5020], what);
  assert.match(
    error.message,
    reason === "upstream_redirected" ? /redirected, which is not followed/ : /may not use/,
    what,
  );
}

const to = (location: string, status = 307) => () => new Response(null, { status, headers: { location } });

Deno.test("no redirect is followed by default, wherever it leads and whatever its status (B13 193)", async () => {
  await using trap = canary();
  await using elsewhere = documentHost();
  const targets = [
    `${elsewhere.origin}/mcp`,
    `http://127.0.0.1:${trap.port}/`,
    `//127.0.0.1:${trap.port}/`,
    "http://169.254.169.254/latest/meta-data/",
    "/elsewhere",
    "https://evil.test/",
  ];
  let location = "";
  let status = 0;
  const upstream = () => to(location, status)();
  await scene({ upstream, followRedirects: false }, async ({ gateway, call }) => {
    for (status of [301, 302, 303, 307, 308]) {
      for (location of targets) {
        await assertRefused(await call(), "upstream_redirected", `${status} ${location}`);
      }
    }
    assert.equal(gateway.upstreamRequests.length, 25 + 5, "one each, and none to the target");
  });
  assert.deepEqual([trap.hits, elsewhere.requests.length], [0, 0]);
});

Deno.test("a followed redirect to another origin takes neither credential nor header of the route along (B13 193)", async () => {
  await using elsewhere = documentHost();
  let arrived: { headers: Headers; method: string; body: string } | null = null;
  elsewhere.answers.set("/mcp", async (request) => {
    arrived = { headers: request.headers, method: request.method, body: await request.text() };
    return Response.json({ jsonrpc: "2.0", id: 1, result: {} });
  });
  await scene(
    { upstream: to(`${elsewhere.origin}/mcp`, 308), followRedirects: true },
    async ({ gateway, call }) => {
      assert.equal((await call()).status, 200);
      const home = gateway.upstreamRequests[0]?.request.headers;
      assert.equal(home?.get("authorization"), `Bearer ${KEY}`, "at home they are sent");
      assert.equal(home?.get("x-tenant"), TENANT);
      assert.ok(arrived);
      const all = JSON.stringify([...arrived.headers]);
      assert.ok(!all.includes("canary"), all);
      assert.equal(arrived.headers.get("authorization"), null);
      assert.deepEqual([arrived.method, arrived.headers.get("user-agent")], ["POST", "sallyport"]);
      assert.equal(arrived.body, gateway.upstreamRequests[0]?.body, "method and body are kept");
    },
  );
});

Deno.test("another port, scheme or case of a host is another origin or the same, as the URL standard says (B13 193)", async () => {
  await scene({
    followRedirects: true,
    upstream: (request) => {
      const url = new URL(request.url);
      if (url.pathname !== "/mcp") return Response.json({ jsonrpc: "2.0", id: 1, result: {} });
      return to(`HTTP://${url.host}/moved`)();
    },
  }, async ({ gateway, call }) => {
    assert.equal((await call()).status, 200);
    assert.equal(gateway.upstreamRequests[1]?.request.headers.get("authorization"), `Bearer ${KEY}`);
  });
});

Deno.test("a followed redirect never leads to a private address (B13 193, B13 197)", async () => {
  await using trap = canary();
  const names = new Names().set("inside.example", ["10.0.0.7"]).set("mixed.example", [
    "93.184.216.34",
    "127.0.0.1",
    "192.168.0.1",
  ]);
  let location = "";
  const upstream = () => to(location)();
  const upstreams = { resolve: names.resolve };
  await scene({ upstream, upstreams, followRedirects: true }, async ({ gateway, call }) => {
    for (
      location of [
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.7/",
        "http://[fd00:ec2::254]/",
        `http://inside.example:${trap.port}/`,
        `http://mixed.example:${trap.port}/`,
        "http://0.0.0.0/",
        "http://168.63.129.16/",
      ]
    ) {
      await assertRefused(await call(), "upstream_address_private", location);
    }
    assert.equal(gateway.upstreamRequests.length, 7, "the upstream itself, each time");
  });
  assert.equal(trap.hits, 0);
});

Deno.test("redirects are followed five times and no further, and never with a name and password (B13 193)", async () => {
  await scene({ upstream: to("/again"), followRedirects: true }, async ({ gateway, call }) => {
    await assertRefused(await call(), "upstream_redirected", "endless");
    assert.equal(gateway.upstreamRequests.length, 6);
  });
  await using trap = canary();
  await scene(
    { upstream: to(`http://user:pass@127.0.0.1:${trap.port}/`), followRedirects: true },
    async ({ call }) => await assertRefused(await call(), "upstream_redirected", "user information"),
  );
  assert.equal(trap.hits, 0);
});

Deno.test("a redirect from https to http is not followed (B13 193)", async () => {
  const authority = await certificateAuthority();
  await using trap = canary();
  await using home = documentHost({ tls: await authority.issue({ names: ["127.0.0.1"] }) });
  home.answers.set("/mcp", to(`http://127.0.0.1:${trap.port}/mcp`));
  await scene({
    upstreamUrl: `${home.origin}/mcp`,
    upstreams: { ca: authority.certificate },
    followRedirects: true,
  }, async ({ call }) => {
    await assertRefused(await call(), "upstream_redirected", "downgrade");
    assert.equal(home.requests.length, 1);
    home.answers.set("/mcp", to(`${home.origin}/moved`));
    home.answers.set("/moved", () => Response.json({ jsonrpc: "2.0", id: 1, result: {} }));
    assert.equal((await call()).status, 200, "within https it is");
  });
  assert.equal(trap.hits, 0);
});
