/** Faults, told in the language of whoever asked, and never with more than they may know. */
import assert from "node:assert/strict";
import { type Harness, startHarness } from "../../support/harness.ts";
import {
  authorizeUrl,
  callMcp,
  obtainTokens,
  postForm,
  postJson,
  redeem,
  registerClient,
} from "../../support/oauth_flow.ts";

/** From now on every read and write of the store fails. */
function breakStore({ services }: Harness): void {
  const broken = () => {
    throw new TypeError("disk I/O error at /secret/path/gateway.kv");
  };
  services.store.get = broken;
  services.store.write = broken;
}

async function shown(response: Response): Promise<string> {
  const text = await response.text();
  assert.ok(!/disk I\/O|secret\/path|TypeError|\.ts:\d+/.test(text), text);
  return text;
}

Deno.test("a store that fails is 503 with Retry-After everywhere, and nobody sees why (F10, B16 255)", async () => {
  await using gateway = await startHarness();
  const client = await registerClient(gateway);
  const tokens = await obtainTokens(gateway, client);
  const session = gateway.browser();
  await session.get(authorizeUrl(gateway, client));
  const cookie = session.cookies.header(new URL(gateway.origin), { initiator: null, method: "GET" }) ?? "";
  gateway.clock.advance({ seconds: 40 });
  breakStore(gateway);
  const asked: [string, () => Promise<Response>][] = [
    ["oauth", () => redeem(gateway, client, "ac_x")],
    ["oauth", () => postForm(gateway, "/oauth/revoke", { token: "x", client_id: client.clientId })],
    ["oauth", () => postJson(gateway, "/oauth/register", { redirect_uris: [client.redirectUri] })],
    ["mcp", () => callMcp(gateway, "/alpha", tokens.access_token)],
    ["page", () => gateway.fetch(authorizeUrl(gateway, client))],
    ["page", () => gateway.fetch("/oauth/setup?transaction=x", { headers: { cookie } })],
    ["page", () => gateway.fetch("/", { headers: { cookie } })],
  ];
  for (const [surface, ask] of asked) {
    const before = gateway.events.length;
    const response = await ask();
    const text = await shown(response);
    assert.equal(response.status, 503, `${surface}: ${text.slice(0, 200)}`);
    assert.ok(Number(response.headers.get("retry-after")) > 0, `${surface}: no Retry-After`);
    assert.equal(response.headers.get("cache-control"), "no-store");
    if (surface === "oauth") assert.equal(JSON.parse(text).error, "server_error");
    if (surface === "mcp") assert.equal(JSON.parse(text).error.code, -32603);
    if (surface === "page") assert.match(response.headers.get("content-type") ?? "", /^text\/html/);
    const fault = gateway.events.slice(before).find(({ event }) => event === "gateway_fault");
    assert.equal(fault?.errorName, "TypeError");
    assert.ok(text.includes(String(fault?.requestId)), "the request id leads to the event");
    assert.ok(!JSON.stringify(gateway.events).includes("disk I/O"));
  }
  const ready = await gateway.fetch("/readyz");
  assert.deepEqual([ready.status, await ready.json()], [503, { status: "unavailable" }]);
  assert.equal((await gateway.fetch("/healthz")).status, 200);
});

Deno.test("a body that is too large is 413 in the language of the endpoint", async () => {
  await using gateway = await startHarness({ config: () => ({ limits: { bodyBytes: 2_000 } }) });
  const tokens = await obtainTokens(gateway, await registerClient(gateway));
  const mcp = await callMcp(gateway, "/alpha", tokens.access_token, { message: "x".repeat(2_001) });
  assert.deepEqual([mcp.status, (await mcp.json()).error.code], [413, -32600]);
  const form = await postForm(gateway, "/oauth/token", { grant_type: "x".repeat(70_000) });
  assert.deepEqual([form.status, (await form.json()).error], [413, "invalid_request"]);
  const registration = await postJson(gateway, "/oauth/register", { client_name: "x".repeat(70_000) });
  assert.equal(registration.status, 413);
  await registration.body?.cancel();
  const page = await postForm(gateway, "/oauth/setup", { transaction: "x".repeat(70_000) });
  assert.equal(page.status, 413);
  assert.match(page.headers.get("content-type") ?? "", /^text\/html/);
  await page.body?.cancel();
});

Deno.test("a page that says to wait also says so in Retry-After", async () => {
  await using gateway = await startHarness({ config: () => ({ limits: { authorizationsPerMinute: 1 } }) });
  const url = authorizeUrl(gateway, await registerClient(gateway));
  await (await gateway.fetch(url)).body?.cancel();
  gateway.clock.advance({ seconds: 20 });
  const refused = await gateway.fetch(url);
  await refused.body?.cancel();
  assert.deepEqual([refused.status, refused.headers.get("retry-after")], [429, "40"]);
});

Deno.test("what is thrown is told to the log by kind and reason alone (B16 254)", async () => {
  await using gateway = await startHarness();
  await (await postForm(gateway, "/oauth/token?code=canary1", { grant_type: "canary2" })).body?.cancel();
  await (await gateway.fetch("/oauth/authorize?client_id=canary3&state=canary4")).body?.cancel();
  await (await callMcp(gateway, "/alpha?x=canary5", "at_canary6")).body?.cancel();
  const log = JSON.stringify(gateway.events);
  assert.ok(log.includes("grant_type_unsupported") && log.includes("client_unknown"), log);
  assert.ok(!log.includes("canary"), log);
});
