/** A token endpoint in trouble: what it answers, how long it is left alone afterwards, and what calls get meanwhile. */
import assert from "node:assert/strict";
import { connections } from "../../lib/store/upstream_schema.ts";
import { call, connected, textOf, type UpstreamScene, upstreamScene } from "../support/upstream_scene.ts";

function refreshes({ upstream }: UpstreamScene): number {
  return upstream.at("/token").filter(({ params }) => params.get("grant_type") === "refresh_token").length;
}

async function storedRefreshToken({ gateway }: UpstreamScene): Promise<string | null | undefined> {
  const [entry] = await Array.fromAsync(gateway.services.store.list(connections));
  return entry?.value.dead ? "dead" : entry?.value.refreshToken;
}

Deno.test("what the token endpoint may answer to a refresh, and what it does to the credential (F24, UP-18)", async () => {
  const answers = [
    { what: "invalid_grant", answer: () => error(400, "invalid_grant"), keeps: false },
    { what: "a 401 of something on the way", answer: () => challenge("Basic", null), keeps: true },
    {
      what: "a server error with a body that looks final",
      answer: () => error(500, "invalid_grant"),
      keeps: true,
    },
    { what: "a rate limit", answer: () => error(429, "slow_down"), keeps: true },
    { what: "a bad gateway", answer: () => new Response("<html>", { status: 502 }), keeps: true },
    { what: "an odd error", answer: () => error(400, "invalid_scope"), keeps: true },
    { what: "a redirect", answer: () => Response.redirect("https://elsewhere.example/"), keeps: true },
    { what: "success without a token", answer: () => Response.json({ token_type: "Bearer" }), keeps: true },
  ];
  for (const { what, answer, keeps } of answers) {
    await using scene = await upstreamScene({ script: { tokenSeconds: 60 } });
    const alice = await connected(scene);
    const before = await storedRefreshToken(scene);
    scene.upstream.script.token = answer;
    scene.clock.advance({ seconds: 70 });
    const { status, body } = await call(scene, alice);
    assert.equal(status, keeps ? 502 : 200, what);
    assert.equal(body.error?.data?.state, keeps ? undefined : "reconsent_required", what);
    assert.equal(await storedRefreshToken(scene), keeps ? before : "dead", what);
    scene.upstream.script.token = null;
    scene.clock.advance({ seconds: 2 });
    assert.equal(textOf(await call(scene, alice)), keeps ? "account" : undefined, what);
  }
});

Deno.test("success without a new refresh token keeps the old one, which works again (F24)", async () => {
  await using scene = await upstreamScene({ script: { tokenSeconds: 60, rotate: false } });
  const alice = await connected(scene);
  const before = await storedRefreshToken(scene);
  scene.clock.advance({ seconds: 70 });
  assert.equal(textOf(await call(scene, alice)), "account");
  assert.equal(await storedRefreshToken(scene), before);
});

Deno.test("a token that is said to live for no time at all is used until the upstream refuses it (F24)", async () => {
  await using scene = await upstreamScene({ script: { tokenSeconds: 0 } });
  const { upstream, gateway } = scene;
  const alice = await connected(scene);
  const [entry] = await Array.fromAsync(gateway.services.store.list(connections));
  assert.equal(entry?.value.accessTokenExpiresAt, null);
  // The test's server takes its own word seriously: the refusal leads to one refresh, and not to a loop.
  assert.equal((await call(scene, alice)).status, 502);
  assert.equal(refreshes(scene), 1);
  upstream.script.tokenSeconds = 60;
  assert.equal(textOf(await call(scene, alice)), "account");
  assert.equal(refreshes(scene), 2);
});

Deno.test("Retry-After is kept to, by every process, and told to the client; without it pauses grow (F24)", async () => {
  await using scene = await upstreamScene({ script: { tokenSeconds: 60 } });
  await using second = await scene.another();
  const { upstream, clock } = scene;
  const alice = await connected(scene);
  upstream.script.token = () => error(429, "slow_down", { "retry-after": "120" });
  clock.advance({ seconds: 70 });
  const refused = await call(scene, alice);
  assert.deepEqual([refused.status, refused.headers.get("retry-after")], [502, "120"]);
  clock.advance({ seconds: 100 });
  for (const gateway of [scene.gateway, second]) {
    const { status, headers } = await call({ gateway }, alice);
    assert.deepEqual([status, headers.get("retry-after")], [502, "20"]);
  }
  assert.equal(refreshes(scene), 1);
  // The answer's own date counts, whatever our clock says.
  const date = new Date("2031-01-01T00:00:00Z");
  upstream.script.token = () =>
    error(503, "x", {
      date: date.toUTCString(),
      "retry-after": new Date(date.getTime() + 30_000).toUTCString(),
    });
  clock.advance({ seconds: 21 });
  assert.equal((await call({ gateway: second }, alice)).headers.get("retry-after"), "30");
  assert.equal(refreshes(scene), 2);
  // Neither a mistake nor malice locks anybody out for long.
  upstream.script.token = () => error(503, "x", { "retry-after": "999999999" });
  clock.advance({ seconds: 31 });
  assert.equal((await call(scene, alice)).headers.get("retry-after"), "900");
  upstream.script.token = () => error(500, "x");
  clock.advance({ seconds: 901 });
  const pauses: number[] = [];
  for (let round = 0; round < 6; round++) {
    const pause = Number((await call(scene, alice)).headers.get("retry-after"));
    pauses.push(pause);
    clock.advance({ seconds: pause });
  }
  assert.equal(refreshes(scene), 9);
  const [first = 0] = pauses;
  assert.ok(first < 15 && pauses.slice(2).every((pause) => pause >= 30 && pause <= 38), pauses.join());
  upstream.script.token = null;
  assert.equal(textOf(await call(scene, alice)), "account");
});

Deno.test("a pause is the user's own: another one's refresh and a new connect are not held up (F24)", async () => {
  await using scene = await upstreamScene({ script: { tokenSeconds: 60 } });
  const [alice, bob] = [await connected(scene, "alice"), await connected(scene, "bob")];
  scene.upstream.script.token = () => error(503, "x", { "retry-after": "600" });
  scene.clock.advance({ seconds: 70 });
  assert.equal((await call(scene, alice)).status, 502);
  scene.upstream.script.token = null;
  assert.equal(textOf(await call(scene, bob)), "account");
  assert.equal((await call(scene, alice)).status, 502);
  const account = await alice.browser.get(`${scene.gateway.origin}/account`);
  await alice.browser.submit(await alice.browser.submit(account, { action: "disconnect" }), {
    action: "connect",
  });
  assert.equal(textOf(await call(scene, alice)), "account");
  scene.clock.advance({ seconds: 70 });
  assert.equal(textOf(await call(scene, alice)), "account");
});

Deno.test("a hundred calls of two gateways that wait for a refresh that hangs fail together within the deadline, and nobody runs after it (F25)", async () => {
  await using scene = await upstreamScene({ script: { tokenSeconds: 60 } });
  await using second = await scene.another();
  const alice = await connected(scene);
  const hanging = Promise.withResolvers<Response>();
  scene.upstream.script.token = () => hanging.promise;
  scene.clock.advance({ seconds: 70 });
  const startedAt = performance.now();
  const ends: number[] = [];
  const calls = Array.from({ length: 100 }, async (_, index) => {
    const { status, headers } = await call({ gateway: index % 2 === 0 ? scene.gateway : second }, alice);
    ends.push(performance.now() - startedAt);
    assert.equal(status, 502);
    assert.ok(Number(headers.get("retry-after")) >= 1);
  });
  await Promise.all(calls);
  // The token endpoint has ten seconds; whoever only waits knows within a moment.
  assert.ok(Math.min(...ends) > 9_000, `${Math.min(...ends)} ms`);
  assert.ok(Math.max(...ends) - Math.min(...ends) < 4_000, `${Math.min(...ends)} to ${Math.max(...ends)} ms`);
  assert.equal(refreshes(scene), 1);
  await Promise.all(Array.from({ length: 100 }, () => call(scene, alice)));
  assert.equal(refreshes(scene), 1);
  hanging.resolve(new Response(null, { status: 500 }));
  scene.upstream.script.token = null;
  scene.clock.advance({ seconds: 3 });
  const answers = await Promise.all(
    Array.from(
      { length: 100 },
      (_, index) => call({ gateway: index % 2 === 0 ? scene.gateway : second }, alice),
    ),
  );
  assert.ok(answers.every((answer) => textOf(answer) === "account"));
  assert.equal(refreshes(scene), 2);
});

Deno.test("a refresh ahead of time that hangs holds no call up for long while the token is valid, and its late answer is kept (F07, F25, UP-18)", async () => {
  await using scene = await upstreamScene({ script: { tokenSeconds: 300 } });
  const { upstream, clock } = scene;
  const alice = await connected(scene);
  const go = Promise.withResolvers<null>();
  // `null` lets the server answer by itself.
  upstream.script.token = () => go.promise;
  clock.advance({ seconds: 290 });
  const startedAt = performance.now();
  const answers = await Promise.all(Array.from({ length: 20 }, () => call(scene, alice)));
  const [former] = upstream.calls;
  assert.ok(answers.every((answer) => textOf(answer) === "account"));
  assert.ok(performance.now() - startedAt < 9_000, "the calls waited for the server");
  assert.equal(refreshes(scene), 1);
  // A gateway that is told to end waits for it.
  let settled = false;
  const settling = scene.gateway.settled().then(() => settled = true);
  await call(scene, alice);
  assert.equal(settled, false);
  go.resolve(null);
  await settling;
  assert.equal(textOf(await call(scene, alice)), "account");
  assert.notEqual(upstream.calls.at(-1)?.token, former?.token);
  assert.equal(refreshes(scene), 1);
});

function error(status: number, code: string, headers: Record<string, string> = {}): Response {
  return Response.json({ error: code }, { status, headers });
}

function challenge(scheme: string, code: string | null): Response {
  const headers = { "www-authenticate": `${scheme} realm="x"` };
  return code === null ? new Response("no", { status: 401, headers }) : error(401, code, headers);
}
