/** Connects that are finished while their user disconnects, or finishes another one: the user's last step counts, and nothing is mixed. */
import assert from "node:assert/strict";
import { connections } from "../../lib/store/upstream_schema.ts";
import type { Harness } from "../support/harness.ts";
import {
  call,
  connected,
  type SceneUser,
  signedIn,
  textOf,
  upstreamScene,
} from "../support/upstream_scene.ts";
import type { UpstreamScene } from "../support/upstream_scene.ts";

/** Goes to the upstream and back, up to the callback, as one tab does; the upstream knows the user as `account`. */
async function callbackOf(scene: UpstreamScene, user: SceneUser, account: string): Promise<URL> {
  scene.upstream.script.account = account;
  const page = await user.browser.get(`${scene.gateway.origin}/auth/connections/acme/connect`);
  const left = await user.browser.submit(page, { decision: "connect" }, {
    stopAt: (url) => url.pathname.endsWith("/callback"),
  });
  assert.ok(left.left, left.html);
  return left.url;
}

/** Holds the exchange of one code at the upstream, until it is let go. */
function holdExchange(scene: UpstreamScene, callback: URL) {
  const [arrived, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const held = callback.searchParams.get("code");
  scene.upstream.script.token = async (form) => {
    if (form.get("code") !== held) return null;
    arrived.resolve();
    await go.promise;
    return null;
  };
  return { arrived: arrived.promise, go: () => go.resolve() };
}

async function press(gateway: Harness, user: SceneUser, action: "disconnect" | "connect") {
  const { origin } = gateway;
  const page = await user.browser.get(`${origin}/account`);
  const csrf = page.forms[0]?.preset.find(([name]) => name === "csrf_token")?.[1] ?? "";
  const url = new URL(`${origin}/account`);
  // Posted as the page would: while nothing is connected it offers no such button, but an older tab does.
  return await gateway.fetch(url, {
    method: "POST",
    body: new URLSearchParams({ csrf_token: csrf, connection: "acme", action }),
    headers: {
      cookie: user.browser.cookies.header(url, { initiator: url, method: "POST" }) ?? "",
      origin,
      "sec-fetch-site": "same-origin",
    },
  });
}

const stored = (scene: UpstreamScene) => Array.fromAsync(scene.gateway.services.store.list(connections));

Deno.test("a disconnect while a first connect is being finished wins: nothing is stored, and the tokens are given back (B14 240)", async () => {
  await using scene = await upstreamScene();
  const alice = await signedIn(scene);
  const callback = await callbackOf(scene, alice, "account");
  const exchange = holdExchange(scene, callback);
  const finishing = alice.browser.get(callback);
  await exchange.arrived;
  assert.equal((await press(scene.gateway, alice, "disconnect")).status, 303);
  exchange.go();
  const page = await finishing;
  assert.equal(page.status, 409);
  assert.match(page.html, /Acme was connected or disconnected elsewhere/);
  assert.deepEqual(await stored(scene), []);
  assert.equal(scene.upstream.at("/revoke").length, 1);
  assert.equal((await call(scene, alice)).body.error?.data?.state, "authenticating");
});

Deno.test("a disconnect in another process ends the old credential and stops the new one that is on its way (B14 240)", async () => {
  await using scene = await upstreamScene();
  await using second = await scene.another();
  const alice = await connected(scene);
  const callback = await callbackOf(scene, alice, "other");
  const exchange = holdExchange(scene, callback);
  const finishing = alice.browser.get(callback);
  await exchange.arrived;
  await press(second, alice, "disconnect");
  exchange.go();
  assert.equal((await finishing).status, 409);
  assert.deepEqual(await stored(scene), []);
  assert.equal(scene.upstream.at("/revoke").length, 2);
  for (const gateway of [scene.gateway, second]) {
    assert.equal((await call({ gateway }, alice)).body.error?.data?.state, "authenticating");
  }
});

Deno.test("who disconnects and connects anew keeps the new connection, whatever was still on its way (B14 240)", async () => {
  await using scene = await upstreamScene();
  const alice = await signedIn(scene);
  const late = await callbackOf(scene, alice, "late");
  const exchange = holdExchange(scene, late);
  const finishing = alice.browser.get(late);
  await exchange.arrived;
  await press(scene.gateway, alice, "disconnect");
  assert.equal((await alice.browser.get(await callbackOf(scene, alice, "anew"))).url.pathname, "/account");
  exchange.go();
  assert.equal((await finishing).status, 409);
  assert.equal(textOf(await call(scene, alice)), "anew");
  // At some servers a revoked token ends the user's whole grant: the late one is left to expire.
  assert.equal(scene.upstream.at("/revoke").length, 0);
});

Deno.test("two tabs, two upstream accounts: the one finished last counts, however long the other's exchange takes, and the user is told (B14 242)", async () => {
  for (const slowFirst of [true, false]) {
    await using scene = await upstreamScene();
    const alice = await signedIn(scene);
    const one = await callbackOf(scene, alice, "one");
    const two = await callbackOf(scene, alice, "two");
    if (slowFirst) {
      const exchange = holdExchange(scene, one);
      const finishing = alice.browser.get(one);
      await exchange.arrived;
      assert.equal((await alice.browser.get(two)).url.pathname, "/account");
      exchange.go();
      const page = await finishing;
      assert.equal(page.status, 409);
      assert.match(page.html, /so this one was not kept/);
    } else {
      assert.equal((await alice.browser.get(one)).url.pathname, "/account");
      assert.equal(textOf(await call(scene, alice)), "one");
      scene.clock.advance({ seconds: 120 });
      assert.equal((await alice.browser.get(two)).url.pathname, "/account");
    }
    assert.equal(textOf(await call(scene, alice)), "two");
    const minute = new Date(scene.clock.now()).toISOString().slice(0, 16).replace("T", " ");
    const account = await alice.browser.get(`${scene.gateway.origin}/account`);
    assert.match(account.html, new RegExp(`Connected, since <time [^>]*>${minute} UTC</time>`));
  }
});

Deno.test("connects and disconnects in any order leave one whole credential or none: the last one that the user was told of (B14 240, B14 242)", async () => {
  await using scene = await upstreamScene();
  await using second = await scene.another();
  const { upstream } = scene;
  const alice = await signedIn(scene);
  const pairs = new Map<string, string>();
  upstream.script.token = async (form) => {
    if (form.get("grant_type") !== "authorization_code") return null;
    const [access, refresh] = [crypto.randomUUID(), crypto.randomUUID()];
    pairs.set(access, refresh);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 8));
    return Response.json({ access_token: access, refresh_token: refresh, token_type: "Bearer" });
  };
  const outcomes = { kept: 0, overtaken: 0, empty: 0 };
  for (let round = 0; round < 30; round++) {
    const callbacks = [await callbackOf(scene, alice, "one"), await callbackOf(scene, alice, "two")];
    const statuses: number[] = [];
    const later = () => new Promise((resolve) => setTimeout(resolve, Math.random() * 8));
    await Promise.all([
      ...callbacks.map(async (callback, index) => {
        await later();
        const gateway = index === 0 ? scene.gateway : second;
        const cookie = alice.browser.cookies.header(callback, { initiator: null, method: "GET" }) ?? "";
        const answer = await gateway.fetch(callback, { headers: { cookie } });
        await answer.body?.cancel();
        statuses.push(answer.status);
      }),
      later().then(() => press(round % 2 === 0 ? scene.gateway : second, alice, "disconnect")),
    ]);
    const rows = await stored(scene);
    assert.ok(rows.length <= 1);
    for (const { value } of rows) assert.equal(pairs.get(value.accessToken), value.refreshToken);
    assert.ok(statuses.every((status) => status === 303 || status === 409), String(statuses));
    if (statuses.every((status) => status === 409)) assert.deepEqual(rows, []);
    if (rows.length > 0) outcomes.kept++;
    else outcomes.empty++;
    if (statuses.includes(409)) outcomes.overtaken++;
  }
  // The race was one.
  for (const [outcome, count] of Object.entries(outcomes)) assert.ok(count > 0, outcome);
});
