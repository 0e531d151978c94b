/** Attack corpus B14: the upstream's answer in another browser, for another user, at another connection, or of another server. */
import assert from "node:assert/strict";
import { browserOf, call, connected, signedIn, textOf, upstreamScene } from "../support/upstream_scene.ts";
import {
  assertNothingBound,
  authorizationUrlOf,
  callbackUrlOf,
  leaveFor,
  pairScene,
  rowsOf,
} from "./connect_scene.ts";

Deno.test("who completes the upstream's page of somebody else's connect binds nothing, in any order of sign-in (B14 214, UP-13, UP-15)", async () => {
  await using scene = await pairScene();
  const { gateway, upstream } = scene;
  const alice = await signedIn(scene, "alice");
  const bob = await signedIn(scene, "bob");
  const nobody = { browser: browserOf(gateway) };
  const url = await authorizationUrlOf(scene, alice);
  upstream.script.account = "account of bob";
  for (const { browser } of [bob, nobody]) {
    const page = await browser.get(url);
    assert.deepEqual([page.status, page.url.pathname], [403, "/auth/connections/acme/callback"]);
  }
  // Bob signs in afterwards and opens the same answer once more.
  const answer = nobody.browser.visited.at(-1) ?? "";
  await nobody.browser.submit(await nobody.browser.get(`${gateway.origin}/account`), { user: "bob" });
  assert.equal((await nobody.browser.get(answer)).status, 403);
  // And Alice, as herself but in a browser that did not begin it.
  const second = await signedIn(scene, "alice");
  assert.equal((await second.browser.get(url)).status, 403);
  await assertNothingBound(scene);
  assert.equal((await call(scene, bob)).body.error?.data?.state, "authenticating");
  // It is still hers where she began it.
  upstream.script.account = "account of alice";
  assert.equal((await alice.browser.get(url)).url.pathname, "/account");
  assert.equal(textOf(await call(scene, alice)), "account of alice");
});

Deno.test("a code and state that Mallory obtained are refused in Alice's browser, whatever she has begun herself (B14 215, UP-15)", async () => {
  await using scene = await pairScene();
  const { upstream } = scene;
  const mallory = await signedIn(scene, "bob");
  const alice = await signedIn(scene, "alice");
  upstream.script.account = "account of mallory";
  const stolen = await callbackUrlOf(scene, mallory);
  assert.equal((await alice.browser.get(stolen)).status, 403);
  const own = await callbackUrlOf(scene, alice);
  assert.equal((await alice.browser.get(stolen)).status, 403);
  await assertNothingBound(scene);
  // His code with her state: the server finds it bound to another challenge.
  const mixed = new URL(own);
  mixed.searchParams.set("code", stolen.searchParams.get("code") ?? "");
  assert.equal((await alice.browser.get(mixed)).status, 502);
  assert.deepEqual(await rowsOf(scene, "connection"), []);
});

Deno.test("the state of one connection is refused at another's callback before any code is sent (B14 216, B14 238)", async () => {
  await using scene = await pairScene();
  const { gateway } = scene;
  const alice = await signedIn(scene);
  const [ofEvil, ofAcme] = [await callbackUrlOf(scene, alice, "evil"), await callbackUrlOf(scene, alice)];
  for (const [from, to] of [[ofEvil, "acme"], [ofAcme, "evil"]] as const) {
    const moved = new URL(from);
    moved.pathname = `/auth/connections/${to}/callback`;
    assert.equal((await alice.browser.get(moved)).status, 400);
  }
  // There is no callback that would serve several connections.
  for (
    const path of [
      "/auth/callback",
      "/auth/connections/callback",
      "/auth/connections//callback",
      "/callback",
      "/oauth/callback/acme",
    ]
  ) {
    const response = await gateway.fetch(path + ofAcme.search, {
      headers: { cookie: alice.browser.cookies.header(ofAcme) ?? "" },
    });
    assert.equal(response.status, 404, path);
    await response.body?.cancel();
  }
  await assertNothingBound(scene);
  for (const url of [ofEvil, ofAcme]) assert.equal((await alice.browser.get(url)).url.pathname, "/account");
});

Deno.test("a hostile server that sends the browser on to the honest one gets no code of it, nor does anybody (B14 217, B14 230)", async () => {
  await using scene = await pairScene();
  const { gateway, upstream, evil } = scene;
  await connected(scene, "bob");
  const [clientId = ""] = [...upstream.clients.keys()];
  const before = upstream.at("/token").length;
  const alice = await signedIn(scene, "alice");
  // The mix-up: our client at the honest server, its redirect URI, and the hostile connection's state.
  const forward = (redirectUri: string) => {
    evil.script.answer = ({ path, params }) => {
      if (path !== "/authorize") return null;
      const target = new URL(`${upstream.origin}/authorize`);
      for (const [name, value] of params) target.searchParams.set(name, value);
      target.searchParams.set("client_id", clientId);
      target.searchParams.set("redirect_uri", redirectUri);
      return Response.redirect(target, 302);
    };
  };
  const goOn = async () => {
    const page = await alice.browser.get(`${gateway.origin}/auth/connections/evil/connect`);
    return await alice.browser.submit(page, { decision: "connect" });
  };
  forward(`${gateway.origin}/auth/connections/acme/callback`);
  const honest = await goOn();
  assert.deepEqual([honest.status, honest.url.pathname], [400, "/auth/connections/acme/callback"]);
  assert.ok(honest.url.searchParams.has("code"));
  // Each connection has a redirect URI of its own, so that the honest server does not answer to the other's.
  forward(`${gateway.origin}/auth/connections/evil/callback`);
  const refused = await goOn();
  assert.deepEqual([refused.status, refused.url.origin], [400, upstream.origin]);
  assert.equal(upstream.at("/token").length, before);
  assert.equal(evil.at("/token").length, 0);
  const code = honest.url.searchParams.get("code") ?? "?";
  const told = JSON.stringify(evil.requests.map(({ params, headers }) => [[...params], [...headers]]));
  assert.ok(!told.includes(code));
});

Deno.test("twenty answers at once are one connect; afterwards and after its time the answer is dead (B14 218, UP-13)", async () => {
  await using scene = await pairScene();
  const { gateway, upstream } = scene;
  const alice = await signedIn(scene);
  const url = await callbackUrlOf(scene, alice);
  const cookie = alice.browser.cookies.header(url) ?? "";
  const open = async () => {
    const response = await gateway.fetch(url, { headers: { cookie } });
    await response.body?.cancel();
    return response.status;
  };
  const statuses = await Promise.all(Array.from({ length: 20 }, open));
  assert.equal(statuses.filter((status) => status === 303).length, 1, statuses.join(" "));
  assert.ok(statuses.every((status) => status === 303 || status === 400 || status === 403));
  assert.equal(upstream.at("/token").length, 1);
  assert.equal(await open(), 403);
  const late = await callbackUrlOf(scene, alice);
  scene.clock.advance({ seconds: 900 });
  assert.equal((await alice.browser.get(late)).status, 403);
  assert.equal(upstream.at("/token").length, 1);
  assert.equal(textOf(await call(scene, alice)), "account");
});

Deno.test("a state that is bent, missing, given twice or another user's is refused, and spoils nothing (B14 219, UP-13)", async () => {
  await using scene = await pairScene();
  const [alice, bob] = [await signedIn(scene, "alice"), await signedIn(scene, "bob")];
  const [mine, theirs] = [await callbackUrlOf(scene, alice), await callbackUrlOf(scene, bob)];
  const state = mine.searchParams.get("state") ?? "";
  const other = theirs.searchParams.get("state") ?? "";
  for (
    const states of [
      [],
      [""],
      [other],
      [state, other],
      [other, state],
      [state, state],
      [`${state}A`],
      [state.slice(0, -1)],
      ["x".repeat(10_240)],
      [`${state}\u0000`],
    ]
  ) {
    const bent = new URL(mine);
    bent.searchParams.delete("state");
    for (const each of states) bent.searchParams.append("state", each);
    assert.equal((await alice.browser.get(bent)).status, 403, states.join(" ").slice(0, 60));
  }
  // Other parameters twice: which of them counts is nobody's guess.
  const twice = new URL(mine);
  twice.searchParams.append("code", "another");
  assert.equal((await alice.browser.get(twice)).status, 400);
  await assertNothingBound(scene);
  assert.equal((await alice.browser.get(mine)).url.pathname, "/account");
});

Deno.test("`iss` is compared with the issuer that was recorded when the browser left, on codes and on errors, before anything is sent (B14 237, UP-14)", async () => {
  for (
    const response of [
      { iss: null },
      { iss: "" },
      { iss: "https://evil.test" },
      { iss: null, code: null, error: "access_denied" },
      { iss: "https://evil.test", code: null, error: "access_denied", error_description: "call 0900-EVIL" },
    ]
  ) {
    await using scene = await upstreamScene({ script: { response } });
    const alice = await signedIn(scene);
    const bent = await callbackUrlOf(scene, alice);
    const page = await alice.browser.get(bent);
    assert.equal(page.status, 400, JSON.stringify(response));
    assert.ok(!/evil/i.test(page.html));
    await assertNothingBound(scene);
    // A forged answer does not end the connect: the real one still counts.
    scene.upstream.script.response = {};
    const sound = new URL(bent);
    for (const name of ["iss", "error", "error_description"]) sound.searchParams.delete(name);
    sound.searchParams.set("iss", scene.upstream.origin);
    if (sound.searchParams.has("code")) {
      assert.equal((await alice.browser.get(sound)).url.pathname, "/account");
    }
  }
  // The metadata says something else by now: what was recorded counts.
  await using scene = await upstreamScene();
  const alice = await signedIn(scene);
  const left = await leaveFor(scene, alice, { stop: (url) => url.pathname === "/authorize" });
  scene.upstream.script.metadata = { issuer: "https://moved.test" };
  scene.upstream.script.response = { iss: "https://moved.test" };
  assert.equal((await alice.browser.get(left)).status, 400);
  await assertNothingBound(scene);
});
