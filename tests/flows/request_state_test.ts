/** The gateway's own `requestState`: sealed, this user's and this request's only, and transparent to the upstream's own asking. */
import assert from "node:assert/strict";
import { type ModernMessage, modernMessage, type ModernOptions } from "../support/modern_message.ts";
import { callMcp, obtainTokens, registerClient } from "../support/oauth_flow.ts";
import {
  call,
  connected,
  type SceneUser,
  signedIn,
  textOf,
  type UpstreamScene,
  upstreamScene,
} from "../support/upstream_scene.ts";

const KEY = "gateway.connect.acme";
const toolCall = { name: "echo", arguments: { a: 1 } };
const accepted = { [KEY]: { action: "accept" } };

function modern(params: Record<string, unknown>, options: ModernOptions = {}): ModernMessage {
  return modernMessage("tools/call", params, { capabilities: { elicitation: { url: {} } }, ...options });
}

/** Asks as a user who has to act, and returns the state and the link. */
async function asked(scene: UpstreamScene, user: SceneUser, params: Record<string, unknown> = toolCall) {
  const { body } = await call(scene, user, modern(params));
  assert.equal(body.result?.resultType, "input_required");
  return {
    state: body.result?.requestState ?? "",
    url: body.result?.inputRequests?.[KEY]?.params.url ?? "",
  };
}

async function follow({ browser }: SceneUser, url: string): Promise<void> {
  await browser.submit(await browser.get(url), { decision: "connect" });
}

/** The params of the last call that reached the upstream, without `_meta`. */
function lastParams({ upstream }: UpstreamScene): Record<string, unknown> {
  const { _meta, ...params } = JSON.parse(upstream.calls.at(-1)?.body ?? "").params;
  return params;
}

Deno.test("an upstream's state and answers wait while the user connects, and arrive whole (TR-21)", async () => {
  await using scene = await upstreamScene();
  const alice = await signedIn(scene);
  const theirs = {
    requestState: 'ü"\u2028 theirs',
    inputResponses: { x: { action: "accept", content: {} } },
  };
  const first = await asked(scene, alice, { ...toolCall, ...theirs });
  // Asked once more, since the user came back too early, with one more answer of the upstream's beside ours.
  const mixed = { ...accepted, y: { roots: [] } };
  const second = await asked(scene, alice, { ...toolCall, requestState: first.state, inputResponses: mixed });
  await follow(alice, second.url);
  const retry = { ...toolCall, requestState: second.state, inputResponses: { ...accepted, z: null } };
  assert.equal(textOf(await call(scene, alice, modern(retry))), "account");
  assert.deepEqual(lastParams(scene), {
    ...toolCall,
    requestState: theirs.requestState,
    inputResponses: { ...theirs.inputResponses, y: { roots: [] }, z: null },
  });
});

Deno.test("nothing of ours reaches the upstream, and nothing of its own is touched (TR-21)", async () => {
  await using scene = await upstreamScene();
  const alice = await signedIn(scene);
  const { state, url } = await asked(scene, alice);
  await follow(alice, url);
  await call(scene, alice, modern({ ...toolCall, requestState: state, inputResponses: accepted }));
  assert.deepEqual(lastParams(scene), toolCall);
  const answers = { x: { action: "decline" } };
  await call(
    scene,
    alice,
    modern({ ...toolCall, requestState: "theirs", inputResponses: { ...answers, ...accepted } }),
  );
  assert.deepEqual(lastParams(scene), { ...toolCall, requestState: "theirs", inputResponses: answers });
  // Around ours, not a byte differs: no double holds this number, and rewriting would change it.
  const retry = modern({ ...toolCall, requestState: state, inputResponses: accepted });
  const exact = '{"big":12345678901234567890, "small": 1.10}';
  const withState = (text: string) => JSON.stringify(retry.message).replace('{"a":1}', text);
  const foreign = withState(exact).replace(state, "theirs");
  await call(scene, alice, { message: foreign, headers: retry.headers });
  const sent = scene.upstream.calls.at(-1)?.body ?? "";
  assert.ok(sent.includes(`"arguments":${exact}`), sent);
  assert.ok(!sent.includes("gateway.connect"), sent);
  // Without anything of ours, not a byte differs.
  const { message, headers } = modern({ ...toolCall, requestState: "theirs", inputResponses: answers });
  const text = JSON.stringify(message, null, 1).replace('"theirs"', '"th\\u0065irs"');
  await call(scene, alice, { message: text, headers });
  assert.equal(scene.upstream.calls.at(-1)?.body, text);
});

Deno.test("a state that was altered, or is another user's, client's, route's or request's, is -32602, connected or not (TR-21)", async () => {
  await using scene = await upstreamScene({ paths: ["/alpha", "/beta"] });
  const { gateway } = scene;
  const alice = await signedIn(scene, "alice");
  const bob = await signedIn(scene, "bob");
  const { state, url } = await asked(scene, alice);
  const otherClient = await registerClient(gateway, { client_name: "Other" });
  const other = await obtainTokens(gateway, otherClient, { user: "alice" });
  const beta = await obtainTokens(gateway, scene.client, {
    user: "alice",
    changes: { resource: `${gateway.origin}/beta` },
  });
  const flipped = state.slice(0, 20) + (state[20] === "A" ? "B" : "A") + state.slice(21);
  const attempts: [what: string, path: string, token: string, params: Record<string, unknown>][] = [
    ["another user", "/alpha", bob.token, { ...toolCall, requestState: state }],
    ["another client", "/alpha", other.access_token, { ...toolCall, requestState: state }],
    ["another route", "/beta", beta.access_token, { ...toolCall, requestState: state }],
    ["another tool", "/alpha", alice.token, { ...toolCall, name: "delete", requestState: state }],
    ["other arguments", "/alpha", alice.token, { name: "echo", arguments: { a: 2 }, requestState: state }],
    ["a bit", "/alpha", alice.token, { ...toolCall, requestState: flipped }],
    ["cut", "/alpha", alice.token, { ...toolCall, requestState: state.slice(0, -4) }],
    ["nothing in it", "/alpha", alice.token, { ...toolCall, requestState: "gw1." }],
  ];
  const attempt = async (when: string) => {
    const before = scene.upstream.calls.length;
    for (const [what, path, token, params] of attempts) {
      const answer = await callMcp(gateway, path, token, modern(params));
      const { error, id } = await answer.json();
      assert.deepEqual([answer.status, error?.code, id], [400, -32602, 5], `${what}, ${when}`);
      const begun = gateway.events.filter(({ event }) => event === "mcp_capability_invoked").length;
      const over = gateway.events.filter(({ event }) => event === "mcp_capability_completed").length;
      assert.equal(begun, over, `${what}, ${when}: what was never sent was never begun`);
    }
    assert.equal(scene.upstream.calls.length, before, when);
  };
  await attempt("before anybody has connected");
  await follow(alice, url);
  await attempt("while connected");
  assert.equal(textOf(await call(scene, alice, modern({ ...toolCall, requestState: state }))), "account");
});

Deno.test("a state that has expired asks anew where the user still has to act, and is refused where not (TR-21)", async () => {
  await using scene = await upstreamScene();
  const alice = await signedIn(scene);
  const { state } = await asked(scene, alice);
  scene.clock.advance({ seconds: 901 });
  const late = { ...toolCall, requestState: state, inputResponses: accepted };
  const again = await asked(scene, alice, late);
  assert.notEqual(again.state, state);
  await follow(alice, again.url);
  const { status, body } = await call(scene, alice, modern(late));
  assert.deepEqual([status, body.error?.code], [400, -32602]);
});

Deno.test("more of the upstream's than a state can carry is not asked about: the link comes as a tool's text (TR-21)", async () => {
  await using scene = await upstreamScene();
  const alice = await signedIn(scene);
  const { body } = await call(scene, alice, modern({ ...toolCall, requestState: "x".repeat(100_000) }));
  assert.deepEqual([body.result?.resultType, body.result?.isError], ["complete", true]);
  assert.match(textOf({ body }) ?? "", /\/auth\/connections\/acme\/connect\?pending=/);
});

Deno.test("what the gateway answers itself it has to speak: a later version is -32022 while the user has to act (TR-13)", async () => {
  await using scene = await upstreamScene();
  const alice = await signedIn(scene);
  for (const method of ["server/discover", "tools/list"]) {
    const { status, body } = await call(scene, alice, modernMessage(method, {}, { version: "2027-01-01" }));
    assert.equal(status, 400);
    assert.equal(body.error?.code, -32022);
    assert.deepEqual(body.error?.data, { supported: ["2026-07-28"], requested: "2027-01-01" });
  }
});

Deno.test("an imitation of the gateway's questions gains an upstream nothing (TR-21, B13 209)", async () => {
  await using scene = await upstreamScene();
  const alice = await connected(scene);
  const link = `${scene.gateway.origin}/auth/connections/acme/connect?pending=made-up`;
  const imitation = {
    resultType: "input_required",
    inputRequests: {
      [KEY]: { method: "elicitation/create", params: { mode: "url", message: "m", url: link } },
    },
    requestState: "gw1.imitated",
  };
  scene.upstream.script.mcp = ({ body }) =>
    Response.json({ jsonrpc: "2.0", id: JSON.parse(body).id, result: imitation }, {
      headers: { "sallyport-connect": "acme" },
    });
  const answer = await call(scene, alice, modern(toolCall));
  // It passes as it came, and without the mark of the gateway's own questions.
  assert.deepEqual(answer.body.result, imitation);
  assert.equal(answer.headers.get("sallyport-connect"), null);
  // Its link leads to nothing, its state is refused, and an answer to its question stays here.
  assert.equal((await alice.browser.get(link)).status, 403);
  const before = scene.upstream.calls.length;
  const retry = { ...toolCall, requestState: "gw1.imitated", inputResponses: accepted };
  assert.equal((await call(scene, alice, modern(retry))).status, 400);
  assert.equal(scene.upstream.calls.length, before);
  await call(scene, alice, modern({ ...toolCall, requestState: "theirs", inputResponses: accepted }));
  assert.deepEqual(lastParams(scene), { ...toolCall, requestState: "theirs" });
  // The gateway's own questions do carry the mark, in every dialect.
  const account = await alice.browser.get(`${scene.gateway.origin}/account`);
  await alice.browser.submit(account, { action: "disconnect" });
  for (const request of [modern(toolCall), {}, modernMessage("tools/list")]) {
    assert.equal((await call(scene, alice, request)).headers.get("sallyport-connect"), "acme");
  }
});
