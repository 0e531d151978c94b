/** Attack corpus B13: an upstream whose name leads where the gateway may not go. */
import assert from "node:assert/strict";
import { mcpProxy, upstreamApiKey } from "../../mod.ts";
import { Names } from "../support/document_host.ts";
import { callMcp, obtainTokens, registerClient } from "../support/oauth_flow.ts";
import { rawRequest, serveHarness } from "../support/raw_http.ts";
import { type WatchedGateway, watchedGateway } from "./watched_gateway.ts";

const HOME = ["127.0.0.1"];

interface Scene {
  readonly gateway: WatchedGateway;
  readonly names: Names;
  readonly token: string;
  readonly call: () => Promise<Response>;
}

/**
 * A gateway on loopback whose upstream is a name of loopback. `fetch` finds it whatever the test's name server says, so that a
 * request that is let through arrives, and is counted.
 */
async function scene(
  options: { readonly answers: string[][]; readonly allowPrivateNetwork?: boolean },
  test: (scene: Scene) => Promise<void>,
): Promise<void> {
  const names = new Names().set("localhost", ...options.answers);
  await using gateway = await watchedGateway({
    upstreams: { resolve: names.resolve },
    expect5xx: [502],
    config: (upstream) => ({
      routes: [mcpProxy("/alpha", {
        operationId: "alpha",
        upstream: upstream.replace("127.0.0.1", "localhost"),
        allowPrivateNetwork: options.allowPrivateNetwork ?? false,
        policies: [upstreamApiKey({ value: "upstream-key-canary" })],
      })],
    }),
  });
  const { access_token: token } = await obtainTokens(gateway, await registerClient(gateway));
  await test({ gateway, names, token, call: () => callMcp(gateway, "/alpha", token) });
}

Deno.test("a name that is rebound into a private network is asked no more, and again when it is mended (B13 197)", async () => {
  await scene({ answers: [HOME] }, async ({ gateway, names, call }) => {
    assert.equal((await call()).status, 200);
    for (const rebound of ["10.0.0.7", "169.254.169.254", "192.168.1.1", "fd00::1"]) {
      names.set("localhost", [rebound]);
      gateway.clock.advance({ seconds: 121 });
      const before = gateway.upstreamRequests.length;
      const refused = await call();
      assert.equal(refused.status, 502, rebound);
      const { id, error } = await refused.json();
      assert.deepEqual([id, error.code], [1, 5020]);
      assert.match(error.message, /"alpha" is at an address that the gateway may not use\. Whoever runs/);
      assert.ok(!JSON.stringify(error).includes(rebound), "the client is told no address");
      assert.equal(gateway.upstreamRequests.length, before, "nothing went upstream");
      names.set("localhost", HOME);
      gateway.clock.advance({ seconds: 5 });
      assert.equal((await call()).status, 200, `after ${rebound}`);
    }
  });
});

Deno.test("a name among whose addresses one is private is not asked (B13 197)", async () => {
  await scene({ answers: [[...HOME, "10.0.0.7"]] }, async ({ gateway, call }) => {
    assert.equal((await call()).status, 502);
    assert.equal(gateway.upstreamRequests.length, 0);
  });
});

Deno.test("a name of this machine is for a gateway on this machine only (B13 197)", async () => {
  await scene({ answers: [HOME] }, async ({ gateway, token }) => {
    const elsewhere = {
      ...gateway,
      gateway: {
        ...gateway.gateway,
        routes: gateway.gateway.routes.map((route) => ({ ...route, allowLoopback: false })),
      },
    };
    await using server = serveHarness(elsewhere);
    const refused = await rawRequest(server.port, "POST /alpha", [
      `Host: ${new URL(gateway.origin).host}`,
      `Authorization: Bearer ${token}`,
      "Content-Type: application/json",
    ], '{"jsonrpc":"2.0","id":1,"method":"ping"}');
    assert.equal(refused.status, 502);
    assert.equal(gateway.upstreamRequests.length, 0);
  });
});

Deno.test("allowPrivateNetwork lets it be asked, and nobody resolves anything (B13 197)", async () => {
  await scene({ answers: [["10.0.0.7"]], allowPrivateNetwork: true }, async ({ gateway, names, call }) => {
    await gateway.checkUpstreams();
    assert.equal((await call()).status, 200);
    assert.deepEqual(names.queries, []);
  });
});

Deno.test("the start tells which upstreams may not be asked; a request tells the reason once more (B13 197, B16 257)", async () => {
  await scene({ answers: [["10.0.0.7"]] }, async ({ gateway, names, call }) => {
    await gateway.checkUpstreams();
    assert.deepEqual(
      gateway.events.filter(({ event }) => event === "mcp_upstream_address_refused")
        .map(({ level, operationId, reasonCode }) => [level, operationId, reasonCode]),
      [["warn", "alpha", "upstream_address_private"]],
    );
    const refused = await call();
    assert.equal(names.queries.length, 1, "the verdict of the start counts");
    const told = gateway.events.filter(({ requestId }) => requestId === refused.headers.get("x-request-id"));
    assert.ok(
      told.some(({ event, reasonCode, operationId, status }) =>
        event === "mcp_upstream_unreachable" && reasonCode === "upstream_address_private" &&
        operationId === "alpha" && status === 502
      ),
      JSON.stringify(told),
    );
    assert.ok(!JSON.stringify(gateway.events).includes("10.0.0.7"));
  });
});

Deno.test("a name that does not resolve is 502, and found as soon as it does (F21)", async () => {
  await scene({ answers: [] }, async ({ gateway, names, call }) => {
    const refused = await call();
    assert.equal(refused.status, 502);
    assert.match((await refused.json()).error.message, /could not be found\. Try again later/);
    assert.equal(gateway.upstreamRequests.length, 0);
    names.set("localhost", HOME);
    gateway.clock.advance({ seconds: 5 });
    assert.equal((await call()).status, 200);
  });
});

Deno.test("a resolution that hangs is ended with the route's time limit, and with its client (TR-17, F21)", async () => {
  const config = (upstream: string) => ({
    routes: [mcpProxy("/alpha", {
      operationId: "alpha",
      upstream: upstream.replace("127.0.0.1", "localhost"),
      timeouts: { responseMs: 300 },
    })],
  });
  const hanging = Promise.withResolvers<string[]>();
  await using gateway = await watchedGateway({
    config,
    upstreams: { resolve: () => hanging.promise },
    expect5xx: [504],
  });
  const { access_token } = await obtainTokens(gateway, await registerClient(gateway));
  assert.equal((await callMcp(gateway, "/alpha", access_token)).status, 504);
  const leaving = new AbortController();
  const call = gateway.fetch("/alpha", {
    method: "POST",
    signal: leaving.signal,
    body: '{"jsonrpc":"2.0","id":1,"method":"ping"}',
    headers: { authorization: `Bearer ${access_token}`, "content-type": "application/json" },
  });
  leaving.abort();
  assert.equal((await call).status, 499);
  hanging.resolve(HOME);
});
