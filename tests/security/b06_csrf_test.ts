/** Attack corpus B6, requests that another site or another browser makes for the user. */
import assert from "node:assert/strict";
import { HeadlessBrowser, type Page } from "../support/browser.ts";
import { authorizeUrl, registerClient } from "../support/oauth_flow.ts";
import { answerOf, leaveForProvider, loginScene, signedInUser, signIn } from "./login_scene.ts";
import { type WatchedGateway, watchedGateway } from "./watched_gateway.ts";

const OWN = { origin: "null", "sec-fetch-site": "same-origin" };

/** Headers with which our own pages never post. */
const FOREIGN: readonly Record<string, string>[] = [
  { origin: "https://evil.test" },
  { origin: "https://evil.test", "sec-fetch-site": "cross-site" },
  { origin: "null", "sec-fetch-site": "cross-site" },
  { "sec-fetch-site": "cross-site" },
  { "sec-fetch-site": "same-site" },
  { "sec-fetch-site": "SAME-ORIGIN" },
  { "sec-fetch-site": "" },
  { origin: "null" },
  { origin: "http://127.0.0.1:9001", "sec-fetch-site": "same-site" },
  { origin: "http://127.0.0.1:9000.evil.test", "sec-fetch-site": "same-origin" },
  { origin: "http://localhost:9000", "sec-fetch-site": "same-origin" },
  { origin: "https://127.0.0.1:9000", "sec-fetch-site": "same-origin" },
];

/** Posts the first form of a page with its own cookies, changed. */
async function post(
  gateway: WatchedGateway,
  browser: HeadlessBrowser,
  page: Page,
  options: {
    readonly fields?: Readonly<Record<string, string | null>>;
    readonly headers?: Readonly<Record<string, string>>;
  },
): Promise<Response> {
  const body = new URLSearchParams([...page.forms[0]?.preset ?? []].map(([n, v]) => [n, v]));
  for (const [name, value] of Object.entries(options.fields ?? {})) {
    if (value === null) body.delete(name);
    else body.set(name, value);
  }
  return await gateway.fetch(new URL(page.forms[0]?.action ?? "", page.url), {
    method: "POST",
    body: body.toString(),
    headers: {
      "content-type": "application/x-www-form-urlencoded",
      cookie: browser.cookies.header(page.url) ?? "",
      ...OWN,
      ...options.headers,
    },
  });
}

function csrfOf(page: Page): string {
  return new Map(page.forms[0]?.preset ?? []).get("csrf_token") ?? "";
}

/** The three forms of a browser: the local login, the consent, the account. */
async function forms(gateway: WatchedGateway) {
  const client = await registerClient(gateway);
  const browser = gateway.browser();
  const login = await browser.get(authorizeUrl(gateway, client));
  const consent = await browser.submit(login, { user: "alice" });
  const account = await browser.get(`${gateway.origin}/account`);
  // The login that is over is replaced by one that waits.
  const waiting = await browser.get(authorizeUrl(gateway, client, { prompt: "login" }));
  return {
    browser,
    pages: [
      [waiting, { user: "alice" }],
      [consent, { decision: "approve" }],
      [account, { action: "sign_out" }],
    ] as const,
  };
}

Deno.test("a form without its own token is 403 and changes nothing (B6 088, AS-28)", async () => {
  await using gateway = await watchedGateway({ users: ["alice", "bob"] });
  const [mine, theirs] = [await forms(gateway), await forms(gateway)];
  const before = await gateway.contents();
  for (const [index, [page, decision]] of mine.pages.entries()) {
    const foreign = csrfOf(theirs.pages[index]?.[0] ?? page);
    const ofOtherForm = csrfOf(mine.pages[(index + 1) % 3]?.[0] ?? page);
    assert.notEqual(foreign, csrfOf(page));
    for (
      const csrf_token of [null, "", "wrong", foreign, ofOtherForm, `${csrfOf(page)}x`, csrfOf(page).slice(1)]
    ) {
      const response = await post(gateway, mine.browser, page, { fields: { ...decision, csrf_token } });
      assert.equal(response.status, 403, `${page.url.pathname} ${csrf_token}`);
      assert.equal(response.headers.get("location"), null);
      assert.equal(response.headers.get("set-cookie"), null);
    }
  }
  assert.deepEqual(await gateway.contents(), before);
  for (const [page, fields] of mine.pages.slice(1)) {
    assert.equal((await post(gateway, mine.browser, page, { fields })).status, 303);
  }
});

Deno.test("a decision counts once: what was decided is gone, and issues nothing again (B6 088)", async () => {
  await using gateway = await watchedGateway({ users: ["alice", "bob"] });
  const { browser, pages: [, [consent, fields]] } = await forms(gateway);
  assert.equal((await post(gateway, browser, consent, { fields })).status, 303);
  const before = await gateway.contents();
  const again = await post(gateway, browser, consent, { fields });
  // The transaction and its token are gone together, so this is not told apart from one that never was.
  assert.deepEqual([again.status, again.headers.get("location")], [400, null]);
  assert.deepEqual(await gateway.contents(), before);
});

Deno.test("a form that another site sends is 403 and changes nothing (B6 089, AS-28)", async () => {
  await using gateway = await watchedGateway({ users: ["alice", "bob"] });
  const { browser, pages } = await forms(gateway);
  const before = await gateway.contents();
  for (const [page, fields] of pages) {
    for (const headers of FOREIGN) {
      const sent = { ...headers };
      const response = await gateway.fetch(new URL(page.forms[0]?.action ?? "", page.url), {
        method: "POST",
        body: new URLSearchParams({ ...Object.fromEntries(page.forms[0]?.preset ?? []), ...fields })
          .toString(),
        headers: {
          "content-type": "application/x-www-form-urlencoded",
          cookie: browser.cookies.header(page.url) ?? "",
          ...sent,
        },
      });
      assert.equal(response.status, 403, `${page.url.pathname} ${JSON.stringify(headers)}`);
      assert.equal(response.headers.get("location"), null);
    }
  }
  assert.deepEqual(await gateway.contents(), before);
});

Deno.test("a browser on another site does not even send its cookies along with a post (B6 089)", async () => {
  await using gateway = await watchedGateway({ users: ["alice", "bob"] });
  const { browser, pages: [, [consent]] } = await forms(gateway);
  const evil = new URL("https://evil.test/");
  assert.equal(browser.cookies.header(consent.url, { initiator: evil, method: "POST" }), null);
  assert.notEqual(browser.cookies.header(consent.url, { initiator: evil, method: "GET" }), null);
});

Deno.test("forms are read from the body and as a form only (B6 088)", async () => {
  await using gateway = await watchedGateway({ users: ["alice", "bob"] });
  const { browser, pages } = await forms(gateway);
  const before = await gateway.contents();
  for (const [page, fields] of pages) {
    const all = { ...Object.fromEntries(page.forms[0]?.preset ?? []), ...fields };
    const cookie = browser.cookies.header(page.url) ?? "";
    const action = new URL(page.forms[0]?.action ?? "", page.url);
    for (
      const [type, body] of [
        ["application/json", JSON.stringify(all)],
        ["text/plain", new URLSearchParams(all).toString()],
        ["multipart/form-data; boundary=x", "--x--"],
      ] as const
    ) {
      const response = await gateway.fetch(action, {
        method: "POST",
        body,
        headers: { "content-type": type, cookie, ...OWN },
      });
      assert.ok(
        response.status >= 400 && response.status < 500,
        `${page.url.pathname} ${type} ${response.status}`,
      );
    }
    const inQuery = await gateway.fetch(`${action}?${new URLSearchParams(all)}`, {
      method: "POST",
      body: "",
      headers: { "content-type": "application/x-www-form-urlencoded", cookie, ...OWN },
    });
    assert.ok(inQuery.status >= 400 && inQuery.status < 500, `${page.url.pathname} ${inQuery.status}`);
  }
  assert.deepEqual(await gateway.contents(), before);
});

Deno.test("the provider's address of an attacker's own login, opened by a victim, ends in 403 (B6 090)", async () => {
  await using scene = await loginScene();
  const attacker = scene.browser();
  const captured = await leaveForProvider(scene, attacker);
  const victim = scene.browser();
  // The victim is signed in here already, which must not help.
  scene.idp.script = { subject: "victim" };
  assert.equal(signedInUser(await signIn(scene, victim)), "victim");
  const before = await scene.gateway.contents();
  const page = await victim.get(captured);
  assert.deepEqual([page.url.pathname, page.status], ["/oauth/callback", 403]);
  assert.deepEqual(await scene.gateway.contents(), before);
  assert.equal(scene.idp.tokenRequests.length, 1);
  // Nor does the attacker find the victim in the own browser: the provider's answer went elsewhere.
  assert.equal(
    (await attacker.get(`${scene.gateway.origin}/account`, {
      stopAt: (url) => url.origin === scene.idp.origin,
    })).left,
    true,
  );
});

Deno.test("an attacker's code and state do not sign a victim in as the attacker (B6 101)", async () => {
  await using scene = await loginScene({ script: { subject: "mallory" } });
  const attacker = scene.browser();
  const poisoned = await answerOf(await leaveForProvider(scene, attacker));
  const victim = scene.browser();
  await leaveForProvider(scene, victim);
  const evil: Page = { ...await victim.get(`${scene.gateway.origin}/`), url: new URL("https://evil.test/") };
  const page = await victim.get(poisoned, { from: evil });
  assert.equal(page.status, 403);
  assert.equal(victim.cookies.get(new URL(scene.gateway.origin), "sallyport_session"), undefined);
  assert.equal(scene.idp.tokenRequests.length, 0);
});
