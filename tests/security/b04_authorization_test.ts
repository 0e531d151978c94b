/** Attack corpus B4: the authorization endpoint. */
import assert from "node:assert/strict";
import { authorizeUrl, redeem, registerClient } from "../support/oauth_flow.ts";
import { assertOAuthError, assertPage400, assertRedirect } from "./answers.ts";
import { watchedGateway } from "./watched_gateway.ts";

const iss = "http://127.0.0.1:9000";

Deno.test("an unknown client gets a page and no redirect (B4 060, AS-13)", async () => {
  await using gateway = await watchedGateway();
  const client = { ...await registerClient(gateway), redirectUri: "https://evil.test" };
  const before = await gateway.contents();
  for (const client_id of ["unknown", "", "__proto__", "constructor", "a".repeat(2000)]) {
    const page = await assertPage400(
      await gateway.fetch(authorizeUrl(gateway, client, { client_id })),
      client_id,
    );
    assert.doesNotMatch(page, /evil\.test/);
  }
  await assertPage400(await gateway.fetch(authorizeUrl(gateway, client, { client_id: null })));
  assert.deepEqual(await gateway.contents(), before);
});

Deno.test("a redirect URI that was not registered gets a page and no redirect (B4 061, B4 062, AS-13)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway, { redirect_uris: ["https://good.example/cb"] });
  const before = await gateway.contents();
  for (
    const redirect_uri of [
      "https://evil.test/cb",
      "https://good.example/other",
      "https://good.example/cb?x=1",
      "https://good.example/cb/",
      "https://good.example/cb/../x",
      "https://good.example/cb/../cb",
      "https://good.example/cb%2f..",
      "https://good.example/CB",
      "https://GOOD.example/cb",
      "https://good.example:443/cb",
      "http://good.example/cb",
      "https://good.example/cb#f",
      "https://good.example/cb ",
      " https://good.example/cb",
      "https://good.example/cb\u0000",
      "https://good.example/cb\r\nx: y",
      "https://good.example:443@evil.test/cb",
      "https://good.example@evil.test/cb",
      "https://good.example.evil.test/cb",
      "https://good.example%2eevil.test/cb",
      "https://good.example%40evil.test/cb",
      "https:\\\\good.example\\cb",
      "https://good.example\\@evil.test/cb",
      "https://evil.test\\@good.example/cb",
      "//good.example/cb",
      "javascript:alert(1)",
      "",
    ]
  ) {
    const response = await gateway.fetch(authorizeUrl(gateway, client, { redirect_uri }));
    await assertPage400(response, redirect_uri);
  }
  assert.deepEqual(await gateway.contents(), before);
});

Deno.test("of a loopback redirect URI only the port may differ (B4 063, AS-18)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway, { redirect_uris: ["http://127.0.0.1/cb"] });
  const ask = (redirect_uri: string) => gateway.fetch(authorizeUrl(gateway, client, { redirect_uri }));
  for (const uri of ["http://127.0.0.1:50123/cb", "http://127.0.0.1/cb"]) {
    assert.equal((await ask(uri)).status, 303, uri);
  }
  for (
    const uri of [
      "http://127.0.0.1.evil.test/cb",
      "http://127.0.0.1:50123@evil.test/cb",
      "http://localhost:1/cb",
      "http://[::1]:1/cb",
      "http://127.0.0.2/cb",
      "http://127.1/cb",
      "http://127.0.0.1:1/cb2",
      "http://127.0.0.1:1/cb?x",
      "https://127.0.0.1/cb",
      "http://127.0.0.1:99999/cb",
      "http://127.0.0.1:9000/cb",
    ]
  ) await assertPage400(await ask(uri), uri);
});

Deno.test("redirect_uri may be left out only by a client that has one (B4 064)", async () => {
  await using gateway = await watchedGateway();
  const two = await registerClient(gateway, {
    redirect_uris: ["https://a.example/cb", "https://b.example/cb"],
  });
  await assertPage400(await gateway.fetch(authorizeUrl(gateway, two, { redirect_uri: null })));
  const one = await registerClient(gateway);
  const browser = gateway.browser();
  const end = await browser.signInAndApprove(authorizeUrl(gateway, one, { redirect_uri: null }), {
    stopAt: (url) => url.origin === new URL(one.redirectUri).origin,
  });
  const code = end.searchParams.get("code") ?? "";
  await assertOAuthError(
    await redeem(gateway, one, code, { redirect_uri: "https://evil.test/cb" }),
    "invalid_grant",
  );
  assert.equal((await redeem(gateway, one, code)).status, 200);
});

Deno.test("repeated parameters are refused: on a page where the target is in doubt, else by redirect (B4 065)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const ask = (changes: Parameters<typeof authorizeUrl>[2]) =>
    gateway.fetch(authorizeUrl(gateway, client, changes));
  await assertPage400(await ask({ redirect_uri: [client.redirectUri, "https://evil.test"] }));
  await assertPage400(await ask({ redirect_uri: ["https://evil.test", client.redirectUri] }));
  await assertPage400(await ask({ client_id: [client.clientId, client.clientId] }));
  for (const name of ["code_challenge", "response_type", "scope", "code_challenge_method", "foo"]) {
    assertRedirect(await ask({ [name]: ["one", "two"] }), "invalid_request", { iss, what: name });
  }
  assertRedirect(await ask({ state: ["one", "two"] }), "invalid_request", { iss, state: "one" });
});

Deno.test("no response type but code, no response mode but query (B4 066, B4 067, AS-14)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const ask = (changes: Parameters<typeof authorizeUrl>[2]) =>
    gateway.fetch(authorizeUrl(gateway, client, changes));
  for (const response_type of ["token", "id_token", "code token", "code id_token", "none", "CODE", ""]) {
    assertRedirect(await ask({ response_type }), "unsupported_response_type", { iss, what: response_type });
  }
  assertRedirect(await ask({ response_type: null }), "invalid_request", { iss });
  for (const response_mode of ["form_post", "fragment", "query.jwt", "web_message", "jwt"]) {
    assertRedirect(await ask({ response_mode }), "invalid_request", { iss, what: response_mode });
  }
  assert.equal((await ask({ response_mode: "query" })).status, 303);
});

Deno.test("resource must name one route of ours (B4 068, B4 069, AS-20)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const { origin } = gateway;
  for (
    const resource of [
      `${origin}/nope`,
      `${origin}/alpha#f`,
      `${origin}/alpha?x=1`,
      `${origin}/alpha/../beta`,
      `${origin}/alpha%2f..%2fbeta`,
      `${origin}/ALPHA`,
      `${origin}/%61lpha`,
      "https://evil.test/alpha",
      "http://127.0.0.1:9001/alpha",
      "http://u:p@127.0.0.1:9000/alpha",
      "/alpha",
      "alpha",
      "",
      [`${origin}/alpha`, `${origin}/beta`],
      [`${origin}/alpha`, `${origin}/nope`],
    ]
  ) {
    const response = await gateway.fetch(authorizeUrl(gateway, client, { resource }));
    assertRedirect(response, "invalid_target", { iss, what: String(resource) });
  }
  const path = "/oauth/authorize/alpha";
  const crossed = authorizeUrl(gateway, client, { resource: `${origin}/beta` }, path);
  assertRedirect(await gateway.fetch(crossed), "invalid_target", { iss: `${origin}/alpha` });
});

Deno.test("unknown scopes are dropped, and the page shows what is left (B4 070, AS-31)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  for (
    const scope of ["admin *", "mcp:admin", `mcp:tools ${"x".repeat(4000)}`, "mcp:tools\u0000", "\u0007"]
  ) {
    const page = await gateway.browser().get(authorizeUrl(gateway, client, { scope }));
    assert.equal(page.status, 200, scope);
    assert.match(page.html, /mcp:tools/);
    assert.doesNotMatch(page.html, /admin|xxxx/);
  }
});

Deno.test("request objects are refused and request_uri is not fetched (B4 071)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  let fetched = 0;
  await using canary = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    fetched++;
    return new Response();
  });
  const jwt = "eyJhbGciOiJub25lIn0.eyJyZXNwb25zZV90eXBlIjoiY29kZSJ9.";
  const byUri = authorizeUrl(gateway, client, { request_uri: `http://127.0.0.1:${canary.addr.port}/r` });
  assertRedirect(await gateway.fetch(byUri), "request_uri_not_supported", { iss });
  const byValue = authorizeUrl(gateway, client, { request: jwt });
  assertRedirect(await gateway.fetch(byValue), "request_not_supported", { iss });
  assert.equal(fetched, 0);
});
