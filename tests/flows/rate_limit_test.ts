/** `rateLimit` on a route: whose requests count together, what one too many is answered, and what it never reaches. */
import assert from "node:assert/strict";
import { mcpProxy, rateLimit } from "../../mod.ts";
import { type WatchedGateway, watchedGateway, type WatchedOptions } from "../security/watched_gateway.ts";
import { callMcp, obtainTokens, registerClient, type TestClient } from "../support/oauth_flow.ts";
import { rawExchange, serveHarness } from "../support/raw_http.ts";

type Limit = Parameters<typeof rateLimit>[0];

/** `/alpha` with the limits, `/beta` without; alice and bob may sign in. */
async function limited(limits: readonly Limit[], options: WatchedOptions = {}): Promise<WatchedGateway> {
  return await watchedGateway({
    users: ["alice", "bob"],
    config: (upstream) => ({
      trustProxy: 1,
      routes: [
        mcpProxy("/alpha", {
          operationId: "alpha",
          upstream,
          policies: limits.map((each) => rateLimit(each)),
        }),
        mcpProxy("/beta", { operationId: "beta", upstream }),
      ],
    }),
    ...options,
  });
}

async function tokenOf(
  gateway: WatchedGateway,
  { client, user = "alice", path = "/alpha" }: { client: TestClient; user?: string; path?: string },
): Promise<string> {
  const changes = { resource: gateway.origin + path };
  return (await obtainTokens(gateway, client, { user, changes })).access_token;
}

async function statuses(calls: readonly Promise<Response>[]): Promise<number[]> {
  return (await Promise.all(calls)).map(({ status }) => status);
}

Deno.test("one request too many is 429 with Retry-After and a JSON-RPC error, and passes again in the next window (B17 262)", async () => {
  await using gateway = await limited([{ requests: 3, windowSeconds: 60, by: "user" }]);
  const token = await tokenOf(gateway, { client: await registerClient(gateway) });
  const call = () => callMcp(gateway, "/alpha", token);
  assert.deepEqual(await statuses([call(), call(), call()]), [200, 200, 200]);
  gateway.clock.advance({ seconds: 20 });
  const refused = await call();
  assert.equal(refused.status, 429);
  assert.equal(refused.headers.get("retry-after"), "40");
  assert.equal(refused.headers.get("content-type"), "application/json");
  assert.equal(refused.headers.get("cache-control"), "no-store");
  assert.equal(refused.headers.get("www-authenticate"), null, "it is not the token's fault");
  const { jsonrpc, id, error } = await refused.json();
  assert.deepEqual([jsonrpc, id, error.code], ["2.0", null, 4290]);
  assert.match(error.message, /3 in 60 s to "alpha"\. Try again in 40 s\.$/);
  assert.equal(gateway.upstreamRequests.length, 3);
  gateway.clock.advance({ seconds: 40 });
  assert.equal((await call()).status, 200);
});

Deno.test("the event of a refused request has a stable name and says who, where and by which limit (B16 257)", async () => {
  await using gateway = await limited([{ requests: 1, windowSeconds: 60, by: "client" }]);
  const client = await registerClient(gateway);
  const token = await tokenOf(gateway, { client });
  await callMcp(gateway, "/alpha", token);
  const refused = await callMcp(gateway, "/alpha", token);
  const events = gateway.events.filter(({ event }) => event === "http_rate_limited");
  assert.equal(events.length, 1);
  const { level, requestId, reasonCode, status, operationId, clientId, subjectId, method, path } = events[0]!;
  assert.deepEqual([level, reasonCode, status, operationId, clientId, method, path], [
    "warn",
    "rate_limit_client",
    429,
    "alpha",
    client.clientId,
    "POST",
    "/alpha",
  ]);
  assert.equal(requestId, refused.headers.get("x-request-id"));
  assert.ok(typeof subjectId === "string" && subjectId !== "");
});

Deno.test("by user: another user, and another route, are not counted; another client of the same user is (B17 262)", async () => {
  await using gateway = await limited([{ requests: 2, windowSeconds: 60, by: "user" }]);
  const [one, two] = [await registerClient(gateway), await registerClient(gateway, { client_name: "Two" })];
  const hers = [await tokenOf(gateway, { client: one }), await tokenOf(gateway, { client: two })];
  for (const token of hers) assert.equal((await callMcp(gateway, "/alpha", token)).status, 200);
  for (const token of hers) assert.equal((await callMcp(gateway, "/alpha", token)).status, 429);
  const his = await tokenOf(gateway, { client: one, user: "bob" });
  assert.equal((await callMcp(gateway, "/alpha", his)).status, 200);
  const elsewhere = await tokenOf(gateway, { client: one, path: "/beta" });
  for (let calls = 0; calls < 5; calls++) {
    assert.equal((await callMcp(gateway, "/beta", elsewhere)).status, 200);
  }
});

Deno.test("by client: all its users are counted together, another client is not", async () => {
  await using gateway = await limited([{ requests: 2, windowSeconds: 60, by: "client" }]);
  const [one, two] = [await registerClient(gateway), await registerClient(gateway, { client_name: "Two" })];
  const tokens = [
    await tokenOf(gateway, { client: one }),
    await tokenOf(gateway, { client: one, user: "bob" }),
  ];
  for (const token of tokens) assert.equal((await callMcp(gateway, "/alpha", token)).status, 200);
  for (const token of tokens) assert.equal((await callMcp(gateway, "/alpha", token)).status, 429);
  const other = await tokenOf(gateway, { client: two });
  assert.equal((await callMcp(gateway, "/alpha", other)).status, 200);
});

Deno.test("by ip: the address is the trusted proxy's word, not what the client wrote before it; an IPv6 host is its /64", async () => {
  await using gateway = await limited([{ requests: 1, windowSeconds: 60, by: "ip" }]);
  const token = await tokenOf(gateway, { client: await registerClient(gateway) });
  const from = async (forwarded: string) =>
    (await callMcp(gateway, "/alpha", token, { headers: { "x-forwarded-for": forwarded } })).status;
  assert.equal(await from("198.51.100.1"), 200);
  assert.equal(await from("198.51.100.1"), 429);
  for (const forged of ["203.0.113.7, 198.51.100.1", "1.1.1.1,2.2.2.2, 198.51.100.1"]) {
    assert.equal(await from(forged), 429, forged);
  }
  assert.equal(await from("198.51.100.2"), 200);
  assert.equal(await from("2001:db8:1:2::1"), 200);
  assert.equal(await from("2001:db8:1:2:ffff::9"), 429);
  assert.equal(await from("2001:db8:1:3::1"), 200);
});

Deno.test("a batch counts for as many as it holds, and what is too many is not carried out in part (TR-30)", async () => {
  await using gateway = await limited([{ requests: 5, windowSeconds: 60, by: "user" }]);
  const token = await tokenOf(gateway, { client: await registerClient(gateway) });
  const batch = (size: number) =>
    Array.from(
      { length: size },
      (_, id) => ({ jsonrpc: "2.0", id, method: "tools/call", params: { name: "x" } }),
    );
  const send = async (message: unknown) => (await callMcp(gateway, "/alpha", token, { message })).status;
  assert.deepEqual([await send(batch(3)), await send(batch(2)), await send(batch(1))], [202, 202, 429]);
  gateway.clock.advance({ seconds: 60 });
  assert.equal(await send(batch(6)), 429);
  assert.equal(gateway.upstreamRequests.length, 2);
});

Deno.test("several limits: what a narrow one refuses does not use up a wide one that others share", async () => {
  await using gateway = await limited([
    { requests: 3, windowSeconds: 60, by: "ip" },
    { requests: 1, windowSeconds: 60, by: "user" },
  ]);
  const client = await registerClient(gateway);
  const alice = await tokenOf(gateway, { client });
  const calls = Array.from({ length: 20 }, () => callMcp(gateway, "/alpha", alice));
  assert.equal((await statuses(calls)).filter((status) => status === 200).length, 1);
  const bob = await tokenOf(gateway, { client, user: "bob" });
  assert.equal((await callMcp(gateway, "/alpha", bob)).status, 200);
});

Deno.test("every method counts, a bad token does not, and the token is asked for first", async () => {
  await using gateway = await limited([{ requests: 2, windowSeconds: 60, by: "user" }]);
  const token = await tokenOf(gateway, { client: await registerClient(gateway) });
  for (let tries = 0; tries < 5; tries++) {
    assert.equal((await callMcp(gateway, "/alpha", `${token}x`)).status, 401);
    assert.equal((await callMcp(gateway, "/alpha", null)).status, 401);
  }
  assert.equal((await callMcp(gateway, "/alpha", token, { method: "GET" })).status, 405);
  assert.equal((await callMcp(gateway, "/alpha", token, { message: "{" })).status, 400);
  for (const method of ["POST", "GET", "DELETE"]) {
    assert.equal((await callMcp(gateway, "/alpha", token, { method })).status, 429, method);
  }
  assert.equal((await gateway.fetch("/alpha", { method: "OPTIONS" })).status, 204);
});

Deno.test("an allowed page can read the refusal and its Retry-After (RS-12)", async () => {
  await using gateway = await limited([{ requests: 1, windowSeconds: 60, by: "user" }]);
  const token = await tokenOf(gateway, { client: await registerClient(gateway) });
  await callMcp(gateway, "/alpha", token);
  const headers = { origin: "http://localhost:5173" };
  const refused = await callMcp(gateway, "/alpha", token, { headers });
  assert.equal(refused.status, 429);
  assert.equal(refused.headers.get("access-control-allow-origin"), headers.origin);
  assert.match(refused.headers.get("access-control-expose-headers") ?? "", /Retry-After/);
});

Deno.test("a refused request's body is not waited for (B13 206)", async () => {
  await using gateway = await limited([{ requests: 1, windowSeconds: 60, by: "user" }]);
  await using server = serveHarness(gateway);
  const token = await tokenOf(gateway, { client: await registerClient(gateway) });
  const head = [
    "POST /alpha HTTP/1.1",
    `Host: ${new URL(gateway.origin).host}`,
    `Authorization: Bearer ${token}`,
    "Content-Type: application/json",
  ].join("\r\n");
  const ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}';
  const whole = `${head}\r\nContent-Length: ${ping.length}\r\n\r\n${ping}`;
  const begun = `${head}\r\nContent-Length: 4000000\r\n\r\n{`;
  const { responses } = await rawExchange(server.port, whole + begun, { waitMs: 1000 });
  assert.deepEqual(responses.map(({ status }) => status), [200, 429]);
});
