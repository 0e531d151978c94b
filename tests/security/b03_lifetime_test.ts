/** Attack corpus B3: how long a client metadata document counts, and what its changes change; and its logo, which is not loaded. */
import assert from "node:assert/strict";
import { exportJWK, generateKeyPair } from "jose";
import { authorizeAs, clientDocument, documentHost, publish } from "../support/document_host.ts";
import { authorizeUrl, obtainTokens, refresh, registerClient } from "../support/oauth_flow.ts";
import { assertOAuthError, assertPage400 } from "./answers.ts";
import { watchedGateway } from "./watched_gateway.ts";

const json = { "content-type": "application/json" };

Deno.test("a document counts between five minutes and a day, whatever its host asks for (B3 054, AS-40)", async () => {
  const minutes = (n: number) => ({ seconds: n * 60 });
  const table: [cacheControl: string | null, fresh: number, stale: number][] = [
    ["max-age=99999999", 1439, 1441],
    ["max-age=999999999999999", 1439, 1441],
    ["max-age=7200, public", 119, 121],
    ["max-age=0", 4, 6],
    ["no-store", 4, 6],
    ["no-cache, max-age=7200", 4, 6],
    ["max-age=-1", 59, 61],
    ["nonsense", 59, 61],
    [null, 59, 61],
  ];
  for (const [value, fresh, stale] of table) {
    await using host = documentHost();
    await using gateway = await watchedGateway();
    const { clientId } = publish(host, "/c.json");
    const body = JSON.stringify(clientDocument(clientId));
    const headers = value === null ? json : { ...json, "cache-control": value };
    host.answers.set("/c.json", () => new Response(body, { headers }));
    for (let n = 0; n < 20; n++) assert.equal((await authorizeAs(gateway, clientId)).status, 303);
    assert.equal(host.requests.length, 1, `${value}: at once`);
    gateway.clock.advance(minutes(fresh));
    assert.equal((await authorizeAs(gateway, clientId)).status, 303);
    assert.equal(host.requests.length, 1, `${value}: after ${fresh} minutes`);
    gateway.clock.advance(minutes(stale - fresh));
    assert.equal((await authorizeAs(gateway, clientId)).status, 303);
    assert.equal(host.requests.length, 2, `${value}: after ${stale} minutes`);
  }
});

Deno.test("fifty requests at once for one document are one fetch (B3 054)", async () => {
  await using host = documentHost();
  await using gateway = await watchedGateway();
  const { clientId } = publish(host, "/c.json");
  const answers = await Promise.all(Array.from({ length: 50 }, () => authorizeAs(gateway, clientId)));
  assert.ok(answers.every(({ status }) => status === 303));
  assert.equal(host.requests.length, 1);
});

Deno.test("a changed document is consented to anew, and what it withdrew is gone (B3 055, AS-41)", async () => {
  await using host = documentHost();
  await using gateway = await watchedGateway();
  const browser = gateway.browser();
  const client = publish(host, "/c.json", {
    client_name: "Before",
    redirect_uris: ["https://old.example/cb"],
  });
  const tokens = await obtainTokens(gateway, client, { browser });
  publish(host, "/c.json", { client_name: "After", redirect_uris: ["https://new.example/cb"] });
  gateway.clock.advance({ seconds: 3_601 });
  // The old address no longer gets anything; the new one needs a click on a page that names it.
  await assertPage400(await gateway.fetch(authorizeUrl(gateway, client)));
  const changed = authorizeUrl(gateway, client, { redirect_uri: "https://new.example/cb" });
  const page = await browser.get(changed);
  assert.deepEqual([page.status, page.left], [200, false]);
  assert.match(page.html, /After/);
  assert.match(page.html, /new\.example/);
  assert.doesNotMatch(page.html, /Before|old\.example/);
  const silent = await gateway.fetch(
    authorizeUrl(gateway, client, { redirect_uri: "https://new.example/cb", prompt: "none" }),
  );
  assert.match(silent.headers.get("location") ?? "", /error=login_required/);
  // What was approved goes on; nothing new came of the change.
  assert.equal((await refresh(gateway, client, tokens.refresh_token)).status, 200);
});

Deno.test("a document that gains keys is held to them at once (B3 055, AS-42)", async () => {
  await using host = documentHost();
  await using gateway = await watchedGateway();
  const client = publish(host, "/c.json");
  const tokens = await obtainTokens(gateway, client);
  const { publicKey } = await generateKeyPair("ES256", { extractable: true });
  publish(host, "/c.json", {
    token_endpoint_auth_method: "private_key_jwt",
    jwks: { keys: [await exportJWK(publicKey)] },
  });
  gateway.clock.advance({ seconds: 3_601 });
  await assertOAuthError(await refresh(gateway, client, tokens.refresh_token), "invalid_client", {
    status: 401,
  });
});

Deno.test("a connected client outlives an outage of its host and a restart, a new one does not (AS-40)", async () => {
  await using host = documentHost();
  const kv = await Deno.openKv(":memory:");
  try {
    const client = publish(host, "/c.json");
    let token: string;
    {
      await using gateway = await watchedGateway({ kv });
      token = (await obtainTokens(gateway, client)).refresh_token;
    }
    host.answers.clear();
    await using restarted = await watchedGateway({ kv, expect5xx: [503] });
    restarted.clock.advance({ days: 1 });
    const answer = await refresh(restarted, client, token);
    assert.equal(answer.status, 200);
    // A new authorization wants the current document.
    await assertPage400(await authorizeAs(restarted, client.clientId));
    restarted.clock.advance({ days: 8 });
    const late = await refresh(restarted, client, (await answer.json()).refresh_token);
    assert.equal(late.status, 401);
    await late.body?.cancel();
  } finally {
    kv.close();
  }
});

Deno.test("a client's logo is never loaded, neither by the page nor by the gateway (B3 058, AS-41)", async () => {
  await using host = documentHost();
  await using gateway = await watchedGateway();
  const logo_uri = `http://localhost:${host.port}/logo.png`;
  const clients = [publish(host, "/c.json", { logo_uri }), await registerClient(gateway, { logo_uri })];
  for (const client of clients) {
    const page = await gateway.browser().get(authorizeUrl(gateway, client));
    assert.equal(page.status, 200);
    assert.doesNotMatch(page.html, /logo\.png/);
    const policy = page.headers.get("content-security-policy") ?? "";
    assert.match(policy, /default-src 'none'/);
    assert.match(policy, /img-src 'self'(?:;|$)/);
  }
  assert.ok(host.requests.every(({ url }) => !url.endsWith("logo.png")));
});
