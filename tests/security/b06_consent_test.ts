/** Attack corpus B6, consent: one exact tuple, in one browser, by one user, with a click. */
import assert from "node:assert/strict";
import { tokenId } from "../../lib/crypto/secret_token.ts";
import { authorizationCodes, authorizations, grants } from "../../lib/store/schema.ts";
import type { HeadlessBrowser, Page } from "../support/browser.ts";
import {
  authorizeUrl,
  callMcp,
  obtainCode,
  obtainTokens,
  registerClient,
  type TestClient,
} from "../support/oauth_flow.ts";
import { assertRedirect } from "./answers.ts";
import { type WatchedGateway, watchedGateway } from "./watched_gateway.ts";

const ISSUED = ["authorization_code", "grant", "grant_by_user", "access_token", "refresh_token"];

/** Rows of what a consent issues. */
async function issued(gateway: WatchedGateway): Promise<string[]> {
  return [...(await gateway.contents()).keys()].filter((key) => ISSUED.includes(JSON.parse(key)[0]));
}

function stopAt(client: TestClient): { readonly stopAt: (url: URL) => boolean } {
  return { stopAt: (url) => url.href.startsWith(client.redirectUri) };
}

async function consentPage(
  gateway: WatchedGateway,
  client: TestClient,
  browser: HeadlessBrowser,
  changes: Parameters<typeof authorizeUrl>[2] = {},
): Promise<Page> {
  const page = await browser.get(authorizeUrl(gateway, client, changes), stopAt(client));
  assert.equal(page.left, false, "no code without a click");
  assert.deepEqual([page.status, page.url.pathname], [200, "/oauth/setup"]);
  return page;
}

Deno.test("a new client of a user with a live session is named on a full page, and gets nothing before the click (B6 086, AS-26)", async () => {
  await using gateway = await watchedGateway();
  const honest = await registerClient(gateway, { client_name: "Honest app" });
  const mallory = await registerClient(gateway, {
    client_name: "Mallory's app",
    redirect_uris: ["https://evil.test/cb"],
  });
  const browser = gateway.browser();
  await obtainCode(gateway, honest, { browser });
  const before = await issued(gateway);
  const page = await consentPage(gateway, mallory, browser);
  assert.match(page.html, /Mallory&#39;s app|Mallory's app/);
  assert.match(page.html, /evil\.test/);
  assert.doesNotMatch(page.html, /Honest app/);
  // Neither looking at the page again, nor asking without a page, is a click.
  await browser.get(page.url);
  const silent = await browser.get(authorizeUrl(gateway, mallory, { prompt: "none" }), stopAt(mallory));
  assert.equal(silent.url.searchParams.get("error"), "consent_required");
  assert.deepEqual(await issued(gateway), before);
});

Deno.test("a consent is for one redirect URI, one set of scopes and one route, and is asked for again (B6 087)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway, {
    redirect_uris: ["https://client.example/callback", "https://client.example/second"],
  });
  const browser = gateway.browser();
  await obtainTokens(gateway, client, { browser });
  const second = { ...client, redirectUri: "https://client.example/second" };
  for (
    const [asking, changes, shown] of [
      [second, {}, "client.example"],
      [client, { scope: "mcp:tools offline_access" }, "mcp:tools"],
      [client, { resource: `${gateway.origin}/beta` }, "/beta"],
      [client, {}, "/alpha"],
    ] as const
  ) {
    const page = await consentPage(gateway, asking, browser, changes);
    assert.ok(page.html.includes(shown), shown);
    const end = await browser.submit(page, { decision: "approve" }, stopAt(asking));
    const code = await gateway.services.store.get(
      authorizationCodes,
      tokenId(end.url.searchParams.get("code") ?? ""),
    );
    const grant = await gateway.services.store.get(grants, code?.value.grantId ?? "");
    assert.equal(grant?.value.redirectUri, asking.redirectUri);
    assert.equal(
      grant?.value.resource,
      "resource" in changes ? changes.resource : `${gateway.origin}/alpha`,
    );
    assert.deepEqual(grant?.value.scope, ["mcp:tools"]);
  }
});

Deno.test("another browser neither sees nor decides a transaction, with or without a session of its own (B6 091)", async () => {
  await using gateway = await watchedGateway({ users: ["alice", "mallory"] });
  const client = await registerClient(gateway, { client_name: "Mallory's app" });
  const attacker = gateway.browser();
  const login = await attacker.get(authorizeUrl(gateway, client));
  const theirs = await attacker.submit(login, { user: "mallory" });
  assert.equal(theirs.url.pathname, "/oauth/setup");
  const victim = gateway.browser();
  await obtainCode(gateway, await registerClient(gateway), { browser: victim, user: "alice" });
  const before = await gateway.contents();
  for (const browser of [victim, gateway.browser()]) {
    const page = await browser.get(theirs.url, stopAt(client));
    assert.deepEqual([page.status, page.left], [403, false]);
    assert.doesNotMatch(page.html, /Mallory|csrf_token/);
    // The form itself, as if its page had been copied over.
    const posted = await gateway.fetch("/oauth/setup", {
      method: "POST",
      body: new URLSearchParams({
        ...Object.fromEntries(theirs.forms[0]?.preset ?? []),
        decision: "approve",
      }).toString(),
      headers: {
        "content-type": "application/x-www-form-urlencoded",
        "sec-fetch-site": "same-origin",
        cookie: browser.cookies.header(theirs.url) ?? "",
      },
    });
    assert.equal(posted.status, 403);
    assert.equal(posted.headers.get("location"), null);
  }
  assert.deepEqual(await gateway.contents(), before);
  const end = await attacker.submit(theirs, { decision: "approve" }, stopAt(client));
  assert.ok(end.url.searchParams.has("code"), "it was not used up by the others");
});

Deno.test("two tabs of one page both work, and the second decision is told that there was one (B6 092)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const browser = gateway.browser();
  const first = await consentPage(gateway, client, browser);
  const second = await browser.get(first.url);
  assert.deepEqual(second.forms[0]?.preset, first.forms[0]?.preset);
  const end = await browser.submit(first, { decision: "approve" }, stopAt(client));
  assert.ok(end.url.searchParams.has("code"));
  const late = await browser.submit(second, { decision: "approve" }, stopAt(client));
  assert.deepEqual([late.left, late.status], [false, 400]);
  assert.match(late.html, /already decided/);
});

Deno.test("the user's no goes to the client, is not kept, and is asked for again (B6 094)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const browser = gateway.browser();
  for (let round = 0; round < 2; round++) {
    const page = await consentPage(gateway, client, browser);
    const left = await browser.submit(page, { decision: "cancel" }, stopAt(client));
    const told = new Response(null, { status: 303, headers: { location: left.url.href } });
    assertRedirect(told, "access_denied", { iss: gateway.origin });
    assert.deepEqual(await issued(gateway), []);
    const again = await browser.submit(page, { decision: "approve" }, stopAt(client));
    assert.deepEqual([again.left, again.status], [false, 400]);
  }
});

Deno.test("the page names the redirect host as machines read it, and warns of local apps (B6 096, AS-27)", async () => {
  await using gateway = await watchedGateway();
  const browser = gateway.browser();
  const puny = await registerClient(gateway, { redirect_uris: ["https://xn--pple-43d.com/cb"] });
  const page = await consentPage(gateway, puny, browser);
  assert.match(page.html, /xn--pple-43d\.com/);
  assert.doesNotMatch(page.html, /аpple/);
  assert.doesNotMatch(page.html, /runs on your computer/);
  assert.match(page.html, /mcp:tools/);
  const local = await registerClient(gateway, {
    redirect_uris: ["http://127.0.0.1/cb", "http://localhost/cb"],
    client_uri: "https://publisher.example/about",
  });
  const warned = await consentPage(gateway, local, browser);
  assert.match(warned.html, /runs on your computer/);
  assert.match(warned.html, /publisher\.example<\/code>, which nobody has checked/);
  const mixed = await registerClient(gateway, {
    redirect_uris: ["http://127.0.0.1/cb", "https://client.example/cb"],
  });
  assert.doesNotMatch((await consentPage(gateway, mixed, browser)).html, /runs on your computer/);
});

Deno.test("a transaction of one user is not decided by the next one in the same browser (B6 103)", async () => {
  await using gateway = await watchedGateway({ users: ["alice", "bob"] });
  const client = await registerClient(gateway);
  const browser = gateway.browser();
  const signIn = async (user: string) => {
    const login = await browser.get(authorizeUrl(gateway, client, { prompt: "login" }));
    return await browser.submit(login, { user });
  };
  const alices = await signIn("alice");
  assert.equal(alices.url.pathname, "/oauth/setup");
  const bobs = await signIn("bob");
  assert.match(bobs.html, /bob/);
  const before = await issued(gateway);
  for (
    const page of [
      await browser.get(alices.url),
      await browser.submit(alices, { decision: "approve" }, stopAt(client)),
      await browser.submit(alices, { decision: "cancel" }, stopAt(client)),
      await browser.submit(alices, { decision: "switch" }, stopAt(client)),
    ]
  ) {
    assert.deepEqual([page.status, page.left], [403, false]);
    assert.match(page.html, /Somebody else started this/);
  }
  assert.deepEqual(await issued(gateway), before);
  const end = await browser.submit(bobs, { decision: "approve" }, stopAt(client));
  assert.ok(end.url.searchParams.has("code"));
});

Deno.test("nothing is issued before the click, in whatever order the pages come (B6 104)", async () => {
  await using gateway = await watchedGateway({ users: ["alice", "bob"] });
  const client = await registerClient(gateway);
  const browser = gateway.browser();
  const login = await browser.get(authorizeUrl(gateway, client));
  assert.equal(login.url.pathname, "/oauth/dev-login");
  assert.deepEqual(await issued(gateway), []);
  // The page of the consent, before anybody has signed in, leads to the sign-in.
  const [waiting] = await Array.fromAsync(gateway.services.store.list(authorizations));
  const transaction = waiting?.value.transactionId ?? "";
  const skipped = await browser.get(`${gateway.origin}/oauth/setup?transaction=${transaction}`);
  assert.equal(skipped.url.pathname, "/oauth/dev-login");
  const page = await browser.submit(skipped, { user: "alice" });
  assert.equal(page.url.pathname, "/oauth/setup");
  assert.deepEqual(await issued(gateway), []);
  const left = await browser.submit(page, { decision: "approve" }, stopAt(client));
  assert.equal((await issued(gateway)).length, 3);
  assert.ok(left.url.searchParams.has("code"));
});

Deno.test("a decision that is none decides nothing (B6 088)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const browser = gateway.browser();
  const page = await consentPage(gateway, client, browser);
  for (const decision of ["", "APPROVE", "approve ", "deny", "__proto__", null]) {
    const response = await gateway.fetch("/oauth/setup", {
      method: "POST",
      body: new URLSearchParams({
        ...Object.fromEntries(page.forms[0]?.preset ?? []),
        ...(decision === null ? {} : { decision }),
      }).toString(),
      headers: {
        "content-type": "application/x-www-form-urlencoded",
        "sec-fetch-site": "same-origin",
        cookie: browser.cookies.header(page.url) ?? "",
      },
    });
    assert.equal(response.status, 400, String(decision));
    assert.deepEqual(await issued(gateway), []);
  }
  const tokens = await obtainTokens(gateway, client, { browser });
  assert.equal((await callMcp(gateway, "/alpha", tokens.access_token)).status, 200);
});
