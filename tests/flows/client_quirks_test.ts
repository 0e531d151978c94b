/** What real clients were seen to do, and what they need to be answered (checklist section 8). */
import assert from "node:assert/strict";
import { startHarness } from "../support/harness.ts";
import {
  authorizeUrl,
  callMcp,
  obtainCode,
  obtainTokens,
  postForm,
  postJson,
  redeem,
  redemption,
  refresh,
  registerClient,
} from "../support/oauth_flow.ts";

Deno.test("without `resource` the only route is meant, and a token says which it is for (Q-03, AS-22)", async () => {
  await using gateway = await startHarness({ paths: ["/alpha"] });
  const client = await registerClient(gateway);
  const code = await obtainCode(gateway, client, { changes: { resource: null } });
  const tokens = await (await redeem(gateway, client, code)).json();
  assert.equal(tokens.resource, `${gateway.origin}/alpha`);
  const answer = await callMcp(gateway, "/alpha", tokens.access_token);
  assert.equal(answer.status, 200);
  await answer.body?.cancel();
});

Deno.test("a client id that is no longer known is 401 invalid_client at the token endpoint and a page at authorize (Q-09, AS-51)", async () => {
  await using gateway = await startHarness();
  const client = { ...await registerClient(gateway), clientId: "forgotten" };
  const page = await gateway.fetch(authorizeUrl(gateway, client));
  assert.equal(page.status, 400);
  assert.match(await page.text(), /remove the server and add it again/);
  const refused = await refresh(gateway, client, "rt_x");
  assert.equal(refused.status, 401);
  assert.equal((await refused.json()).error, "invalid_client");
});

Deno.test("clients that look at the root only, or everywhere, find JSON and never a page (Q-10, Q-11, AS-05)", async () => {
  await using gateway = await startHarness();
  const root = await gateway.fetch("/.well-known/oauth-authorization-server");
  assert.equal((await root.json()).issuer, gateway.origin);
  for (
    const path of [
      "/token/.well-known/openid-configuration",
      "/.well-known/oauth-protected-resource",
      "/.well-known/oauth-protected-resource/elsewhere",
      "/.well-known/openid-configuration/elsewhere",
      "/alpha/.well-known/oauth-authorization-server",
    ]
  ) {
    const answer = await gateway.fetch(path);
    assert.equal(answer.status, 404, path);
    assert.match(answer.headers.get("content-type") ?? "", /json/, path);
    await answer.json();
  }
});

Deno.test("the endpoints that older clients assume at the origin are the real ones (Q-12, AS-06)", async () => {
  await using gateway = await startHarness();
  const registered = await postJson(gateway, "/register", {
    redirect_uris: ["https://client.example/callback"],
    token_endpoint_auth_method: "none",
  });
  assert.equal(registered.status, 201);
  const registration = await registered.json();
  const client = { ...await registerClient(gateway), clientId: registration.client_id };
  const end = await gateway.browser().signInAndApprove(authorizeUrl(gateway, client, {}, "/authorize"));
  const code = end.searchParams.get("code") ?? "";
  assert.equal((await postForm(gateway, "/token", redemption(client, code))).status, 200);
});

Deno.test("five refreshes at once are one refresh (Q-13, AS-58)", async () => {
  await using gateway = await startHarness();
  const client = await registerClient(gateway);
  const { refresh_token } = await obtainTokens(gateway, client);
  const answers = await Promise.all(Array.from({ length: 5 }, () => refresh(gateway, client, refresh_token)));
  assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200, 200, 200]);
  const successors = await Promise.all(answers.map(async (answer) => (await answer.json()).refresh_token));
  assert.equal(new Set(successors).size, 1);
});

Deno.test("the sign-in leads back to us, never straight to the client, and the decision is answered with 303 (Q-17, AS-66)", async () => {
  await using gateway = await startHarness();
  const client = await registerClient(gateway);
  const started = await gateway.fetch(authorizeUrl(gateway, client));
  assert.ok(!(started.headers.get("location") ?? "").includes("client.example"));
  const browser = gateway.browser();
  const page = await browser.get(authorizeUrl(gateway, client));
  const [form] = page.forms;
  const fields = new URLSearchParams(form?.preset.map(([name, value]) => [name, value]));
  fields.set("decision", "approve");
  const decided = await gateway.fetch("/oauth/setup", {
    method: "POST",
    body: fields.toString(),
    headers: {
      "content-type": "application/x-www-form-urlencoded",
      "sec-fetch-site": "same-origin",
      cookie: browser.cookies.header(page.url, { initiator: page.url, method: "POST" }) ?? "",
    },
  });
  assert.equal(decided.status, 303);
  assert.match(decided.headers.get("location") ?? "", /^https:\/\/client\.example\/callback\?/);
});

Deno.test("the first challenge names all scopes, readable to a page of an allowed origin, to a client without a User-Agent too (Q-21, Q-24, Q-25)", async () => {
  await using gateway = await startHarness();
  const refused = await callMcp(gateway, "/alpha", null, { headers: { origin: "http://localhost:6274" } });
  assert.equal(refused.status, 401);
  assert.match(refused.headers.get("www-authenticate") ?? "", /scope="mcp:tools"/);
  assert.equal(refused.headers.get("access-control-allow-origin"), "http://localhost:6274");
  assert.match(refused.headers.get("access-control-expose-headers") ?? "", /WWW-Authenticate/);
  await refused.body?.cancel();
});

Deno.test("a stale Mcp-Method beside a legacy body is no reason to refuse (Q-23)", async () => {
  await using gateway = await startHarness();
  const client = await registerClient(gateway);
  const { access_token } = await obtainTokens(gateway, client);
  const answer = await callMcp(gateway, "/alpha", access_token, {
    headers: { "mcp-method": "server/discover", "mcp-protocol-version": "2025-11-25" },
  });
  assert.equal(answer.status, 200);
  await answer.body?.cancel();
});

Deno.test("the resource of a route's metadata is the very URL that clients are given (Q-26, RS-01)", async () => {
  await using gateway = await startHarness();
  const { resource } = await (await gateway.fetch("/.well-known/oauth-protected-resource/alpha")).json();
  assert.equal(resource, `${gateway.origin}/alpha`);
});

Deno.test("the body decides the era; a header that says otherwise is refused before the upstream is asked (TR-05)", async () => {
  await using gateway = await startHarness();
  const client = await registerClient(gateway);
  const { access_token } = await obtainTokens(gateway, client);
  const ask = async (header: string | null, bodyVersion: string | null) => {
    const meta = bodyVersion === null ? {} : {
      _meta: {
        "io.modelcontextprotocol/protocolVersion": bodyVersion,
        "io.modelcontextprotocol/clientCapabilities": {},
      },
    };
    const before = gateway.upstreamRequests.length;
    const answer = await callMcp(gateway, "/alpha", access_token, {
      message: { jsonrpc: "2.0", id: 7, method: "tools/list", params: meta },
      headers: header === null ? {} : { "mcp-protocol-version": header, "mcp-method": "tools/list" },
    });
    const { id, error } = await answer.json();
    return [answer.status, error?.code ?? null, id, gateway.upstreamRequests.length - before];
  };
  assert.deepEqual(await ask("2026-07-28", "2026-07-28"), [200, null, 7, 1]);
  assert.deepEqual(await ask("2025-11-25", null), [200, null, 7, 1]);
  assert.deepEqual(await ask(null, null), [200, null, 7, 1]);
  assert.deepEqual(await ask("2026-07-28", null), [400, -32602, 7, 0]);
  assert.deepEqual(await ask("2025-11-25", "2026-07-28"), [400, -32020, 7, 0]);
  assert.deepEqual(await ask(null, "2026-07-28"), [400, -32020, 7, 0]);
});
