/** Attack corpus B7, the callback of the identity provider: whose answer it is, and in which browser. */
import assert from "node:assert/strict";
import { startScriptedProvider } from "../support/scripted_provider.ts";
import {
  answerOf,
  assertNobody,
  latestReason,
  leaveForProvider,
  loginScene,
  signedInUser,
} from "./login_scene.ts";

Deno.test("a callback without its state, or with a used or expired one, signs nobody in (B7 105, AS-30)", async () => {
  await using scene = await loginScene();
  const { gateway, idp, clock } = scene;
  const browser = scene.browser();
  const right = await answerOf(await leaveForProvider(scene, browser));
  const before = await gateway.contents();
  const changed = (change: (params: URLSearchParams) => void) => {
    const url = new URL(right);
    change(url.searchParams);
    return url;
  };
  for (
    const [what, url] of [
      ["missing", changed((p) => p.delete("state"))],
      ["empty", changed((p) => p.set("state", ""))],
      ["unknown", changed((p) => p.set("state", "AAAAAAAAAAAAAAAAAAAAAA"))],
      ["repeated", changed((p) => p.append("state", p.get("state") ?? ""))],
      ["two", changed((p) => p.append("state", "AAAAAAAAAAAAAAAAAAAAAA"))],
      ["very long", changed((p) => p.set("state", "s".repeat(5_000)))],
      ["with NUL", changed((p) => p.set("state", `${p.get("state")}\u0000`))],
      ["nothing at all", new URL(right.origin + right.pathname)],
    ] as const
  ) await assertNobody(scene, await browser.get(url), 400, what);
  assert.deepEqual(await gateway.contents(), before);
  assert.equal(idp.tokenRequests.length, 0);
  // None of that has used the right one up.
  assert.equal(signedInUser(await browser.get(right)), "alice");
  const signedIn = await gateway.contents();
  const again = await browser.get(right);
  assert.deepEqual([again.status, again.headers.get("set-cookie")], [400, null]);
  assert.deepEqual(await gateway.contents(), signedIn);
  assert.equal(idp.tokenRequests.length, 1);

  const other = scene.browser();
  const late = await answerOf(await leaveForProvider(scene, other));
  clock.advance({ seconds: 900 });
  assert.equal((await other.get(late)).status, 400);
  assert.equal(idp.tokenRequests.length, 1);
});

Deno.test("the provider's no uses the state up, as its yes does (B7 105)", async () => {
  await using scene = await loginScene({
    script: { authorizationResponse: { code: undefined, error: "access_denied" } },
  });
  const browser = scene.browser();
  const providerUrl = await leaveForProvider(scene, browser);
  const no = await answerOf(providerUrl);
  await assertNobody(scene, await browser.get(no), 403, "denied");
  await assertNobody(scene, await browser.get(no), 400, "denied again");
  scene.idp.script = {};
  await assertNobody(scene, await browser.get(await answerOf(providerUrl)), 400, "a yes after the no");
  assert.equal(scene.idp.tokenRequests.length, 0);
});

Deno.test("in another browser the callback is 403, and stays good for the right one (B7 106, B6 090, B6 101)", async () => {
  await using scene = await loginScene();
  const { gateway, idp } = scene;
  const mine = scene.browser();
  const right = await answerOf(await leaveForProvider(scene, mine));
  const before = await gateway.contents();
  // One without any cookie, and one with a login of its own on the way.
  const fresh = scene.browser();
  const busy = scene.browser();
  await leaveForProvider(scene, busy);
  const rows = await gateway.contents();
  for (const other of [fresh, busy]) {
    const page = await other.get(right);
    await assertNobody(scene, page, 403);
    assert.equal(page.headers.get("set-cookie"), null);
    assert.match(page.html, /another browser/);
  }
  assert.deepEqual(await gateway.contents(), rows);
  assert.ok(rows.size > before.size);
  assert.equal(idp.tokenRequests.length, 0);
  assert.equal(signedInUser(await mine.get(right)), "alice");
});

Deno.test("an answer in another provider's name is 400 before anything is sent (B7 107, B7 108)", async () => {
  await using scene = await loginScene();
  await using honest = startScriptedProvider();
  const browser = scene.browser();
  const right = await answerOf(await leaveForProvider(scene, browser));
  const issuers = [honest.issuer, `${scene.idp.issuer}/`, scene.idp.issuer.toUpperCase(), "", null, "null"];
  for (const iss of issuers) {
    const url = new URL(right);
    if (iss === null) url.searchParams.delete("iss");
    else url.searchParams.set("iss", iss);
    // The mix-up: what is in the code's place was issued by somebody else.
    url.searchParams.set("code", "code-of-the-honest-provider");
    await assertNobody(scene, await browser.get(url), 400, String(iss));
    assert.equal(latestReason(scene), "authorization_response_refused");
  }
  const twice = new URL(right);
  twice.searchParams.append("iss", honest.issuer);
  await assertNobody(scene, await browser.get(twice), 400, "twice");
  assert.equal(scene.idp.tokenRequests.length, 0);
  assert.equal(signedInUser(await browser.get(right)), "alice");
});

Deno.test("an answer without a code, with two, or of another kind is 400 and uses nothing up (B7 105)", async () => {
  await using scene = await loginScene();
  const browser = scene.browser();
  const right = await answerOf(await leaveForProvider(scene, browser));
  for (
    const change of [
      (p: URLSearchParams) => p.delete("code"),
      (p: URLSearchParams) => p.set("code", ""),
      (p: URLSearchParams) => p.append("code", "another"),
      (p: URLSearchParams) => p.set("response", "a.b.c"),
      (p: URLSearchParams) => p.set("id_token", "a.b.c"),
    ]
  ) {
    const url = new URL(right);
    change(url.searchParams);
    await assertNobody(scene, await browser.get(url), 400, url.search);
  }
  assert.equal(scene.idp.tokenRequests.length, 0);
  assert.equal(signedInUser(await browser.get(right)), "alice");
});

Deno.test("what an error says is neither shown nor logged, whether it is the provider's or forged (B7 109, B6 095)", async () => {
  await using scene = await loginScene();
  const { gateway, idp } = scene;
  const browser = scene.browser();
  const said = "<script>alert('said-by-whoever')</script>";
  const error = {
    code: undefined,
    error: "access_denied",
    error_description: said,
    error_uri: `https://evil.test/${said}`,
  };
  for (
    const [what, change, status] of [
      ["wrong state", { state: "AAAAAAAAAAAAAAAAAAAAAA" }, 400],
      ["wrong iss", { iss: "https://evil.test" }, 400],
      ["the provider's own", {}, 403],
      ["a code of its own", { error: said }, 403],
    ] as const
  ) {
    idp.script = { authorizationResponse: { ...error, ...change } };
    const page = await browser.get(await answerOf(await leaveForProvider(scene, browser)));
    await assertNobody(scene, page, status, what);
    assert.doesNotMatch(page.html, /said-by-whoever|alert|evil\.test|access_denied/, what);
  }
  assert.doesNotMatch(JSON.stringify(gateway.events), /said-by-whoever|evil\.test/);
  assert.equal(idp.tokenRequests.length, 0);
});

Deno.test("of twenty callbacks at once one exchanges the code, and one session is opened (B7 121)", async () => {
  await using scene = await loginScene();
  const { gateway, idp } = scene;
  const browser = scene.browser();
  const right = await answerOf(await leaveForProvider(scene, browser));
  const pages = await Promise.all(Array.from({ length: 20 }, () => browser.get(right)));
  assert.equal(idp.tokenRequests.length, 1);
  assert.equal(pages.filter(({ status }) => status === 200).length, 1);
  assert.equal(pages.filter(({ status }) => status === 400).length, 19);
  const rows = [...(await gateway.contents()).keys()];
  assert.equal(rows.filter((key) => key.startsWith('["session"')).length, 1);
  assert.equal(rows.filter((key) => key.startsWith('["login"')).length, 0);
});

Deno.test("the request to the provider carries what it should, new every time (AS-30, B7 114)", async () => {
  await using scene = await loginScene();
  const browser = scene.browser();
  const urls = [await leaveForProvider(scene, browser), await leaveForProvider(scene, browser)];
  for (const url of urls) {
    const { searchParams } = url;
    assert.equal(searchParams.get("response_type"), "code");
    assert.equal(searchParams.get("client_id"), scene.idp.clientId);
    assert.equal(searchParams.get("redirect_uri"), `${scene.gateway.origin}/oauth/callback`);
    assert.equal(searchParams.get("scope"), "openid profile email");
    assert.equal(searchParams.get("code_challenge_method"), "S256");
    assert.match(searchParams.get("code_challenge") ?? "", /^[A-Za-z0-9_-]{43}$/);
    for (const name of ["state", "nonce"]) {
      assert.match(searchParams.get(name) ?? "", /^[A-Za-z0-9_-]{22,}$/, name);
    }
    assert.ok(!url.href.includes(scene.idp.clientSecret));
  }
  for (const name of ["state", "nonce", "code_challenge"]) {
    assert.notEqual(urls[0]?.searchParams.get(name), urls[1]?.searchParams.get(name), name);
  }
});

Deno.test("the gateway asks the provider for nothing but keys, tokens and its document (B7 117)", async () => {
  let asked = 0;
  await using userinfo = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    asked++;
    return Response.json({ sub: "mallory", email: "mallory@evil.test", email_verified: true });
  });
  const endpoint = `http://127.0.0.1:${userinfo.addr.port}/userinfo`;
  await using scene = await loginScene({ script: { metadata: { userinfo_endpoint: endpoint } } });
  const browser = scene.browser();
  const page = await browser.get(await answerOf(await leaveForProvider(scene, browser)));
  assert.equal(signedInUser(page), "alice");
  assert.equal(asked, 0);
});
