/** The identity provider is killed, hangs or errs during a login: tokens live on, pages say what to do, nobody waits for long. */
import assert from "node:assert/strict";
import {
  assertNobody,
  latestReason,
  leaveForProvider,
  type LoginScene,
  loginScene,
  signedInUser,
  signIn,
} from "../security/login_scene.ts";
import type { HeadlessBrowser, Page } from "../support/browser.ts";
import { authorizeUrl, callMcp, redeem, refresh } from "../support/oauth_flow.ts";
import { startRelay } from "../support/relay.ts";

async function tokensOf(scene: LoginScene, page: Page, browser: HeadlessBrowser) {
  const { gateway, client } = scene;
  const end = await browser.submit(page, { decision: "approve" }, {
    stopAt: (url) => url.href.startsWith(client.redirectUri),
  });
  const answer = await redeem(gateway, client, end.url.searchParams.get("code") ?? "");
  assert.equal(answer.status, 200);
  return await answer.json();
}

/** Presses "Start again" and goes on to the end. */
async function startAgain(browser: HeadlessBrowser, page: Page): Promise<Page> {
  assert.match(page.html, /Start again/);
  const link = page.links.find((url) => url.pathname === "/oauth/setup");
  assert.ok(link, page.html);
  return await browser.get(link, { from: page });
}

/** A scene whose provider can be killed where the gateway asks it. */
async function killableScene(remoteTimeoutMs: number) {
  const relays: ReturnType<typeof startRelay>[] = [];
  const behind = (url: string) => {
    const relay = startRelay(new URL(url).origin);
    relays.push(relay);
    return relay.origin + new URL(url).pathname;
  };
  const scene = await loginScene({
    remoteTimeoutMs,
    expect5xx: [502],
    oauth: (options) => ({
      oidc: { ...options.oidc, jwksUrl: behind(String(options.oidc.jwksUrl)) },
      browserLogin: { ...options.browserLogin, tokenUrl: behind(String(options.browserLogin.tokenUrl)) },
    }),
  });
  const [keys, token] = relays;
  assert.ok(keys && token);
  return {
    scene,
    keys,
    token,
    async [Symbol.asyncDispose]() {
      await scene[Symbol.asyncDispose]();
      await keys.kill();
      await token.kill();
    },
  };
}

for (const part of ["token", "keys"] as const) {
  Deno.test(`a provider that dies before its ${part} answer is a page, tokens live on, and "Start again" ends well`, async () => {
    await using stage = await killableScene(2_000);
    const { scene } = stage;
    const { gateway, client } = scene;
    const browser = scene.browser();
    // Somebody who is in already; and for the keys, only after a change does the gateway have to ask.
    const tokens = await tokensOf(scene, await signIn(scene, browser), browser);
    scene.idp.rotateKeys();
    await stage[part].kill();
    const other = scene.browser();
    const dead = await signIn(scene, other);
    assert.equal(dead.status, 502);
    assert.match(dead.html, /does not answer/);
    assert.match(dead.html, /What to do/);
    assert.doesNotMatch(dead.html, /\.ts:|ECONN|Connection refused|127\.0\.0\.1:\d+\/(?:token|jwks)/i);
    const reason = part === "token" ? "provider_unreachable" : "provider_keys_unavailable";
    assert.equal(latestReason(scene), reason);
    assert.equal((await callMcp(gateway, "/alpha", tokens.access_token)).status, 200);
    const refreshed = await refresh(gateway, client, tokens.refresh_token);
    assert.equal(refreshed.status, 200);
    await refreshed.body?.cancel();
    // A live session needs no provider.
    assert.equal((await browser.get(authorizeUrl(gateway, client))).status, 200);
    assert.equal((await startAgain(other, dead)).status, 502, "still dead");
    stage[part].revive();
    scene.clock.advance({ seconds: 31 });
    assert.equal(signedInUser(await startAgain(other, dead)), "alice");
  });

  Deno.test(`a provider that hangs at its ${part} answer is given up after remoteTimeoutMs`, async () => {
    await using stage = await killableScene(1_000);
    const { scene } = stage;
    stage[part].state = "hanging";
    const browser = scene.browser();
    const providerUrl = await leaveForProvider(scene, browser);
    const started = performance.now();
    const page = await browser.get(providerUrl);
    const took = performance.now() - started;
    assert.equal(page.status, 502);
    assert.ok(took >= 900 && took < 6_000, `${took} ms`);
    await stage[part].kill();
    stage[part].state = "up";
    stage[part].revive();
    assert.equal(signedInUser(await startAgain(browser, page)), "alice");
  });
}

Deno.test("a provider that errs, or limits us, is a page that says so", async () => {
  await using scene = await loginScene({ expect5xx: [502] });
  for (
    const [token, status, text] of [
      [{ status: 500 }, 502, /does not answer/],
      [{ status: 429 }, 502, /does not answer/],
      [
        { status: 400, body: { error: "invalid_grant", error_description: "secret-of-theirs" } },
        502,
        /could not be verified/,
      ],
      [{ status: 401, body: { error: "invalid_client" } }, 502, /could not be verified/],
      [{ redirectTo: "http://127.0.0.1:9/" }, 502, /does not answer/],
      [{ body: "[]" }, 502, /could not be verified/],
      [{ paddingBytes: 300_000 }, 502, /does not answer/],
    ] as const
  ) {
    scene.idp.script = { token };
    const page = await signIn(scene);
    await assertNobody(scene, page, status, JSON.stringify(token));
    assert.match(page.html, text, JSON.stringify(token));
    assert.doesNotMatch(page.html, /secret-of-theirs/);
  }
  for (const error of ["server_error", "temporarily_unavailable"]) {
    scene.idp.script = { authorizationResponse: { code: undefined, error } };
    await assertNobody(scene, await signIn(scene), 502, error);
  }
});

Deno.test("without its discovery document the provider is good enough, and asked for it once a minute", async () => {
  await using scene = await loginScene({ script: { discovery: { hang: "answer" } }, remoteTimeoutMs: 1_000 });
  const { idp, clock } = scene;
  assert.equal(signedInUser(await signIn(scene)), "alice");
  const started = performance.now();
  assert.equal(signedInUser(await signIn(scene)), "alice");
  assert.ok(performance.now() - started < 800, "nobody waits for it a second time");
  assert.equal(idp.counts.discovery, 1);
  clock.advance({ seconds: 61 });
  idp.script = {};
  assert.equal(signedInUser(await signIn(scene)), "alice");
  assert.equal(idp.counts.discovery, 2);
});

Deno.test("a flood of logins while the provider hangs is bounded: few wait, all are answered, tokens live (B17 266)", async () => {
  await using stage = await killableScene(1_000);
  const { scene } = stage;
  const browser = scene.browser();
  const tokens = await tokensOf(scene, await signIn(scene, browser), browser);
  // Cut what is open: only new connections hang.
  await stage.token.kill();
  stage.token.state = "hanging";
  stage.token.revive();
  const before = stage.token.connections;
  const started = performance.now();
  const flood = Promise.all(Array.from({ length: 200 }, () => signIn(scene)));
  for (let call = 0; call < 5; call++) {
    assert.equal((await callMcp(scene.gateway, "/alpha", tokens.access_token)).status, 200);
  }
  const pages = await flood;
  assert.deepEqual(pages.map(({ status }) => status), Array(200).fill(502));
  assert.ok(stage.token.connections - before <= 100, `${stage.token.connections - before} connections`);
  assert.ok(performance.now() - started < 15_000);
  // Open: nobody is sent to wait any more.
  const then = stage.token.connections;
  for (let more = 0; more < 20; more++) assert.equal((await signIn(scene)).status, 502);
  assert.equal(stage.token.connections, then);
  assert.equal(latestReason(scene), "provider_not_asked");
  // One tries after a while; while it hangs the others do not wait.
  scene.clock.advance({ seconds: 6 });
  await Promise.all(Array.from({ length: 10 }, () => signIn(scene)));
  assert.equal(stage.token.connections, then + 1);
  await stage.token.kill();
  stage.token.state = "up";
  stage.token.revive();
  scene.clock.advance({ seconds: 6 });
  assert.equal(signedInUser(await signIn(scene)), "alice");
  assert.equal(signedInUser(await signIn(scene)), "alice");
});
