/** Attack corpus B4, what leaves the authorization endpoint: redirects, pages, and answers to other methods. */
import assert from "node:assert/strict";
import { HeadlessBrowser } from "../support/browser.ts";
import { authorizeUrl, obtainCode, registerClient } from "../support/oauth_flow.ts";
import { assertRedirect } from "./answers.ts";
import { BROWSER_ROWS, watchedGateway } from "./watched_gateway.ts";

const iss = "http://127.0.0.1:9000";

Deno.test("state returns as it came, or is refused, and adds nothing to the redirect (B4 072, AS-25)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  for (const state of ["a\r\nSet-Cookie: x=1", "x&code=stolen", "+/%=&#?", "ünïcödé\u2028", "%0d%0a"]) {
    const url = authorizeUrl(gateway, client, { state });
    const refused = assertRedirect(await gateway.fetch(`${url}&prompt=none`), "login_required", {
      iss,
      state,
    });
    assert.deepEqual(refused.searchParams.getAll("code"), []);
    const end = await gateway.browser().signInAndApprove(url);
    assert.deepEqual(end.searchParams.getAll("state"), [state]);
    assert.equal(end.searchParams.getAll("code").length, 1);
  }
  const long = await gateway.fetch(authorizeUrl(gateway, client, { state: "s".repeat(102_400) }));
  assert.equal(long.status, 414);
  const state = "s".repeat(8193);
  assertRedirect(await gateway.fetch(authorizeUrl(gateway, client, { state })), "invalid_request", {
    iss,
    state,
  });
});

Deno.test("an error redirect goes to the registered address only, and nothing is issued or stored (B4 073)", async () => {
  await using gateway = await watchedGateway();
  const redirectUri = "https://evil.test/cb";
  const client = await registerClient(gateway, { redirect_uris: [redirectUri] });
  const before = await gateway.contents();
  const refused = await gateway.fetch(authorizeUrl(gateway, client, { prompt: "none" }));
  const location = assertRedirect(refused, "login_required", { iss, redirectUri });
  const names = [...location.searchParams.keys()].sort();
  assert.deepEqual(names, ["error", "error_description", "iss", "state"]);
  assert.equal(refused.headers.get("referrer-policy"), "no-referrer");
  assert.equal(refused.headers.get("set-cookie"), null);
  assert.deepEqual(await gateway.contents(), before);
});

Deno.test("prompt=none never yields a code, not even to a client that was approved before (B4 074)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const browser = gateway.browser();
  await obtainCode(gateway, client, { browser });
  const stopAt = (url: URL) => url.hostname === "client.example";
  const page = await browser.get(authorizeUrl(gateway, client, { prompt: "none" }), { stopAt });
  assert.equal(page.url.searchParams.get("error"), "consent_required");
  assert.equal(page.url.searchParams.get("code"), null);
});

Deno.test("POST to the authorization endpoint approves nothing (B4 075)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const browser = gateway.browser();
  await obtainCode(gateway, client, { browser });
  const before = await gateway.contents();
  for (const path of ["/oauth/authorize", "/oauth/authorize/alpha", "/authorize"]) {
    const url = authorizeUrl(gateway, client, {}, path);
    const response = await gateway.fetch(path, {
      method: "POST",
      body: url.searchParams.toString(),
      headers: {
        "content-type": "application/x-www-form-urlencoded",
        cookie: browser.cookies.header(url, { initiator: null, method: "GET" }) ?? "",
        origin: "https://evil.test",
        "sec-fetch-site": "cross-site",
      },
    });
    assert.equal(response.status, 405, path);
    assert.match(response.headers.get("allow") ?? "", /GET/);
    assert.equal(response.headers.get("location"), null);
  }
  assert.deepEqual(await gateway.contents(), before);
});

Deno.test("a success redirect is a 303 with code, state and one iss (B4 076, AS-24)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway, { redirect_uris: ["https://client.example/cb?keep=1"] });
  for (
    const [path, issuer] of [["/oauth/authorize", iss], ["/oauth/authorize/alpha", `${iss}/alpha`]] as const
  ) {
    const metadata = await gateway.fetch(
      `/.well-known/oauth-authorization-server${new URL(issuer).pathname}`,
    );
    assert.equal((await metadata.json()).issuer, issuer);
    const answers: Response[] = [];
    const browser = new HeadlessBrowser({
      fetch: async (input, init) => {
        const answer = await gateway.fetch(input instanceof Request ? input.url : input, init);
        answers.push(answer);
        return answer;
      },
    });
    await browser.signInAndApprove(authorizeUrl(gateway, client, {}, path));
    const answer = answers.at(-1);
    assert.equal(answer?.status, 303);
    const { searchParams } = new URL(answer?.headers.get("location") ?? "");
    assert.deepEqual([...searchParams.keys()].sort(), ["code", "iss", "keep", "state"]);
    assert.equal(searchParams.get("iss"), issuer);
  }
});

Deno.test("pages are private: no referrer, no store, a strict policy, nothing of others (B4 077, AS-28)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway, { logo_uri: "https://evil.test/logo.png" });
  const before = await gateway.contents(BROWSER_ROWS);
  const setup = await gateway.browser().get(authorizeUrl(gateway, client));
  const error = await gateway.browser().get(authorizeUrl(gateway, client, { client_id: "unknown" }));
  const callback = await gateway.browser().get(`${gateway.origin}/oauth/setup?transaction=unknown`);
  for (const { headers, html } of [setup, error, callback]) {
    assert.equal(headers.get("referrer-policy"), "no-referrer");
    assert.equal(headers.get("cache-control"), "no-store");
    assert.equal(headers.get("x-frame-options"), "DENY");
    const policy = headers.get("content-security-policy") ?? "";
    assert.match(policy, /default-src 'none'/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /unsafe-|https?:|\*/);
    assert.doesNotMatch(html, /<script|(?:src|href)="(?:https?:)?\/\//);
  }
  assert.deepEqual(await gateway.contents(BROWSER_ROWS), before);
});
