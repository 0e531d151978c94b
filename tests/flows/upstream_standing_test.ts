/** How a user stands to an upstream: what the pages say and offer in each state, and that a credential stays where it belongs. */
import assert from "node:assert/strict";
import { mcpProxy, tokenExchange } from "../../mod.ts";
import { startHarness } from "../support/harness.ts";
import {
  call,
  connected,
  setupOf,
  signedIn,
  textOf,
  type UpstreamScene,
  upstreamScene,
} from "../support/upstream_scene.ts";
import { startUpstream } from "../support/upstream_server.ts";

const connectionsOf = ({ gateway }: UpstreamScene) => `${gateway.origin}/account`;

/** The text of a page, without its markup. */
function words(html: string): string {
  return html.replace(/<[^>]*>/g, " ").replace(/\s+/g, " ");
}

Deno.test("a connection id that leads to another server by now takes no credential there: the user connects anew (UP-10)", async () => {
  await using scene = await upstreamScene();
  const { gateway, upstream, clock } = scene;
  await using other = startUpstream(clock);
  const alice = await connected(scene);
  assert.equal(textOf(await call(scene, alice)), "account");
  await using moved = await startHarness({
    clock,
    kv: gateway.kv,
    users: ["alice"],
    config: () => ({
      routes: [mcpProxy("/alpha", {
        operationId: "alpha",
        upstream: other.url,
        policies: [tokenExchange({ id: "acme", displayName: "Acme" })],
      })],
    }),
  });
  const { body } = await call({ gateway: moved }, alice);
  assert.equal(body.error?.data?.state, "authenticating");
  assert.deepEqual(other.calls, [], "nothing of the former server's was sent");
  // Users of the former one lose nothing as long as it is configured somewhere.
  assert.equal(textOf(await call(scene, alice)), "account");
  assert.equal(upstream.at("/revoke").length, 0);
});

Deno.test("a connection that lacks a permission still works, says so, and can be ended (UP-20, UP-22)", async () => {
  await using scene = await upstreamScene({ script: { challengeScope: "read" } });
  const { upstream } = scene;
  const alice = await connected(scene);
  upstream.script.mcp = ({ body }) =>
    JSON.parse(body).params.name === "admin"
      ? new Response(null, {
        status: 403,
        headers: { "www-authenticate": 'Bearer error="insufficient_scope", scope="admin"' },
      })
      : null;
  const message = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "admin", arguments: {} } };
  assert.equal((await call(scene, alice, { message })).body.error?.data?.state, "reconsent_required");
  assert.equal(textOf(await call(scene, alice)), "account");
  const account = await alice.browser.get(connectionsOf(scene));
  assert.match(
    words(account.html),
    /Acme Connected, since [^;]+; an app of yours needs more permission there/,
  );
  const setup = words((await setupOf(scene, alice.browser)).html);
  assert.match(setup, /needs more permission at Acme *: connect it again .* Acme Needs more permission/);
  await alice.browser.submit(account, { action: "disconnect" });
  assert.equal((await call(scene, alice)).body.error?.data?.state, "authenticating");
  assert.equal(upstream.at("/revoke").length, 1);
});

Deno.test("a connection that the server has ended says so, and can be made anew or forgotten (UP-18)", async () => {
  await using scene = await upstreamScene({ script: { tokenSeconds: 60 } });
  const { upstream, clock } = scene;
  const alice = await connected(scene);
  upstream.endRefreshTokens();
  clock.advance({ seconds: 90 });
  assert.equal((await call(scene, alice)).body.error?.data?.state, "reconsent_required");
  const account = await alice.browser.get(connectionsOf(scene));
  assert.match(words(account.html), /Acme Has ended: it needs your permission again/);
  assert.match(words((await setupOf(scene, alice.browser)).html), /Acme Has ended/);
  const forgotten = await alice.browser.submit(account, { action: "disconnect" });
  assert.match(words(forgotten.html), /Acme Not connected/);
});

Deno.test("who came by an app's link is sent back to the app when that is done, and by no other address (EL-06)", async () => {
  await using scene = await upstreamScene();
  const { gateway, clock } = scene;
  const done = /Acme is connected\. Go back to your app/;
  const alice = await signedIn(scene);
  const crafted = `${gateway.origin}/account?connected=acme`;
  assert.doesNotMatch(words((await alice.browser.get(crafted)).html), done);
  const { body } = await call(scene, alice);
  const page = await alice.browser.get(body.error?.data?.authUrl ?? "");
  const end = await alice.browser.submit(page, { decision: "connect" });
  assert.match(words(end.html), done);
  assert.doesNotMatch(words((await alice.browser.get(`${gateway.origin}/account`)).html), done);
  clock.advance({ seconds: 301 });
  assert.doesNotMatch(words((await alice.browser.get(crafted)).html), done);
});
