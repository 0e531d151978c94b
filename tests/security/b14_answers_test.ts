/** Attack corpus B14: registrations and tokens as a hostile authorization server makes them up, and what of them is kept. */
import assert from "node:assert/strict";
import { connections, upstreamClients } from "../../lib/store/upstream_schema.ts";
import { canary } from "../support/document_host.ts";
import { call, connected, signedIn, textOf, upstreamScene } from "../support/upstream_scene.ts";
import type { UpstreamScene } from "../support/upstream_scene.ts";
import { callbackUrlOf, pairScene, rowsOf } from "./connect_scene.ts";
import { assertStopped, connectIn, tryToConnect } from "./hostile_upstream.ts";

Deno.test("a registration that bends our redirect URI, or is none, is refused; what it names is not fetched (B14 233, UP-09)", async () => {
  const callback = "http://127.0.0.1:9000/auth/connections/acme/callback";
  for (
    const answer of [
      { client_id: "c", redirect_uris: ["https://evil.test/callback"] },
      { client_id: "c", redirect_uris: [] },
      { client_id: "c", redirect_uris: [`${callback}/`] },
      { client_id: "c", redirect_uris: callback },
      { client_id: "" },
      { client_id: 7 },
      { client_id: "x".repeat(2_049) },
      { client_secret: "alone" },
      { client_id: "c", client_secret: "" },
      { client_id: "c", client_secret: "x".repeat(2_049) },
      { client_id: "c", token_endpoint_auth_method: "client_secret_basic" },
      { error: "invalid_redirect_uri" },
      {},
    ]
  ) {
    const what = JSON.stringify(answer).slice(0, 80);
    const attempt = await tryToConnect({
      script: { answer: ({ path }) => path === "/register" ? Response.json(answer, { status: 201 }) : null },
    });
    assertStopped(attempt, what);
  }
  await using trap = canary();
  const elsewhere = `http://127.0.0.1:${trap.port}/x`;
  for (const expires of [0, -1, 1, 1e18, "soon", null]) {
    await using scene = await upstreamScene();
    const { upstream } = scene;
    upstream.addClient("made-up", { redirect_uris: [callback], client_secret: "made-up-secret" });
    upstream.script.answer = ({ path }) =>
      path === "/register"
        ? Response.json({
          client_id: "made-up",
          client_secret: "made-up-secret",
          token_endpoint_auth_method: "client_secret_post",
          redirect_uris: [callback],
          client_secret_expires_at: expires,
          registration_client_uri: elsewhere,
          registration_access_token: "rat",
          logo_uri: elsewhere,
          jwks_uri: elsewhere,
        }, { status: 201 })
        : null;
    assert.equal((await connectIn(scene)).status, 200, String(expires));
    for await (const { value } of scene.gateway.services.store.list(upstreamClients)) {
      assert.ok(value.expiresAt <= scene.clock.now() + 10 * 365 * 86_400_000, String(expires));
    }
  }
  assert.equal(trap.hits, 0);
});

Deno.test("a registration that repeats our client id of another server stays that server's: neither gets the other's secret (B14 233, UP-10)", async () => {
  await using scene = await pairScene();
  const { upstream, evil } = scene;
  const alice = await signedIn(scene);
  await alice.browser.get(await callbackUrlOf(scene, alice));
  const [[clientId, honest] = ["", {}]] = [...upstream.clients];
  const redirect_uris = ["http://127.0.0.1:9000/auth/connections/evil/callback"];
  evil.script.answer = ({ path }) =>
    path === "/register"
      ? Response.json({ client_id: clientId, client_secret: "secret-of-evil", redirect_uris }, {
        status: 201,
      })
      : null;
  evil.addClient(clientId, { redirect_uris, client_secret: "secret-of-evil" });
  await alice.browser.get(await callbackUrlOf(scene, alice, "evil"));
  // Both go on, each with its own: a refresh at the honest one, a forgotten client at the hostile one.
  scene.clock.advance({ seconds: 299 });
  assert.equal(textOf(await call(scene, alice)), "account");
  evil.forgetClients();
  const secret = String(honest.client_secret);
  for (const { params } of upstream.at("/token")) assert.equal(params.get("client_secret"), secret);
  const told = JSON.stringify(
    evil.requests.map(({ params, headers, body }) => [[...params], [...headers], body]),
  );
  assert.ok(!told.includes(secret));
  assert.equal((await rowsOf(scene, "upstream_client")).length, 2);
});

/** Bends the next token answers. */
function answerTokens({ upstream }: UpstreamScene, answer: () => Response): void {
  upstream.script.token = answer;
}

const good = { access_token: "token-of-the-upstream", token_type: "Bearer" };

Deno.test("a token answer that is no bearer token, no JSON or no success connects nobody, and what it said goes nowhere (B14 234)", async () => {
  const answers: Readonly<Record<string, () => Response>> = {
    "mac": () => Response.json({ ...good, token_type: "mac" }),
    "DPoP": () => Response.json({ ...good, token_type: "DPoP" }),
    "no type": () => Response.json({ access_token: good.access_token }),
    "no token": () => Response.json({ token_type: "Bearer" }),
    "empty token": () => Response.json({ ...good, access_token: "" }),
    "a number": () => Response.json({ ...good, access_token: 7 }),
    "a list": () => Response.json({ ...good, access_token: ["x"] }),
    "1 MiB": () => Response.json({ ...good, access_token: "x".repeat(1 << 20) }),
    "20 KiB": () => Response.json({ ...good, access_token: "x".repeat(20_480) }),
    "CRLF": () => Response.json({ ...good, access_token: "x\r\nx-admin: 1" }),
    "a space": () => Response.json({ ...good, access_token: "x y" }),
    "NUL": () => Response.json({ ...good, access_token: "x\u0000" }),
    "beyond ASCII": () => Response.json({ ...good, access_token: "tökén" }),
    "refresh token with CRLF": () => Response.json({ ...good, refresh_token: "x\r\ny" }),
    "refresh token of 20 KiB": () => Response.json({ ...good, refresh_token: "x".repeat(20_480) }),
    "refresh token that is a number": () => Response.json({ ...good, refresh_token: 7 }),
    "negative lifetime": () => Response.json({ ...good, expires_in: -1 }),
    "no lifetime": () => Response.json({ ...good, expires_in: "abc" }),
    "scope that is a list": () => Response.json({ ...good, scope: ["a"] }),
    "a page": () => new Response("<h1>Welcome</h1>", { headers: { "content-type": "text/html" } }),
    "success with an error": () => Response.json({ error: "invalid_grant" }),
    "an error": () =>
      Response.json({ error: "invalid_grant", error_description: "call 0900-FRAUD" }, { status: 400 }),
    "an error beyond its alphabet": () => Response.json({ error: 'x"\r\ny' }, { status: 400 }),
    "a redirect": () => new Response(null, { status: 302, headers: { location: "https://evil.test" } }),
    "an outage": () => Response.json(good, { status: 500 }),
    "nothing": () => new Response(null),
    "null": () => Response.json(null),
  };
  for (const [what, answer] of Object.entries(answers)) {
    await using scene = await upstreamScene();
    answerTokens(scene, answer);
    const { status, html, reason } = await connectIn(scene);
    assert.equal(status, 502, what);
    assert.match(String(reason), /^[a-z0-9_]+$/, what);
    assert.ok(!/0900-FRAUD|evil|Welcome|token-of-the-upstream/.test(html), what);
    assert.deepEqual(await rowsOf(scene, "connection"), [], what);
    assert.ok(!JSON.stringify(scene.gateway.events).includes("0900-FRAUD"), what);
    // The code is spent, the user is not: once more, and all is well.
    scene.upstream.script.token = null;
    assert.equal((await connectIn(scene)).status, 200, what);
  }
});

Deno.test("a refresh is judged as a first token is: what is unfit is not kept, what was there stays (B14 234, UP-18)", async () => {
  for (
    const answer of [
      () => Response.json({ ...good, token_type: "mac" }),
      () => Response.json({ ...good, access_token: "x\r\nx-admin: 1" }),
      () => Response.json({ ...good, access_token: "x".repeat(1 << 20) }),
      () => Response.json({ ...good, expires_in: -1 }),
      () => Response.json({ ...good, refresh_token: "x\r\ny" }),
      () => new Response("<h1>", { headers: { "content-type": "text/html" } }),
      () => Response.json({ error: "invalid_grant" }),
    ]
  ) {
    await using scene = await upstreamScene({ script: { tokenSeconds: 60 } });
    const alice = await connected(scene);
    answerTokens(scene, answer);
    scene.clock.advance({ seconds: 70 });
    assert.equal((await call(scene, alice)).status, 502);
    assert.ok(!scene.upstream.refused.some((header) => header?.includes("x-admin")));
    scene.upstream.script.token = null;
    scene.clock.advance({ seconds: 60 });
    assert.equal(textOf(await call(scene, alice)), "account");
  }
});

Deno.test("lifetimes are clamped, and scope beyond what was asked for is not stored as consented (B14 234, B14 236)", async () => {
  for (const expires_in of [1e18, 1e300, 86_400 * 4_000]) {
    await using scene = await upstreamScene();
    answerTokens(scene, () => Response.json({ ...good, expires_in }));
    assert.equal((await connectIn(scene)).status, 200);
    const stored = await storedConnection(scene);
    assert.ok(Number(stored?.accessTokenExpiresAt) <= scene.clock.now() + 366 * 86_400_000);
  }
  await using scene = await upstreamScene({ script: { challengeScope: "read", tokenSeconds: 60 } });
  const { upstream } = scene;
  answerTokens(
    scene,
    () => Response.json({ ...good, scope: "read write admin:*", refresh_token: "r", expires_in: 60 }),
  );
  const alice = await connected(scene);
  assert.deepEqual((await storedConnection(scene))?.scope, ["read"]);
  // Nor by a refresh.
  scene.clock.advance({ seconds: 70 });
  await call(scene, alice);
  assert.deepEqual((await storedConnection(scene))?.scope, ["read"]);
  assert.ok(upstream.at("/token").length >= 2);
});

Deno.test("a refresh without a new refresh token keeps the old one; one that answers somebody else's token changes one row alone (B14 235, UP-18)", async () => {
  await using scene = await upstreamScene({ script: { tokenSeconds: 60 } });
  const { upstream } = scene;
  upstream.script.account = "account of bob";
  const bob = await connected(scene, "bob");
  assert.equal(textOf(await call(scene, bob)), "account of bob");
  const bobsToken = upstream.calls.at(-1)?.token ?? "";
  upstream.script.account = "account of alice";
  const alice = await connected(scene, "alice");
  const before = await rowBytes(scene);
  // A server that is broken or hostile answers Alice's refresh with Bob's token. Nobody can see that; but it stays in her row.
  answerTokens(scene, () => Response.json({ access_token: bobsToken, token_type: "Bearer", expires_in: 60 }));
  scene.clock.advance({ seconds: 55 });
  assert.equal((await call(scene, alice)).status, 200);
  const after = await rowBytes(scene);
  assert.deepEqual([after.length, after.filter((row) => before.includes(row)).length], [2, 1]);
  // The refresh token of before is still there: with it the next refresh succeeds.
  upstream.script.token = null;
  scene.clock.advance({ seconds: 70 });
  assert.equal(textOf(await call(scene, alice)), "account of alice");
  assert.equal(textOf(await call(scene, bob)), "account of bob");
});

/** The rows of connections, as they are stored. */
async function rowBytes(scene: UpstreamScene): Promise<string[]> {
  const rows = await Array.fromAsync(scene.gateway.kv.list<Uint8Array>({ prefix: ["connection"] }));
  return rows.map(({ value }) => value.toBase64());
}

async function storedConnection({ gateway }: UpstreamScene) {
  const [entry] = await Array.fromAsync(gateway.services.store.list(connections));
  return entry?.value;
}
