/** Attack corpus B14: permissions that an upstream asks for later are shown before anybody agrees to them. */
import assert from "node:assert/strict";
import { call, connected, setupOf, textOf, upstreamScene } from "../support/upstream_scene.ts";
import type { UpstreamScene } from "../support/upstream_scene.ts";
import { callbackUrlOf, rowsOf } from "./connect_scene.ts";

const refusal = (scope: string) =>
  new Response(null, {
    status: 403,
    headers: { "www-authenticate": `Bearer error="insufficient_scope", scope="${scope}"` },
  });

/** The upstream refuses every call with these scopes. */
async function refusedWith(scene: UpstreamScene, scope: string) {
  const alice = await connected(scene);
  scene.upstream.script.mcp = (request) =>
    scope.split(" ").every((each) => request.scope.includes(each)) ? null : refusal(scope);
  return alice;
}

/** What a page lists as added. */
function addedOn({ html }: { readonly html: string }): string[] {
  const list = /<ul class="added">([\s\S]*?)<\/ul>/.exec(html)?.[1] ?? "";
  return [...list.matchAll(/<code>([\s\S]*?)<\/code>/g)].map(([, name = ""]) => name.trim());
}

Deno.test("added permission is listed on every page that leads to its consent, and asked for by the user's click alone (B14 236, UP-20)", async () => {
  await using scene = await upstreamScene({ script: { challengeScope: "read" } });
  const { gateway, upstream } = scene;
  const alice = await refusedWith(scene, "admin:* billing");
  const asked = upstream.at("/authorize").length;
  const { body } = await call(scene, alice);
  assert.equal(body.error?.data?.state, "reconsent_required");
  const link = body.error?.data?.authUrl ?? "";
  const page = await alice.browser.get(link);
  assert.deepEqual(addedOn(page), ["admin:*", "billing"]);
  assert.deepEqual(addedOn(await alice.browser.get(`${gateway.origin}/auth/connections/acme/connect`)), [
    "admin:*",
    "billing",
  ]);
  const setup = await setupOf(scene, alice.browser);
  assert.deepEqual(addedOn(setup), ["admin:*", "billing"]);
  assert.equal(setup.forms[0]?.choices[0]?.value, "connect");
  // The account page has no room for a list, so its button leads to the page that has.
  const account = await alice.browser.get(`${gateway.origin}/account`);
  const led = await alice.browser.submit(account, { action: "connect" });
  assert.deepEqual([led.url.pathname, addedOn(led)], ["/auth/connections/acme/connect", [
    "admin:*",
    "billing",
  ]]);
  assert.equal(upstream.at("/authorize").length, asked, "nobody was sent there");
  assert.equal(upstream.at("/token").filter(({ params }) => params.has("refresh_token")).length, 0);
  await alice.browser.submit(page, { decision: "connect" });
  assert.equal(upstream.at("/authorize").at(-1)?.params.get("scope"), "read admin:* billing");
  assert.equal(textOf(await call(scene, alice)), "account");
  // What was agreed to is nothing new.
  assert.deepEqual(addedOn(await setupOf(scene, alice.browser)), []);
});

Deno.test("a user who does not agree keeps what works, and is asked by the same link (B14 236)", async () => {
  await using scene = await upstreamScene({ script: { challengeScope: "read" } });
  const { upstream } = scene;
  const alice = await connected(scene);
  upstream.script.mcp = ({ body }) => JSON.parse(body).params.name === "admin" ? refusal("admin:*") : null;
  const admin = {
    message: { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "admin", arguments: {} } },
  };
  const links = new Set<string>();
  for (let round = 0; round < 3; round++) {
    const before = upstream.calls.length;
    const { body } = await call(scene, alice, admin);
    links.add(body.error?.data?.authUrl ?? "");
    assert.equal(upstream.calls.length, before + 1, "one question per call");
    assert.equal(textOf(await call(scene, alice)), "account");
  }
  assert.equal(links.size, 1);
  upstream.script.deny = "access_denied";
  const page = await alice.browser.get([...links][0] ?? "");
  assert.equal((await alice.browser.submit(page, { decision: "connect" })).status, 403);
  assert.equal(textOf(await call(scene, alice)), "account");
});

Deno.test("an upstream that asks for something new at every call, for too much or for markup, fills neither page nor store (B14 236)", async () => {
  await using scene = await upstreamScene({ script: { challengeScope: "read" } });
  const { upstream, gateway } = scene;
  const alice = await connected(scene);
  let round = 0;
  upstream.script.mcp = () => refusal(`scope-${++round}-${"x".repeat(60)}`);
  for (let count = 0; count < 80; count++) {
    const { body } = await call(scene, alice);
    assert.equal(body.error?.data?.state, "reconsent_required");
  }
  const listed = addedOn(await alice.browser.get(`${gateway.origin}/auth/connections/acme/connect`));
  assert.equal(listed.length, 50);
  upstream.script.mcp = () => refusal(Array.from({ length: 500 }, (_, index) => `s${index}`).join(" "));
  await call(scene, alice);
  const page = await alice.browser.get(`${gateway.origin}/auth/connections/acme/connect`);
  assert.equal(addedOn(page).length, 50);
  // What HTML would take for markup is text; what no scope can hold is no scope.
  upstream.script.mcp = () => refusal("<img/src=x> <b>&amp;");
  const { body } = await call(scene, alice);
  const marked = await alice.browser.get(body.error?.data?.authUrl ?? "");
  assert.ok(addedOn(marked).includes("&lt;img/src=x&gt;"), addedOn(marked).join(" "));
  assert.ok(!marked.html.includes("<img/"));
  for (const value of await Array.fromAsync(gateway.kv.list<Uint8Array>({ prefix: ["connection"] }))) {
    assert.ok(value.value.length < 16_384);
  }
});

Deno.test("a refusal that names nothing new, no scope, or no scope error asks nobody for anything (B14 236, UP-20)", async () => {
  await using scene = await upstreamScene({ script: { challengeScope: "read write" } });
  const { upstream } = scene;
  const alice = await connected(scene);
  for (
    const challenge of [
      'Bearer error="insufficient_scope", scope="read"',
      'Bearer error="insufficient_scope", scope="write read"',
      'Bearer error="insufficient_scope", scope=""',
      'Bearer error="insufficient_scope"',
      'Bearer error="invalid_token", scope="admin:*"',
      'Bearer scope="admin:*"',
      'Basic realm="x", scope="admin:*", error="insufficient_scope"',
      'Bearer error_description="error=insufficient_scope scope=admin:*"',
    ]
  ) {
    upstream.script.mcp = () =>
      new Response(null, { status: 403, headers: { "www-authenticate": challenge } });
    const before = upstream.calls.length;
    const { status, body } = await call(scene, alice);
    assert.deepEqual([status, body.error?.code === -32042], [502, false], challenge);
    assert.equal(upstream.calls.length, before + 1, challenge);
  }
  assert.deepEqual(await rowsOf(scene, "pending_connect"), []);
  upstream.script.mcp = null;
  assert.equal(textOf(await call(scene, alice)), "account");
  assert.ok((await callbackUrlOf(scene, alice)).searchParams.has("code"));
});
