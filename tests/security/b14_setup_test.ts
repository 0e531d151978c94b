/** Attack corpus B14 on the other ways to a connect: the button on the setup page of an authorization, and upstreams that everybody shares. */
import assert from "node:assert/strict";
import { browserOf, call, setupOf, signedIn, textOf, upstreamScene } from "../support/upstream_scene.ts";
import { assertNothingBound, callbackUrlOf, csrfTokenOf, pairScene, post, rowsOf } from "./connect_scene.ts";

const toCallback = { stopAt: (url: URL) => url.pathname.endsWith("/callback") };

Deno.test("the Connect button of an authorization works in its browser and for its user only, whoever posts it when (B14 211, B14 212, B14 213)", async () => {
  await using scene = await pairScene();
  const { gateway, upstream } = scene;
  const alice = { browser: browserOf(gateway) };
  const setup = await setupOf(scene, alice.browser, "alice");
  const preset = new Map(setup.forms[0]?.preset);
  const transaction = preset.get("transaction") ?? "";
  const fields = { transaction, csrf_token: preset.get("csrf_token") ?? "", decision: "connect" };
  const bob = await signedIn(scene, "bob");
  const nobody = { browser: browserOf(gateway) };
  for (const other of [bob, nobody]) {
    assert.equal(
      (await other.browser.get(`${gateway.origin}/oauth/setup?transaction=${transaction}`)).status,
      403,
    );
    assert.equal((await post(scene, other, "/oauth/setup", fields)).status, 403);
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => post(scene, other, "/oauth/setup", fields)),
    );
    for (const { status, location } of answers) assert.deepEqual([status, location], [403, null]);
  }
  // In her own browser, but without the page's token, or with another page's.
  for (const csrf_token of ["", await csrfTokenOf(scene, alice), await csrfTokenOf(scene, bob)]) {
    assert.equal((await post(scene, alice, "/oauth/setup", { ...fields, csrf_token })).status, 403);
  }
  assert.deepEqual(await rowsOf(scene, "connect"), []);
  assert.equal(upstream.requests.length, 0);
  const left = await alice.browser.submit(setup, { decision: "connect" }, toCallback);
  assert.equal((await bob.browser.get(left.url)).status, 403);
  await assertNothingBound(scene);
  assert.equal((await alice.browser.get(left.url)).url.pathname, "/oauth/setup");
});

Deno.test("somebody who signs in to the browser after the button was pressed is not bound to what the first user began (B14 212, B14 214)", async () => {
  await using scene = await pairScene();
  const { gateway } = scene;
  const browser = browserOf(gateway);
  const setup = await setupOf(scene, browser, "alice");
  const left = await browser.submit(setup, { decision: "connect" }, toCallback);
  // By the page's own switch, which keeps the browser; by a new sign-in; and after signing out.
  const login = await browser.submit(setup, { decision: "switch" });
  assert.equal((await browser.submit(login, { user: "bob" })).status, 200);
  assert.equal((await browser.get(left.url)).status, 403);
  await browser.submit(await browser.get(`${gateway.origin}/account`), { action: "sign_out" });
  assert.equal((await browser.get(left.url)).status, 403);
  const again = await browser.get(`${gateway.origin}/account`);
  await browser.submit(again, { user: "alice" });
  // Signed out means that the browser starts as a new one: what it had begun is dead, for Alice too.
  assert.equal((await browser.get(left.url)).status, 403);
  await assertNothingBound(scene);
});

Deno.test("an approval meanwhile does not move the connect to another transaction, and two transactions keep apart (B14 219)", async () => {
  await using scene = await pairScene();
  const { gateway } = scene;
  const alice = { browser: browserOf(gateway) };
  const first = await setupOf(scene, alice.browser, "alice");
  const second = await setupOf(scene, alice.browser, "alice");
  const left = await alice.browser.submit(first, { decision: "connect" }, toCallback);
  const back = await alice.browser.get(left.url);
  assert.equal(back.url.href, first.url.href);
  // The form token of one transaction is no good for the other.
  const transaction = new Map(second.forms[0]?.preset).get("transaction") ?? "";
  const csrf_token = new Map(first.forms[0]?.preset).get("csrf_token") ?? "";
  const mixed = await post(scene, alice, "/oauth/setup", { transaction, csrf_token, decision: "connect" });
  assert.equal(mixed.status, 403);
});

Deno.test("a shared upstream is connected by the administrator who began it, in that browser, while being one (B14 211, B14 213, B14 214, UP-23)", async () => {
  const admins = new Set(["alice", "carol"]);
  await using scene = await upstreamScene({
    policy: { authMode: "shared-oauth" },
    config: { admins: ({ subject }) => admins.has(subject) },
  });
  const { gateway, upstream } = scene;
  const [alice, bob, carol] = [
    await signedIn(scene, "alice"),
    await signedIn(scene, "bob"),
    await signedIn(scene, "carol"),
  ];
  const link = new URL((await call(scene, alice)).body.error?.data?.authUrl ?? "");
  const pending = link.searchParams.get("pending") ?? "";
  for (const other of [bob, carol]) {
    assert.equal((await other.browser.get(link)).status, 403);
    const csrf_token = await csrfTokenOf(scene, other);
    assert.equal((await post(scene, other, link.pathname, { csrf_token, pending })).status, 403);
  }
  // Without a link, too, Bob gets nowhere: on its page, on his account page, on the setup page.
  assert.equal((await bob.browser.get(`${gateway.origin}${link.pathname}`)).status, 403);
  const csrf_token = await csrfTokenOf(scene, bob);
  assert.equal((await post(scene, bob, link.pathname, { csrf_token })).status, 403);
  const fields = { csrf_token, connection: "acme" };
  for (const action of ["connect", "disconnect"]) {
    assert.equal((await post(scene, bob, "/account", { ...fields, action })).location, "/account");
  }
  const setup = await setupOf(scene, bob.browser, "bob");
  const preset = new Map(setup.forms[0]?.preset);
  const posted = await post(scene, bob, "/oauth/setup", {
    transaction: preset.get("transaction") ?? "",
    csrf_token: preset.get("csrf_token") ?? "",
    decision: "connect",
  });
  assert.match(posted.location ?? "", /^\/oauth\/setup/);
  assert.deepEqual(await rowsOf(scene, "connect"), []);
  // One administrator's answer in another's browser.
  const answer = await callbackUrlOf(scene, alice);
  for (const other of [bob, carol]) assert.equal((await other.browser.get(answer)).status, 403);
  // And in her own, when she is none any more.
  admins.delete("alice");
  assert.equal((await alice.browser.get(answer)).status, 403);
  await assertNothingBound(scene);
  assert.equal((await call(scene, bob)).body.error?.data?.state, "admin_connect_required");
  admins.add("alice");
  assert.equal((await alice.browser.get(answer)).url.pathname, "/account");
  for (const user of [alice, bob, carol]) assert.equal(textOf(await call(scene, user)), "account");
  assert.equal(upstream.at("/register").length, 1);
});

Deno.test("nobody's call is made with another's credential: not before, not after, not after a disconnect (B14 241)", async () => {
  await using scene = await pairScene();
  const { upstream } = scene;
  const [alice, bob] = [await signedIn(scene, "alice"), await signedIn(scene, "bob")];
  upstream.script.account = "account of alice";
  await alice.browser.get(await callbackUrlOf(scene, alice));
  assert.equal(textOf(await call(scene, alice)), "account of alice");
  const before = upstream.calls.length + upstream.refused.length;
  const answers = await Promise.all(Array.from({ length: 20 }, () => call(scene, bob)));
  for (const { body } of answers) assert.equal(body.error?.data?.state, "authenticating");
  for (const method of ["tools/list", "initialize", "resources/read"]) {
    const { body } = await call(scene, bob, { message: { jsonrpc: "2.0", id: 1, method, params: {} } });
    assert.equal(body.error?.code, -32042);
  }
  assert.equal(upstream.calls.length + upstream.refused.length, before);
  upstream.script.account = "account of bob";
  await bob.browser.get(await callbackUrlOf(scene, bob));
  const mixed = await Promise.all(
    Array.from({ length: 20 }, (_, index) => call(scene, index % 2 === 0 ? alice : bob)),
  );
  for (const [index, answer] of mixed.entries()) {
    assert.equal(textOf(answer), index % 2 === 0 ? "account of alice" : "account of bob");
  }
  await bob.browser.submit(await bob.browser.get(`${scene.gateway.origin}/account`), {
    action: "disconnect",
  });
  assert.equal((await call(scene, bob)).body.error?.data?.state, "authenticating");
  assert.equal(textOf(await call(scene, alice)), "account of alice");
});
