/** Attack corpus B6, the session: an opaque cookie of one host, new at every login, dead after sign-out. */
import assert from "node:assert/strict";
import { openSession } from "../../lib/login/session.ts";
import type { HeadlessBrowser, Page } from "../support/browser.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { authorizeUrl, callMcp, obtainTokens, registerClient } from "../support/oauth_flow.ts";
import { leaveForProvider, loginScene, signedInUser, signIn } from "./login_scene.ts";
import { type WatchedGateway, watchedGateway } from "./watched_gateway.ts";

const SESSION = "sallyport_session";

/** Signs in, and returns the setup page. */
async function setupPage(gateway: WatchedGateway, browser: HeadlessBrowser, user = "alice"): Promise<Page> {
  const page = await browser.get(authorizeUrl(gateway, await registerClient(gateway)));
  return page.url.pathname === "/oauth/dev-login" ? await browser.submit(page, { user }) : page;
}

/** Whom a request with these cookies belongs to, as the account page sees it: a name, or `null` for nobody. */
async function whoIs(gateway: WatchedGateway, cookie: string): Promise<string | null> {
  const response = await gateway.fetch("/account", { headers: { cookie } });
  const html = await response.text();
  if (response.status === 303) {
    assert.match(response.headers.get("location") ?? "", /dev-login|authorize/);
    return null;
  }
  assert.equal(response.status, 200, html);
  return /Signed in as <b><bdi>([^<]*)/.exec(html)?.[1] ?? "";
}

Deno.test("on https the session is a __Host- cookie: Secure, HttpOnly, Lax, of no domain, with 256 random bits (B6 097, AS-29)", async () => {
  await using scene = await loginScene({ origin: "https://gw.test" });
  const browser = scene.browser();
  const values = new Set<string>();
  for (let round = 0; round < 3; round++) {
    const callback = await fetch(await leaveForProvider(scene, browser, { prompt: "login" }), {
      redirect: "manual",
    });
    await callback.body?.cancel();
    const url = new URL(callback.headers.get("location") ?? "");
    const response = await scene.gateway.fetch(url, {
      headers: { cookie: browser.cookies.header(url) ?? "" },
    });
    const [cookie = "", ...others] = response.headers.getSetCookie();
    assert.deepEqual(others, []);
    const [pair = "", ...attributes] = cookie.split("; ");
    assert.deepEqual(attributes.sort(), ["HttpOnly", "Max-Age=28800", "Path=/", "SameSite=Lax", "Secure"]);
    const [, value = ""] = /^__Host-sallyport_session=se_([A-Za-z0-9_-]{43})$/.exec(pair) ?? [];
    assert.notEqual(value, "", pair);
    values.add(value);
    assert.doesNotMatch(cookie, /alice|domain/i);
  }
  assert.equal(values.size, 3);
});

Deno.test("a session that was put into the browser before the login is neither kept nor alive after it (B6 098)", async () => {
  await using gateway = await watchedGateway({ users: ["alice", "mallory"] });
  const attacker = gateway.browser();
  await setupPage(gateway, attacker, "mallory");
  const planted = attacker.cookies.get(new URL(gateway.origin), SESSION) ?? "";
  assert.equal(await whoIs(gateway, `${SESSION}=${planted}`), "mallory");
  const victim = gateway.browser();
  const plant = (value: string) =>
    victim.cookies.store(
      new URL(gateway.origin),
      new Headers({ "set-cookie": `${SESSION}=${value}; Path=/` }),
    );
  plant(planted);
  const login = await victim.get(authorizeUrl(gateway, await registerClient(gateway), { prompt: "login" }));
  await victim.submit(login, { user: "alice" });
  const fresh = victim.cookies.get(new URL(gateway.origin), SESSION) ?? "";
  assert.notEqual(fresh, planted);
  assert.equal(await whoIs(gateway, `${SESSION}=${fresh}`), "alice");
  assert.equal(await whoIs(gateway, `${SESSION}=${planted}`), null);
  // A value of the attacker's own making does not become a session by a login, either.
  plant("se_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
  const again = await victim.get(authorizeUrl(gateway, await registerClient(gateway)));
  await victim.submit(again, { user: "alice" });
  assert.equal(await whoIs(gateway, `${SESSION}=se_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA`), null);
});

Deno.test("cookies that a sibling domain can set are not looked at on https (B6 099)", async () => {
  await using scene = await loginScene({ origin: "https://gw.test" });
  const { gateway } = scene;
  const [alice, mallory] = [scene.browser(), scene.browser()];
  assert.equal(signedInUser(await signIn(scene, alice)), "alice");
  scene.idp.script = { subject: "mallory" };
  assert.equal(signedInUser(await signIn(scene, mallory)), "mallory");
  const at = new URL(gateway.origin);
  const [a, m] = [alice, mallory].map((browser) => browser.cookies.get(at, `__Host-${SESSION}`) ?? "");
  assert.equal(await whoIs(gateway, `${SESSION}=${m}; __Host-${SESSION}=${a}`), "alice");
  assert.equal(await whoIs(gateway, `__Host-${SESSION}=${a}; ${SESSION}=${m}`), "alice");
  for (const name of [SESSION, `__Secure-${SESSION}`, `__host-${SESSION}`, "gwsession"]) {
    assert.equal(await whoIs(gateway, `${name}=${m}`), null, name);
  }
  // The browser cookie binds logins: one that a sibling set binds none.
  const browser = scene.browser();
  const left = await leaveForProvider(scene, browser);
  const bound = browser.cookies.get(at, "__Host-sallyport_browser") ?? "";
  const callback = await fetch(left, { redirect: "manual" });
  await callback.body?.cancel();
  const response = await gateway.fetch(new URL(callback.headers.get("location") ?? ""), {
    headers: { cookie: `sallyport_browser=${bound}` },
  });
  assert.equal(response.status, 403);
});

Deno.test("a session cookie that is altered, cut, made up or over is nobody's (B6 100)", async () => {
  const clock = new FakeClock();
  await using gateway = await watchedGateway({ clock, users: ["alice", "bob"] });
  const browser = gateway.browser();
  await setupPage(gateway, browser);
  const value = browser.cookies.get(new URL(gateway.origin), SESSION) ?? "";
  assert.equal(await whoIs(gateway, `${SESSION}=${value}`), "alice");
  const flipped = value.slice(0, -1) + (value.endsWith("A") ? "B" : "A");
  for (
    const other of [
      flipped,
      value.slice(0, -1),
      `${value}A`,
      value.toLowerCase(),
      value.slice(3),
      `"${value}x"`,
      "",
      "se_",
      "%00",
      "%ZZ",
      "..",
      "__proto__",
      "x".repeat(60_000),
      `${btoa("alice")}.${"0".repeat(43)}`,
    ]
  ) assert.equal(await whoIs(gateway, `${SESSION}=${other}`), null, other.slice(0, 50));
  clock.advance({ seconds: 28_799 });
  assert.equal(await whoIs(gateway, `${SESSION}=${value}`), "alice");
  clock.advance({ seconds: 1 });
  assert.equal(await whoIs(gateway, `${SESSION}=${value}`), null);
});

Deno.test("after signing out a kept cookie, an old page and a waiting transaction are worth nothing (B6 102)", async () => {
  await using gateway = await watchedGateway({ users: ["alice", "bob"] });
  const client = await registerClient(gateway);
  const browser = gateway.browser();
  const tokens = await obtainTokens(gateway, client, { browser, user: "alice" });
  const waiting = await setupPage(gateway, browser);
  const account = await browser.get(`${gateway.origin}/account`);
  const kept = browser.cookies.header(account.url) ?? "";
  assert.equal(await whoIs(gateway, kept), "alice");
  const left = await browser.submit(account, { action: "sign_out" });
  assert.equal(left.url.pathname, "/");
  for (const name of [SESSION, "sallyport_browser"]) {
    assert.equal(browser.cookies.get(account.url, name), "", name);
  }
  assert.equal(await whoIs(gateway, kept), null);
  const before = [...(await gateway.contents(["login"])).keys()];
  const page = await browser.submit(waiting, { decision: "approve" });
  assert.equal(page.status, 403);
  // With the cookies of before, as a thief would: the session is gone, so there is a sign-in first.
  const replayed = await gateway.fetch("/oauth/setup", {
    method: "POST",
    body: new URLSearchParams({ ...Object.fromEntries(waiting.forms[0]?.preset ?? []), decision: "approve" })
      .toString(),
    headers: {
      "content-type": "application/x-www-form-urlencoded",
      "sec-fetch-site": "same-origin",
      cookie: kept,
    },
  });
  assert.equal(replayed.status, 303);
  assert.match(replayed.headers.get("location") ?? "", /^\/oauth\/dev-login\?/);
  assert.deepEqual([...(await gateway.contents(["login"])).keys()], before);
  // The user's apps were not signed out.
  assert.equal((await callMcp(gateway, "/alpha", tokens.access_token)).status, 200);
});

Deno.test("a session that is taken away on the server is over in the browser (B6 102)", async () => {
  await using gateway = await watchedGateway();
  const identity = { issuer: "urn:x", subject: "zoe", name: "zoe", email: null, emailVerified: false };
  const value = gateway.canary(await openSession(gateway.services, identity, 60));
  assert.equal(await whoIs(gateway, `${SESSION}=${value}`), "zoe");
  for await (const { key } of gateway.kv.list({ prefix: ["session"] })) await gateway.kv.delete(key);
  assert.equal(await whoIs(gateway, `${SESSION}=${value}`), null);
});

Deno.test("the browser cookie outlives whatever begins under it (AS-30)", async () => {
  await using gateway = await watchedGateway({ users: ["alice", "bob"] });
  const client = await registerClient(gateway);
  const browser = gateway.browser();
  await browser.get(authorizeUrl(gateway, client));
  const cookie = browser.cookies.header(new URL(gateway.origin)) ?? "";
  const next = await gateway.fetch(authorizeUrl(gateway, client), { headers: { cookie } });
  const [again = ""] = next.headers.getSetCookie();
  assert.ok(again.startsWith(`${cookie}; Max-Age=28800;`), "the same value for another eight hours");
  // What is no value of ours is replaced.
  for (const value of ["x", "br_", `br_${"A".repeat(42)}`, `br_${"A".repeat(43)}%0d%0a`]) {
    const response = await gateway.fetch(authorizeUrl(gateway, client), {
      headers: { cookie: `sallyport_browser=${value}` },
    });
    assert.match(response.headers.getSetCookie()[0] ?? "", /^sallyport_browser=br_[A-Za-z0-9_-]{43};/);
    assert.ok(!response.headers.getSetCookie()[0]?.includes(`=${value};`), value);
  }
});
