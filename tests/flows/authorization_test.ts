/** The authorization endpoint and the setup page as a user's browser meets them. */
import assert from "node:assert/strict";
import { authorizeUrl, obtainCode, obtainTokens, redeem, registerClient } from "../support/oauth_flow.ts";
import { assertOAuthError, publicGateway } from "../security/answers.ts";
import { watchedGateway } from "../security/watched_gateway.ts";

Deno.test("a resource is compared in its canonical form (AS-21)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  for (
    const resource of [
      "HTTP://127.0.0.1:9000/alpha/",
      "http://127.0.0.1:9000/alpha",
      "hTTp://127.0.0.1:9000/alpha",
    ]
  ) {
    const tokens = await obtainTokens(gateway, client, { changes: { resource } });
    assert.equal(tokens.resource, `${gateway.origin}/alpha`);
  }
});

Deno.test("without a resource the only route is meant, or the user chooses one (AS-22)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  for (const resource of [null, gateway.origin, `${gateway.origin}/`]) {
    const browser = gateway.browser();
    const page = await browser.get(authorizeUrl(gateway, client, { resource }));
    const choices = page.forms.flatMap((form) => form.choices).filter(({ name }) => name === "operation_id");
    assert.deepEqual(choices.map(({ value }) => value), ["alpha", "beta"]);
    const end = await gateway.browser().signInAndApprove(authorizeUrl(gateway, client, { resource }), {
      operationId: "beta",
    });
    const code = end.searchParams.get("code") ?? "";
    await assertOAuthError(
      await redeem(gateway, client, code, { resource: `${gateway.origin}/alpha` }),
      "invalid_target",
    );
    const tokens = await (await redeem(gateway, client, code)).json();
    assert.equal(tokens.resource, `${gateway.origin}/beta`);
  }
  await using single = await watchedGateway({ paths: ["/only"] });
  const other = await registerClient(single);
  const tokens = await obtainTokens(single, other, { changes: { resource: null } });
  assert.equal(tokens.resource, `${single.origin}/only`);
});

Deno.test("a token request may repeat the origin or the route, in no other words (AS-20, AS-23)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  for (const resource of [gateway.origin, `${gateway.origin}/alpha/`]) {
    const code = await obtainCode(gateway, client);
    assert.equal((await redeem(gateway, client, code, { resource })).status, 200, resource);
  }
});

Deno.test("every client is shown to the user, also within a live session (AS-26)", async () => {
  await using gateway = await watchedGateway();
  const known = await registerClient(gateway, { client_name: "Known app" });
  const browser = gateway.browser();
  await obtainCode(gateway, known, { browser });
  const next = await registerClient(gateway, {
    client_name: "Second app",
    redirect_uris: ["https://second.example/cb"],
  });
  for (const [client, name] of [[next, "Second app"], [known, "Known app"]] as const) {
    const page = await browser.get(authorizeUrl(gateway, client));
    assert.equal(page.left, false);
    assert.equal(page.url.pathname, "/oauth/setup");
    assert.match(page.html, new RegExp(name));
    assert.match(page.html, new RegExp(new URL(client.redirectUri).host.replaceAll(".", "\\.")));
  }
});

Deno.test("the page names client, redirect host, route and scopes, and warns of apps on this computer (AS-27)", async () => {
  await using gateway = await watchedGateway();
  const remote = await registerClient(gateway, { client_name: "Remote app" });
  const local = await registerClient(gateway, { redirect_uris: ["http://127.0.0.1:7777/cb"] });
  const page = await gateway.browser().get(authorizeUrl(gateway, remote));
  for (const shown of ["Remote app", "client.example", `${gateway.origin}/alpha`, "mcp:tools", "alice"]) {
    assert.ok(page.html.includes(shown), shown);
  }
  const warned = await gateway.browser().get(authorizeUrl(gateway, local));
  const warning = /this computer|on your (?:own )?(?:computer|machine)|loopback/i;
  assert.match(warned.html, warning);
  assert.doesNotMatch(page.html, warning);
});

Deno.test("the decision needs the page's own token, from the page's own site (AS-28)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const browser = gateway.browser();
  const page = await browser.get(authorizeUrl(gateway, client));
  const other = await gateway.browser().get(authorizeUrl(gateway, client));
  const fields = Object.fromEntries(page.forms[0]?.preset ?? []);
  const foreign = Object.fromEntries(other.forms[0]?.preset ?? []).csrf_token ?? "";
  const cookie = browser.cookies.header(page.url, { initiator: page.url, method: "POST" }) ?? "";
  const own = { "sec-fetch-site": "same-origin", origin: "null" };
  const before = await gateway.contents();
  const post = (changes: Record<string, string>, headers: Record<string, string>) =>
    gateway.fetch("/oauth/setup", {
      method: "POST",
      body: new URLSearchParams({ ...fields, decision: "approve", ...changes }).toString(),
      headers: { "content-type": "application/x-www-form-urlencoded", cookie, ...headers },
    });
  for (const csrf_token of ["", "wrong", foreign]) {
    assert.equal((await post({ csrf_token }, own)).status, 403);
  }
  for (
    const headers of [
      { "sec-fetch-site": "cross-site", origin: "https://evil.test" },
      { "sec-fetch-site": "same-site", origin: "https://sibling.test" },
      { origin: "https://evil.test" },
      { "sec-fetch-site": "cross-site" },
      { origin: "null" },
    ]
  ) assert.equal((await post({}, headers)).status, 403, JSON.stringify(headers));
  assert.deepEqual(await gateway.contents(), before);
  assert.equal((await post({}, own)).status, 303);
  assert.equal((await post({}, own)).status, 400, "decided once");
});

Deno.test("cookies are opaque, HttpOnly and Lax, and on https Secure with the __Host- prefix (AS-29)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const cookies: string[] = [];
  let url = authorizeUrl(gateway, client);
  for (let hop = 0; hop < 2; hop++) {
    const response = await gateway.fetch(url, {
      headers: { cookie: cookies.map((c) => c.split(";")[0]).join("; ") },
    });
    cookies.push(...response.headers.getSetCookie());
    url = new URL(response.headers.get("location") ?? "", gateway.origin);
  }
  assert.deepEqual(cookies.map((cookie) => cookie.split("=")[0]), ["sallyport_browser", "sallyport_session"]);
  for (const cookie of cookies) {
    assert.match(
      cookie,
      /^[a-z_]+=[a-z]{2}_[A-Za-z0-9_-]{43}; Max-Age=28800; Path=\/; HttpOnly; SameSite=Lax$/,
    );
  }
  await using secure = await watchedGateway(publicGateway());
  const remote = await registerClient(secure);
  const response = await secure.fetch(authorizeUrl(secure, remote));
  const [cookie = ""] = response.headers.getSetCookie();
  assert.match(cookie, /^__Host-sallyport_browser=[^;]+;.* Path=\/; HttpOnly; Secure; SameSite=Lax$/);
  assert.doesNotMatch(cookie, /Domain/i);
});

Deno.test("parameters that clients send unasked do no harm (AS-31, AS-32)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  for (
    const changes of [
      { scope: " offline_access openid  mcp:x" },
      { prompt: "consent", foo: "1", id_token_hint: "x.y.z", access_type: "offline" },
      { scope: null, nonce: "n", display: "popup", max_age: "0", ui_locales: "de" },
    ]
  ) {
    const tokens = await obtainTokens(gateway, client, { changes });
    assert.equal(tokens.scope, "mcp:tools");
  }
});

Deno.test("of the loopback hosts each is only itself; the port is free both ways (AS-18)", async () => {
  await using gateway = await watchedGateway();
  for (const host of ["localhost", "127.0.0.1", "[::1]"]) {
    for (const registered of [`http://${host}/callback?x=1`, `http://${host}:5555/callback?x=1`]) {
      const client = await registerClient(gateway, { redirect_uris: [registered] });
      const ask = async (redirect_uri: string) =>
        (await gateway.fetch(authorizeUrl(gateway, client, { redirect_uri }))).status;
      assert.equal(await ask(`http://${host}:58135/callback?x=1`), 303);
      assert.equal(await ask(`http://${host}:58135/callback2?x=1`), 400);
      assert.equal(await ask(`http://${host}:58135/callback`), 400);
      for (const other of ["localhost", "127.0.0.1", "[::1]"].filter((each) => each !== host)) {
        assert.equal(await ask(`http://${other}:58135/callback?x=1`), 400, `${host} ${other}`);
      }
    }
  }
});
