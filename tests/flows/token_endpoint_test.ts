/** The token endpoint as clients use it: authentication, answers, lifetimes. */
import assert from "node:assert/strict";
import {
  callMcp,
  obtainCode,
  obtainTokens,
  postForm,
  redeem,
  redemption,
  refresh,
  registerClient,
  type TestClient,
} from "../support/oauth_flow.ts";
import { assertOAuthError } from "../security/answers.ts";
import { watchedGateway } from "../security/watched_gateway.ts";

Deno.test("success and error alike are JSON that nobody stores (AS-53)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const code = await obtainCode(gateway, client);
  const answers = [
    await redeem(gateway, client, code),
    await redeem(gateway, client, "ac_unknown"),
    await redeem(gateway, { ...client, clientId: "unknown" }, code),
    await postForm(gateway, "/oauth/token", { grant_type: "password" }),
    await gateway.fetch("/oauth/token", { method: "POST", body: "{}" }),
  ];
  assert.deepEqual(answers.map(({ status }) => status), [200, 400, 401, 400, 400]);
  for (const answer of answers) {
    assert.match(answer.headers.get("content-type") ?? "", /^application\/json/);
    assert.equal(answer.headers.get("cache-control"), "no-store");
    assert.equal(answer.headers.get("pragma"), "no-cache");
  }
});

Deno.test("Basic is read encoded, as the RFC says, and raw, as SDKs send it (AS-54)", async () => {
  const clientSecret = "per%cent+plus:colon/slash=equals-0123456789";
  const configured = {
    clientId: "team:client",
    name: "Team",
    redirectUris: ["https://client.example/callback"],
  };
  await using gateway = await watchedGateway({
    config: () => ({ clients: [{ ...configured, clientSecret }] }),
  });
  const raw: TestClient = {
    clientId: configured.clientId,
    clientSecret,
    redirectUri: configured.redirectUris[0] ?? "",
    registration: {},
  };
  const encode = (text: string) => encodeURIComponent(text);
  const ask = async (credentials: string) => {
    const form = redemption(raw, await obtainCode(gateway, raw), { client_id: null, client_secret: null });
    return await postForm(gateway, "/oauth/token", form, { authorization: `Basic ${btoa(credentials)}` });
  };
  assert.equal((await ask(`${encode(raw.clientId)}:${encode(clientSecret)}`)).status, 200);
  const wrong = await ask(`${encode(raw.clientId)}:${encode(clientSecret)}x`);
  assert.match(wrong.headers.get("www-authenticate") ?? "", /^Basic /);
  await assertOAuthError(wrong, "invalid_client", { status: 401 });
  const registered = await registerClient(gateway, { token_endpoint_auth_method: "client_secret_basic" });
  for (const reading of [(text: string) => text, encode]) {
    const form = redemption(registered, await obtainCode(gateway, registered), {
      client_id: null,
      client_secret: null,
    });
    const credentials = `${reading(registered.clientId)}:${reading(registered.clientSecret ?? "")}`;
    const authorization = `Basic ${btoa(credentials)}`;
    assert.equal((await postForm(gateway, "/oauth/token", form, { authorization })).status, 200);
  }
});

Deno.test("a raw secret with % and : works for a client whose id is plain (AS-54)", async () => {
  const clientSecret = "per%cent+plus:colon%zz-0123456789abcdef";
  const client = {
    clientId: "team",
    name: "Team",
    redirectUris: ["https://client.example/callback"],
    clientSecret,
  };
  await using gateway = await watchedGateway({ config: () => ({ clients: [client] }) });
  const known = {
    clientId: "team",
    clientSecret,
    redirectUri: client.redirectUris[0] ?? "",
    registration: {},
  };
  const form = redemption(known, await obtainCode(gateway, known), { client_id: null, client_secret: null });
  const authorization = `Basic ${btoa(`team:${clientSecret}`)}`;
  assert.equal((await postForm(gateway, "/oauth/token", form, { authorization })).status, 200);
});

Deno.test("a secret may come by the method that was not registered (AS-55, B8 132)", async () => {
  await using gateway = await watchedGateway();
  for (const method of ["client_secret_basic", "client_secret_post"]) {
    const client = await registerClient(gateway, { token_endpoint_auth_method: method });
    assert.equal((await redeem(gateway, client, await obtainCode(gateway, client))).status, 200);
    const form = redemption(client, await obtainCode(gateway, client), { client_secret: null });
    const authorization = `Basic ${btoa(`${client.clientId}:${client.clientSecret}`)}`;
    assert.equal((await postForm(gateway, "/oauth/token", form, { authorization })).status, 200);
  }
});

Deno.test("a client that may refresh, or asks for it, gets a refresh token; another may not even try (AS-52, AS-60)", async () => {
  await using gateway = await watchedGateway();
  const plain = await registerClient(gateway, { grant_types: ["authorization_code"] });
  assert.equal("refresh_token" in await obtainTokens(gateway, plain), false);
  await assertOAuthError(await refresh(gateway, plain, "rt_none"), "unauthorized_client");
  const asked = await obtainTokens(gateway, plain, { changes: { scope: "mcp:tools offline_access" } });
  assert.equal((await refresh(gateway, plain, asked.refresh_token)).status, 200);
});

Deno.test("a refresh token dies 30 days after its last use, the grant a year after its approval (AS-59, AS-60)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const idle = await obtainTokens(gateway, client);
  let used = await obtainTokens(gateway, client);
  for (let day = 25; day < 365; day += 25) {
    gateway.clock.advance({ days: 25 });
    const response = await refresh(gateway, client, used.refresh_token);
    assert.equal(response.status, 200, `day ${day}`);
    used = await response.json();
  }
  await assertOAuthError(await refresh(gateway, client, idle.refresh_token), "invalid_grant");
  gateway.clock.advance({ days: 15 });
  await assertOAuthError(await refresh(gateway, client, used.refresh_token), "invalid_grant");
});

Deno.test("tokens are opaque, 256 bits, of type Bearer (AS-61)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const response = await redeem(gateway, client, await obtainCode(gateway, client));
  const tokens = await response.json();
  assert.equal(tokens.token_type, "Bearer");
  assert.equal(typeof tokens.expires_in, "number");
  assert.match(tokens.access_token, /^at_[0-9a-v]{9}[A-Za-z0-9_-]{43}$/);
  assert.match(tokens.refresh_token, /^rt_[0-9a-v]{9}[A-Za-z0-9_-]{43}$/);
  const stored = [...await gateway.contents()].map(([key, value]) => key + atob(value)).join("\n");
  for (const token of [tokens.access_token, tokens.refresh_token]) assert.ok(!stored.includes(token));
  assert.equal((await callMcp(gateway, "/alpha", tokens.access_token)).status, 200);
});

Deno.test("browsers may call token, register and revoke, without cookies (AS-33)", async () => {
  await using gateway = await watchedGateway();
  const origin = "http://localhost:6274";
  for (const path of ["/oauth/token", "/token", "/oauth/register", "/register", "/oauth/revoke"]) {
    const preflight = await gateway.fetch(path, {
      method: "OPTIONS",
      headers: {
        origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,mcp-protocol-version",
      },
    });
    assert.equal(preflight.status, 204, path);
    assert.equal(preflight.headers.get("access-control-allow-origin"), "*");
    assert.equal(preflight.headers.get("access-control-allow-credentials"), null);
    assert.match(preflight.headers.get("access-control-allow-headers") ?? "", /authorization.*content-type/i);
    const refused = await gateway.fetch(path, { method: "POST", headers: { origin } });
    assert.equal(refused.headers.get("access-control-allow-origin"), "*", "errors are readable, too");
  }
});
