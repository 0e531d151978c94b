/** Attack corpus B6, what pages show and how they may be shown: no frames, no markup of others, whatever the page. */
import assert from "node:assert/strict";
import { mcpProxy } from "../../mod.ts";
import { HeadlessBrowser } from "../support/browser.ts";
import { authorizeUrl, registerClient } from "../support/oauth_flow.ts";
import { answerOf, leaveForProvider, loginScene, signIn } from "./login_scene.ts";
import { watchedGateway } from "./watched_gateway.ts";

/** Every HTML answer that passes through `fetch`. */
function collecting(fetch: (url: string | URL, init?: RequestInit) => Promise<Response>) {
  const pages: { what: string; headers: Headers; html: string; status: number }[] = [];
  return {
    pages,
    fetch: async (url: string | URL, init?: RequestInit) => {
      const response = await fetch(url, init);
      const html = await response.text();
      if (response.headers.get("content-type")?.startsWith("text/html")) {
        const what = `${init?.method ?? "GET"} ${new URL(url, "http://x").pathname} ${response.status}`;
        pages.push({ what, headers: response.headers, html, status: response.status });
      }
      const { status, headers } = response;
      return new Response(html === "" ? null : html, { status, headers });
    },
  };
}

Deno.test("no page can be framed, sniffed, cached, scripted or refer to where it was, errors included (B6 093, AS-28)", async () => {
  await using gateway = await watchedGateway({ users: ["alice", "bob"] });
  const client = await registerClient(gateway);
  const seen = collecting(gateway.fetch);
  const browser = new HeadlessBrowser({
    fetch: (input, init) => seen.fetch(input instanceof Request ? input.url : input, init),
  });
  const login = await browser.get(authorizeUrl(gateway, client));
  const consent = await browser.submit(login, { user: "alice" });
  await browser.get(`${gateway.origin}/account`);
  await browser.get(`${gateway.origin}/`);
  await browser.get(authorizeUrl(gateway, client, { client_id: "unknown" }));
  await browser.get(`${gateway.origin}/oauth/setup`);
  await browser.get(`${gateway.origin}/oauth/setup?transaction=x`);
  await browser.get(`${gateway.origin}/oauth/dev-login?login=x`);
  for (const path of ["/oauth/setup", "/oauth/dev-login", "/account"]) {
    for (const headers of [{ origin: "https://evil.test" }, { "content-type": "application/json" }]) {
      await seen.fetch(path, { method: "POST", body: "{}", headers });
    }
  }
  await seen.fetch("/oauth/dev-login?login=x", { peer: "192.0.2.1" } as RequestInit);
  await browser.submit(consent, { decision: "switch" });
  const kinds = new Set(seen.pages.map(({ what }) => what));
  assert.ok(kinds.size >= 11, [...kinds].join("\n"));
  for (const { what, headers, html } of seen.pages) checkPage(what, headers, html);

  await using scene = await loginScene({ expect5xx: [502] });
  const errors = collecting(scene.gateway.fetch);
  const state = await leaveForProvider(scene, scene.browser());
  for (
    const path of [
      "/oauth/callback",
      "/oauth/callback?state=x&code=y",
      `/oauth/callback?state=${state.searchParams.get("state")}`,
    ]
  ) {
    await errors.fetch(path);
  }
  assert.equal(errors.pages.length, 3);
  for (const { what, headers, html } of errors.pages) checkPage(what, headers, html);
});

function checkPage(what: string, headers: Headers, html: string): void {
  const policy = headers.get("content-security-policy") ?? "";
  for (const directive of ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"]) {
    assert.ok(policy.split("; ").includes(directive), `${what}: ${policy}`);
  }
  assert.doesNotMatch(policy, /unsafe|\*|data:|https?:/, what);
  assert.equal(headers.get("x-frame-options"), "DENY", what);
  assert.equal(headers.get("x-content-type-options"), "nosniff", what);
  assert.equal(headers.get("referrer-policy"), "no-referrer", what);
  assert.equal(headers.get("cache-control"), "no-store", what);
  assert.equal(headers.get("access-control-allow-origin"), null, what);
  assert.doesNotMatch(html, /<script|<style|\son[a-z]+=|javascript:|\sstyle=/i, what);
}

const XSS = [
  `<script>alert(1)</script>`,
  `"><img src=x onerror=alert(1)>`,
  `'><svg/onload=alert(1)>`,
  `</title><script>alert(1)</script>`,
  `{{constructor.constructor('alert(1)')()}}`,
  `&lt;script&gt;alert(1)&lt;/script&gt;`,
  `\u202e<b>`,
];

/** Markup that would live, had it come through. */
const ALIVE = /<script>alert|<img src=x|<svg\/onload|onerror=alert\(1\)>|<b>\s*$/;

Deno.test("what a request says comes back as text, or not at all (B6 095)", async () => {
  await using gateway = await watchedGateway({ users: ["alice", "bob"] });
  const client = await registerClient(gateway);
  for (const payload of XSS) {
    const browser = gateway.browser();
    const texts: string[] = [];
    for (
      const changes of [
        { state: payload },
        { scope: payload },
        { client_id: payload },
        { redirect_uri: payload },
        { resource: payload },
        { login_hint: payload },
        { [payload]: payload },
      ]
    ) {
      const response = await gateway.fetch(authorizeUrl(gateway, client, changes));
      texts.push(await response.text());
      // Nothing leaves a header, either.
      assert.doesNotMatch(
        JSON.stringify([...response.headers]),
        /<script|onerror=|<svg/,
        JSON.stringify(changes),
      );
    }
    const login = await browser.get(
      authorizeUrl(gateway, client, { state: payload, scope: payload, login_hint: payload }),
    );
    const page = await browser.submit(login, { user: "alice" });
    texts.push(login.html, page.html);
    for (
      const query of ["error", "error_description", "operationId", "transaction", "login", "state", "code"]
    ) {
      for (const path of ["/oauth/setup", "/oauth/dev-login", "/account", "/"]) {
        const url = new URL(path, gateway.origin);
        url.searchParams.set(query, payload);
        const { html } = await browser.get(url);
        texts.push(html);
      }
    }
    for (const text of texts) assert.doesNotMatch(text, ALIVE, payload);
    const end = await browser.submit(page, { decision: "approve" }, {
      stopAt: (url) => url.hostname === "client.example",
    });
    assert.equal(end.url.searchParams.get("state"), payload);
  }
});

Deno.test("what an app, a route or a provider calls itself is text on every page (B6 095, B6 096)", async () => {
  const [payload = "", image = ""] = XSS;
  await using gateway = await watchedGateway({
    users: [image, "alice"],
    config: (upstream) => ({
      routes: [mcpProxy("/alpha", { operationId: "alpha", summary: payload, description: image, upstream })],
    }),
  });
  const client = await registerClient(gateway, {
    client_name: payload,
    client_uri: "https://client.example/%3Cscript%3E",
  });
  const browser = gateway.browser();
  const login = await browser.get(authorizeUrl(gateway, client));
  const page = await browser.submit(login, { user: image });
  const end = await browser.submit(page, { decision: "approve" }, {
    stopAt: (url) => url.hostname === "client.example",
  });
  assert.ok(end.left);
  const account = await browser.get(`${gateway.origin}/account`);
  const landing = await browser.get(`${gateway.origin}/`);
  for (const { html, url, status } of [login, page, account, landing]) {
    assert.equal(status, 200, url.pathname);
    assert.doesNotMatch(html, ALIVE, url.pathname);
    assert.match(html, /&lt;(script|img)/, url.pathname);
  }

  await using scene = await loginScene({
    script: { claims: { name: payload, email: `${image}@evil.test` } },
  });
  const signedIn = await signIn(scene);
  assert.equal(signedIn.status, 200);
  assert.doesNotMatch(signedIn.html, ALIVE);
  assert.match(signedIn.html, /&lt;script/);
  scene.idp.script = {
    authorizationResponse: { error: payload, error_description: payload, code: undefined },
  };
  const browser2 = scene.browser();
  const refused = await browser2.get(await answerOf(await leaveForProvider(scene, browser2)));
  assert.equal(refused.status, 403);
  assert.doesNotMatch(refused.html, /alert/);
});
