/** Tokens that the upstream refuses though others have just put them in place: no refresh of the call's own, which it still has. */
import assert from "node:assert/strict";
import { connections } from "../../lib/store/upstream_schema.ts";
import { call, connected, textOf, type UpstreamScene, upstreamScene } from "../support/upstream_scene.ts";

/** What the token endpoint was asked to refresh. */
function refreshes({ upstream }: UpstreamScene) {
  return upstream.at("/token").filter(({ params }) => params.get("grant_type") === "refresh_token");
}

/** Stores another access token in place of the one that is there, as another process does. */
async function replaceToken({ gateway }: UpstreamScene, accessToken: string): Promise<void> {
  const { store } = gateway.services;
  const [entry] = await Array.fromAsync(store.list(connections));
  assert.ok(entry);
  await store.write().set(connections, entry.id, { ...entry.value, accessToken }).commit();
}

/** Lets the upstream refuse every token with 401, after `happens`, which gets the number of the request. Returns what was sent. */
function refuseAll({ upstream }: UpstreamScene, happens: (count: number) => Promise<void>) {
  const sent: (string | null)[] = [];
  upstream.script.answer = async ({ path, headers }) => {
    if (path !== "/mcp") return null;
    await happens(sent.push(headers.get("authorization")));
    return new Response(null, { status: 401, headers: { "www-authenticate": "Bearer" } });
  };
  return sent;
}

Deno.test("a token that another process has put in place, and that is refused as well, is refreshed once, and the call succeeds (UP-18, UP-19)", async () => {
  await using scene = await upstreamScene({ script: { tokenSeconds: null } });
  await using second = await scene.another();
  const { upstream } = scene;
  const alice = await connected(scene);
  assert.equal(textOf(await call(scene, alice)), "account");
  upstream.endAccessTokens();
  assert.equal(textOf(await call({ gateway: second }, alice)), "account");
  assert.equal(refreshes(scene).length, 1);
  upstream.endAccessTokens();
  const before = upstream.refused.length;
  // The first process has not heard yet of what the second one did.
  assert.equal(textOf(await call(scene, alice)), "account");
  assert.equal(refreshes(scene).length, 2);
  const refused = upstream.refused.slice(before);
  assert.equal(refused.length, 2);
  assert.equal(refused[1], `Bearer ${upstream.calls.at(-2)?.token}`);
});

Deno.test("a token that was put in place of one that lacked a scope, and is refused, is refreshed as any other (UP-19, UP-20)", async () => {
  await using scene = await upstreamScene({ script: { tokenSeconds: null } });
  const { upstream } = scene;
  const alice = await connected(scene);
  upstream.script.mcp = async () => {
    upstream.script.mcp = null;
    await replaceToken(scene, "unknown-there");
    return new Response(null, {
      status: 403,
      headers: { "www-authenticate": 'Bearer error="insufficient_scope", scope="admin"' },
    });
  };
  assert.equal(textOf(await call(scene, alice)), "account");
  assert.deepEqual([refreshes(scene).length, upstream.calls.length], [1, 2]);
  assert.equal(upstream.refused.at(-1), "Bearer unknown-there");
});

Deno.test("an upstream that refuses every token gets a call three times at most, and one refresh; then the user is asked, unless they have just connected (UP-19)", async () => {
  for (const connectedBefore of [{ seconds: 0 }, { seconds: 61 }]) {
    await using scene = await upstreamScene({ script: { tokenSeconds: null } });
    const alice = await connected(scene);
    scene.clock.advance(connectedBefore);
    const sent = refuseAll(scene, async (count) => {
      if (count === 1) await replaceToken(scene, "of-another-process");
    });
    const { status, body } = await call(scene, alice);
    if (connectedBefore.seconds === 0) assert.equal(status, 502);
    else assert.equal(body.error?.data?.state, "reconsent_required");
    assert.equal(sent.length, 3);
    assert.equal(sent[1], "Bearer of-another-process");
    assert.equal(new Set(sent).size, 3);
    assert.equal(refreshes(scene).length, 1);
  }
});

Deno.test("an upstream that refuses what others put in place faster than a call can try it: an error after three times, nothing that the user could mend (UP-19)", async () => {
  await using scene = await upstreamScene({ script: { tokenSeconds: null } });
  const alice = await connected(scene);
  scene.clock.advance({ seconds: 61 });
  const sent = refuseAll(scene, (count) => replaceToken(scene, `of-another-process-${count}`));
  const { status, body } = await call(scene, alice);
  assert.deepEqual([status, body.error?.data?.state], [502, undefined]);
  assert.deepEqual(sent.slice(1), ["Bearer of-another-process-1", "Bearer of-another-process-2"]);
  assert.equal(refreshes(scene).length, 0);
  scene.upstream.script.answer = null;
  // The next call makes the refresh.
  assert.equal(textOf(await call(scene, alice)), "account");
  assert.equal(refreshes(scene).length, 1);
});
