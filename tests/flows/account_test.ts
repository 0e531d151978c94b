/** The account page: which apps may act for whom, how to take that back, and the way out, here and at the provider. */
import assert from "node:assert/strict";
import { loginScene, signedInUser, signIn } from "../security/login_scene.ts";
import { watchedGateway } from "../security/watched_gateway.ts";
import type { HeadlessBrowser, Page } from "../support/browser.ts";
import { authorizeUrl, callMcp, obtainTokens, refresh, registerClient } from "../support/oauth_flow.ts";

function account(gateway: { readonly origin: string }, browser: HeadlessBrowser): Promise<Page> {
  return browser.get(`${gateway.origin}/account`);
}

function grantsOn(page: Page): string[] {
  return page.forms.flatMap((form) => new Map(form.preset).get("grant") ?? []);
}

Deno.test("the page lists a user's own apps by name and server, and nobody else's", async () => {
  await using gateway = await watchedGateway({ users: ["alice", "bob"] });
  const [one, two] = [
    await registerClient(gateway, { client_name: "First app" }),
    await registerClient(gateway, { client_name: "Second app" }),
  ];
  const [alice, bob] = [gateway.browser(), gateway.browser()];
  await obtainTokens(gateway, one, { browser: alice, user: "alice" });
  await obtainTokens(gateway, one, { browser: bob, user: "bob" });
  const empty = await account(gateway, await signedIn(gateway, "alice"));
  assert.equal(grantsOn(empty).length, 1);
  await obtainTokens(gateway, two, { browser: alice, changes: { resource: `${gateway.origin}/beta` } });
  const page = await account(gateway, alice);
  assert.equal(page.status, 200);
  assert.match(page.html, /Signed in as <b><bdi>alice/);
  assert.match(page.html, /First app/);
  assert.match(page.html, /Second app/);
  assert.equal(grantsOn(page).length, 2);
  assert.equal(grantsOn(await account(gateway, bob)).length, 1);
});

async function signedIn(
  gateway: Parameters<typeof registerClient>[0],
  user: string,
): Promise<HeadlessBrowser> {
  const browser = gateway.browser();
  const login = await browser.get(`${gateway.origin}/account`);
  await browser.submit(login, { user });
  return browser;
}

Deno.test("revoking an app ends its tokens at once, and no other's", async () => {
  await using gateway = await watchedGateway({ users: ["alice", "bob"] });
  const client = await registerClient(gateway);
  const browser = gateway.browser();
  const first = await obtainTokens(gateway, client, { browser, user: "alice" });
  const second = await obtainTokens(gateway, client, {
    browser,
    changes: { resource: `${gateway.origin}/beta` },
  });
  const page = await account(gateway, browser);
  const form = page.forms.find((each) => new Map(each.preset).has("grant"));
  const after = await browser.submit({ ...page, forms: form === undefined ? [] : [form] }, {
    action: "revoke",
  });
  assert.equal(after.url.pathname, "/account");
  assert.equal(grantsOn(after).length, 1);
  const statuses = [
    (await callMcp(gateway, "/alpha", first.access_token)).status,
    (await callMcp(gateway, "/beta", second.access_token)).status,
  ];
  assert.deepEqual(statuses.toSorted(), [200, 401]);
  const dead = statuses[0] === 401 ? first : second;
  assert.equal((await refresh(gateway, client, dead.refresh_token)).status, 400);
});

Deno.test("nobody revokes somebody else's app, nor one that is not there", async () => {
  await using gateway = await watchedGateway({ users: ["alice", "bob"] });
  const client = await registerClient(gateway);
  const [alice, bob] = [gateway.browser(), gateway.browser()];
  const alices = await obtainTokens(gateway, client, { browser: alice, user: "alice" });
  await obtainTokens(gateway, client, { browser: bob, user: "bob" });
  const [theirs = ""] = grantsOn(await account(gateway, alice));
  const page = await account(gateway, bob);
  const csrf = new Map(page.forms[0]?.preset ?? []).get("csrf_token") ?? "";
  const before = await gateway.contents();
  for (const grant of [theirs, "", "unknown", "x".repeat(5_000), "../x"]) {
    const response = await gateway.fetch("/account", {
      method: "POST",
      body: new URLSearchParams({ csrf_token: csrf, action: "revoke", grant }).toString(),
      headers: {
        "content-type": "application/x-www-form-urlencoded",
        "sec-fetch-site": "same-origin",
        cookie: bob.cookies.header(page.url) ?? "",
      },
    });
    assert.deepEqual([response.status, response.headers.get("location")], [303, "/account"]);
  }
  assert.deepEqual(await gateway.contents(), before);
  assert.equal((await callMcp(gateway, "/alpha", alices.access_token)).status, 200);
});

Deno.test("without a session the page leads to the sign-in and back", async () => {
  await using scene = await loginScene();
  const page = await account(scene.gateway, scene.browser());
  assert.deepEqual([page.status, page.url.pathname], [200, "/account"]);
  assert.match(page.html, /alice/);
});

Deno.test("signing out ends the session here and goes on to the provider that says where (AS-30)", async () => {
  const end = "https://idp.test/session/end?tenant=a";
  await using scene = await loginScene({ script: { metadata: { end_session_endpoint: end } } });
  const { gateway, idp } = scene;
  const browser = scene.browser();
  assert.equal(signedInUser(await signIn(scene, browser)), "alice");
  const page = await account(gateway, browser);
  const left = await browser.submit(page, { action: "sign_out" }, {
    stopAt: (url) => url.host === "idp.test",
  });
  assert.ok(left.left);
  assert.deepEqual(Object.fromEntries(left.url.searchParams), {
    tenant: "a",
    client_id: idp.clientId,
    post_logout_redirect_uri: `${gateway.origin}/`,
  });
  assert.deepEqual([...(await gateway.contents()).keys()].filter((key) => key.startsWith('["session"')), []);
  const back = await browser.get(page.url, { stopAt: (url) => url.origin === idp.origin });
  assert.ok(back.left, "anonymous again");
});

Deno.test("signing out works while the provider does not answer, and does not follow it anywhere odd", async () => {
  for (
    const script of [
      { discovery: { status: 500 } },
      { discovery: { hang: "answer" } },
      { metadata: { end_session_endpoint: "javascript:alert(1)" } },
      { metadata: { end_session_endpoint: "/relative" } },
      { metadata: { issuer: "https://evil.test", end_session_endpoint: "https://evil.test/" } },
      { discovery: { status: 203 }, metadata: { end_session_endpoint: "https://evil.test/" } },
    ] as const
  ) {
    await using scene = await loginScene({ script, remoteTimeoutMs: 1_000 });
    const browser = scene.browser();
    assert.equal(signedInUser(await signIn(scene, browser)), "alice");
    const left = await browser.submit(await account(scene.gateway, browser), { action: "sign_out" });
    assert.deepEqual([left.url.href, left.status], [`${scene.gateway.origin}/`, 200], JSON.stringify(script));
    const again = await browser.get(`${scene.gateway.origin}/account`, {
      stopAt: (url) => url.origin === scene.idp.origin,
    });
    assert.ok(again.left);
  }
});

Deno.test('"use another account" ends this session only, asks the provider for a sign-in, and comes back to the same request', async () => {
  await using scene = await loginScene();
  const { gateway, client, idp } = scene;
  const browser = scene.browser();
  const page = await signIn(scene, browser);
  const elsewhere = scene.browser();
  assert.equal(signedInUser(await signIn(scene, elsewhere)), "alice");
  const left = await browser.submit(page, { decision: "switch" }, {
    stopAt: (url) => url.origin === idp.origin,
  });
  assert.equal(left.url.searchParams.get("prompt"), "login");
  idp.script = { subject: "bob" };
  const again = await browser.get(left.url, { from: page });
  assert.equal(signedInUser(again), "bob");
  assert.equal(again.url.href, page.url.href);
  const end = await browser.submit(again, { decision: "approve" }, {
    stopAt: (url) => url.href.startsWith(client.redirectUri),
  });
  assert.ok(end.url.searchParams.has("code"));
  assert.match((await account(gateway, elsewhere)).html, /alice/);
  assert.equal((await elsewhere.get(authorizeUrl(gateway, client))).url.pathname, "/oauth/setup");
});
