/** Attack corpus B14: connect links that reach somebody else, or are bent. A link names an operation; it authenticates nobody. */
import assert from "node:assert/strict";
import { callMcp, postForm } from "../support/oauth_flow.ts";
import { browserOf, call, type SceneUser, signedIn, textOf } from "../support/upstream_scene.ts";
import {
  assertNothingBound,
  callbackUrlOf,
  csrfTokenOf,
  type PairScene,
  pairScene,
  post,
  rowsOf,
  textOfPage,
} from "./connect_scene.ts";

/** The link that a call of the user is answered with. */
async function linkOf(scene: PairScene, user: SceneUser): Promise<URL> {
  return new URL((await call(scene, user)).body.error?.data?.authUrl ?? "");
}

const CONNECT = "/auth/connections/acme/connect";

Deno.test("another user's link is refused, opened or posted, once or twenty times at once, and stays its user's (B14 211, B14 213, UP-15, EL-07)", async () => {
  await using scene = await pairScene();
  const { gateway, upstream } = scene;
  const [alice, bob] = [await signedIn(scene, "alice"), await signedIn(scene, "bob")];
  for (const [owner, other] of [[alice, bob], [bob, alice]] as const) {
    const link = await linkOf(scene, owner);
    const pending = link.searchParams.get("pending") ?? "";
    assert.equal((await other.browser.get(link)).status, 403);
    const csrf_token = await csrfTokenOf(scene, other);
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => post(scene, other, CONNECT, { csrf_token, pending })),
    );
    for (const { status, location } of answers) assert.deepEqual([status, location], [403, null]);
    // Nor with the form token of the page that only its user was shown.
    const page = await owner.browser.get(link);
    const shown = page.forms[0]?.preset.find(([name]) => name === "csrf_token")?.[1] ?? "";
    assert.equal((await post(scene, other, CONNECT, { csrf_token: shown, pending })).status, 403);
    assert.equal(page.status, 200);
  }
  assert.deepEqual(await rowsOf(scene, "connect"), []);
  assert.equal(upstream.at("/authorize").length, 0);
  await assertNothingBound(scene);
  assert.ok(
    gateway.events.some(({ reasonCode }) => reasonCode === "pending_of_another_or_ended"),
  );
  // It is Alice's as before.
  const link = await linkOf(scene, alice);
  await alice.browser.submit(await alice.browser.get(link), { decision: "connect" });
  assert.equal(textOf(await call(scene, alice)), "account");
  assert.equal((await call(scene, bob)).body.error?.data?.state, "authenticating");
});

Deno.test("in a browser without a session a link asks to sign in, and another user is refused then (B14 212, UP-15)", async () => {
  await using scene = await pairScene();
  const alice = await signedIn(scene, "alice");
  const link = await linkOf(scene, alice);
  const fresh = browserOf(scene.gateway);
  const login = await fresh.get(link);
  assert.equal(login.url.pathname, "/oauth/dev-login");
  const refused = await fresh.submit(login, { user: "bob" });
  assert.deepEqual([refused.status, refused.url.pathname], [403, CONNECT]);
  // Once more, now that Bob is signed in, and as Carol, who takes over his browser.
  assert.equal((await fresh.get(link)).status, 403);
  await fresh.submit(await fresh.get(`${scene.gateway.origin}/account`), { action: "sign_out" });
  const again = await fresh.submit(await fresh.get(link), { user: "carol" });
  assert.equal(again.status, 403);
  assert.equal(scene.upstream.at("/authorize").length, 0);
  await assertNothingBound(scene);
});

Deno.test("a link ends with its use, with its time, and all twenty that use it at once are its user's (B14 218)", async () => {
  await using scene = await pairScene();
  const alice = await signedIn(scene, "alice");
  const link = await linkOf(scene, alice);
  const pending = link.searchParams.get("pending") ?? "";
  const csrf_token = await csrfTokenOf(scene, alice);
  // Twenty tabs of one user: each is a connect of its own, and the first that comes back ends the link for all.
  const starts = await Promise.all(
    Array.from({ length: 20 }, () => post(scene, alice, CONNECT, { csrf_token, pending })),
  );
  const states = starts.map(({ location }) => new URL(location ?? "").searchParams.get("state"));
  assert.equal(new Set(states).size, 20);
  await alice.browser.submit(await alice.browser.get(link), { decision: "connect" });
  assert.equal(textOf(await call(scene, alice)), "account");
  assert.deepEqual(await rowsOf(scene, "pending_connect"), []);
  const sent = scene.upstream.at("/authorize").length;
  assert.equal((await alice.browser.get(link)).status, 403);
  for (let attempt = 0; attempt < 2; attempt++) {
    assert.equal((await post(scene, alice, CONNECT, { csrf_token, pending })).status, 403);
  }
  assert.equal(scene.upstream.at("/authorize").length, sent);
  // A new need is a new link; that one dies of age.
  await alice.browser.submit(await alice.browser.get(`${scene.gateway.origin}/account`), {
    action: "disconnect",
  });
  const next = await linkOf(scene, alice);
  assert.notEqual(next.href, link.href);
  scene.clock.advance({ seconds: 900 });
  assert.equal((await alice.browser.get(next)).status, 403);
});

Deno.test("whatever is changed in a link, it is refused with one text, or it is no link at all (B14 219, B14 223)", async () => {
  await using scene = await pairScene();
  const [alice, bob] = [await signedIn(scene, "alice"), await signedIn(scene, "bob")];
  const [ofAlice, ofBob] = [await linkOf(scene, alice), await linkOf(scene, bob)];
  const own = ofAlice.searchParams.get("pending") ?? "";
  const other = ofBob.searchParams.get("pending") ?? "";
  const flipped = own.slice(0, -1) + (own.endsWith("A") ? "B" : "A");
  const texts = new Set<string>();
  for (
    const pending of [
      other,
      flipped,
      own.slice(0, -1),
      `${own}A`,
      own.toUpperCase(),
      "unknown",
      "alpha",
      "../alpha",
      "alpha/../../beta",
      "%00",
      "\u0000",
      "<script>",
      "x".repeat(10_240),
      `${own} `,
      JSON.stringify({ userId: "alice", connectionId: "acme" }),
    ]
  ) {
    const url = new URL(ofAlice);
    url.searchParams.set("pending", pending);
    const page = await alice.browser.get(url);
    assert.equal(page.status, 403, pending.slice(0, 40));
    texts.add(textOfPage(page));
    const csrf_token = await csrfTokenOf(scene, alice);
    const posted = await post(scene, alice, CONNECT, { csrf_token, pending });
    assert.equal(posted.status, 403, pending.slice(0, 40));
    texts.add(textOfPage(posted));
  }
  assert.equal(texts.size, 1);
  // Another connection's page does not take it, and there are no connections but the configured.
  const moved = new URL(ofAlice);
  moved.pathname = "/auth/connections/evil/connect";
  assert.equal((await alice.browser.get(moved)).status, 403);
  for (const connection of ["unknown", "%2e%2e", "acme%00", "ACME", "acme:user-oauth"]) {
    moved.pathname = `/auth/connections/${connection}/connect`;
    assert.equal((await alice.browser.get(moved)).status, 404, connection);
  }
  // What else stands in the query counts for nothing, and a second `pending` does not win.
  const noisy = new URL(`${ofAlice}&pending=${other}&operationId=beta&userId=bob&returnTo=https://evil.test`);
  const page = await alice.browser.get(noisy);
  assert.deepEqual([page.status, page.forms[0]?.action], [200, CONNECT]);
  assert.ok(page.html.includes(own) && !page.html.includes(other) && !page.html.includes("evil.test"));
  assert.equal(scene.upstream.at("/authorize").length, 0);
});

Deno.test("a link is no credential: without a session it tells nothing and opens nothing (B14 220)", async () => {
  await using scene = await pairScene();
  const { gateway } = scene;
  const alice = await signedIn(scene, "alice");
  const link = await linkOf(scene, alice);
  const pending = link.searchParams.get("pending") ?? "";
  const answer = await gateway.fetch(link);
  const shown = `${await answer.text()}${[...answer.headers]}`;
  assert.equal(answer.status, 303);
  assert.equal(new URL(answer.headers.get("location") ?? "", link).pathname, "/oauth/dev-login");
  assert.ok(!/alice|acme|authorize access/i.test(shown), shown);
  for (const token of [pending, `at_${pending}`]) {
    const called = await callMcp(gateway, "/alpha", token);
    assert.equal(called.status, 401);
    await called.body?.cancel();
  }
  for (const cookie of ["sallyport_session", "sallyport_browser"]) {
    for (const path of ["/account", CONNECT, `${CONNECT}?pending=${pending}`]) {
      const page = await gateway.fetch(path, { headers: { cookie: `${cookie}=${pending}` } });
      assert.equal(page.status, 303, `${cookie} ${path}`);
      assert.ok(!/alice/.test(await page.text()));
    }
  }
  const redeemed = await postForm(gateway, "/oauth/token", {
    grant_type: "authorization_code",
    client_id: scene.client.clientId,
    redirect_uri: scene.client.redirectUri,
    code: pending,
    code_verifier: "v".repeat(43),
  });
  assert.equal((await redeemed.json()).error, "invalid_grant");
  // A post without a session is answered like a visit.
  const posted = await gateway.fetch(CONNECT, { method: "POST", body: new URLSearchParams({ pending }) });
  assert.equal(posted.status, 303);
  await posted.body?.cancel();
  await assertNothingBound(scene);
});

Deno.test("previews and prefetches use nothing up and ask the upstream nothing (B14 222)", async () => {
  await using scene = await pairScene();
  const { gateway, upstream } = scene;
  const alice = await signedIn(scene, "alice");
  const link = await linkOf(scene, alice);
  const before = await rowsOf(scene, "pending_connect");
  const cookie = alice.browser.cookies.header(link) ?? "";
  for (const method of ["GET", "HEAD"]) {
    for (const signed of [true, false]) {
      for (const hint of [{}, { purpose: "prefetch" }, { "sec-purpose": "prefetch;prerender" }]) {
        const answer = await gateway.fetch(link, {
          method,
          headers: { ...hint, ...(signed ? { cookie } : {}) },
        });
        assert.equal(answer.status, signed ? 200 : 303);
        await answer.body?.cancel();
      }
    }
  }
  assert.deepEqual(await rowsOf(scene, "pending_connect"), before);
  assert.deepEqual(await rowsOf(scene, "connect"), []);
  assert.equal(upstream.requests.length + upstream.calls.length + upstream.refused.length, 0);
  // No request but the post with the page's own token starts anything.
  const forged = await post(scene, alice, CONNECT, { pending: link.searchParams.get("pending") ?? "" });
  assert.equal(forged.status, 403);
  assert.equal(upstream.requests.length, 0);
  assert.ok((await callbackUrlOf(scene, alice)).searchParams.has("code"));
});
