/** "The user has to act", in every dialect of contract section 5, for both eras. */
import assert from "node:assert/strict";
import { z } from "zod";
import {
  call,
  connected,
  type SceneUser,
  signedIn,
  textOf,
  upstreamScene,
} from "../support/upstream_scene.ts";
import { MODERN_VERSION, type ModernMessage, modernMessage } from "../support/modern_message.ts";
import type { UpstreamScene } from "../support/upstream_scene.ts";

/** A request of 2026-07-28, by a client that declares `elicitation`. */
function modern(
  method: string,
  params: Record<string, unknown> = {},
  elicitation: Record<string, unknown> | null = { url: {} },
): ModernMessage {
  return modernMessage(method, params, { capabilities: elicitation === null ? {} : { elicitation } });
}

const toolCall = { name: "echo", arguments: { a: 1 } };

async function follow({ browser }: SceneUser, url = ""): Promise<void> {
  await browser.submit(await browser.get(url), { decision: "connect" });
}

/** The payload, strict: no member more, none less. */
const payload = z.strictObject({
  elicitations: z.tuple([z.strictObject({
    mode: z.literal("url"),
    elicitationId: z.string().min(16),
    url: z.url(),
    message: z.string().min(1),
  })]),
  state: z.enum(["authenticating", "reconsent_required", "admin_connect_required"]),
  upstreamServerId: z.literal("acme"),
  operationId: z.literal("alpha"),
  authUrl: z.url(),
  nextAction: z.literal("redirect"),
  authProfileId: z.literal("acme:user-oauth"),
});

Deno.test("2025-11-25: -32042 with both the specification's payload and ours; the URL is no credential (EL-01, EL-07, EL-11)", async () => {
  await using scene = await upstreamScene();
  const alice = await signedIn(scene);
  const { status, body, headers } = await call(scene, alice);
  assert.equal(status, 200);
  assert.equal(headers.get("cache-control"), "no-store");
  assert.equal(body.id, 1);
  assert.equal(body.error?.code, -32042);
  const data = payload.parse(body.error?.data);
  assert.equal(data.state, "authenticating");
  assert.equal(data.authUrl, data.elicitations[0].url);
  assert.ok(body.error?.message.includes(data.authUrl));
  const url = new URL(data.authUrl);
  assert.equal(url.origin + url.pathname, `${scene.gateway.origin}/auth/connections/acme/connect`);
  assert.deepEqual([...url.searchParams.keys()], ["pending"]);
  assert.ok(!/alice/.test(data.authUrl));
  // Nothing went upstream.
  assert.equal(scene.upstream.calls.length + scene.upstream.refused.length, 0);
  // A client that keeps trying gets the same link.
  assert.equal((await call(scene, alice)).body.error?.data?.authUrl, data.authUrl);
  // After fifteen minutes the link is dead, and a new one is handed out.
  scene.clock.advance({ seconds: 901 });
  assert.equal((await alice.browser.get(data.authUrl)).status, 403);
  const later = (await call(scene, alice)).body.error?.data?.authUrl ?? "";
  assert.notEqual(later, data.authUrl);
  assert.equal((await alice.browser.get(later)).status, 200);
});

Deno.test("2025-11-25: any request gets -32042, `initialize` too; a notification 202, GET 405, DELETE 202", async () => {
  await using scene = await upstreamScene();
  const alice = await signedIn(scene);
  for (const method of ["initialize", "tools/list", "prompts/get", "resources/read", "ping"]) {
    const { status, body } = await call(scene, alice, {
      message: { jsonrpc: "2.0", id: "a", method, params: {} },
    });
    assert.deepEqual([status, body.id, body.error?.code], [200, "a", -32042], method);
  }
  const notification = await call(scene, alice, {
    message: { jsonrpc: "2.0", method: "notifications/initialized" },
  });
  assert.deepEqual([notification.status, notification.body], [202, {}]);
  const get = await call(scene, alice, { method: "GET", headers: { accept: "text/event-stream" } });
  assert.equal(get.status, 405);
  assert.equal((await call(scene, alice, { method: "DELETE" })).status, 202);
  assert.equal(scene.upstream.calls.length, 0);
});

/** Opens a session while connected, then disconnects. */
async function sessionThenDisconnected(scene: UpstreamScene, capabilities: unknown) {
  const alice = await connected(scene);
  const { headers } = await call(scene, alice, {
    message: {
      jsonrpc: "2.0",
      id: 1,
      method: "initialize",
      params: { protocolVersion: "2025-11-25", capabilities, clientInfo: { name: "t", version: "1" } },
    },
  });
  const session = headers.get("mcp-session-id") ?? "";
  assert.notEqual(session, "");
  const account = await alice.browser.get(`${scene.gateway.origin}/account`);
  await alice.browser.submit(account, { action: "disconnect" });
  return { alice, headers: { "mcp-session-id": session } };
}

Deno.test("2025-11-25: a session whose client did not declare elicitation.url gets the link as a tool's text (EL-05)", async () => {
  for (const capabilities of [{}, { elicitation: {} }, { elicitation: { form: {} } }]) {
    await using scene = await upstreamScene();
    const { alice, headers } = await sessionThenDisconnected(scene, capabilities);
    const answer = await call(scene, alice, { headers });
    assert.equal(answer.body.error, undefined);
    assert.equal(answer.body.result?.isError, true);
    const [url] = /http\S+/.exec(textOf(answer) ?? "") ?? [];
    const list = await call(scene, alice, {
      headers,
      message: { jsonrpc: "2.0", id: 2, method: "tools/list" },
    });
    assert.equal(list.body.error?.code, -32042);
    await follow(alice, url);
    assert.equal(textOf(await call(scene, alice, { headers })), "account");
  }
});

Deno.test("2025-11-25: a session whose client declared elicitation.url gets -32042 (EL-01)", async () => {
  await using scene = await upstreamScene();
  const { alice, headers } = await sessionThenDisconnected(scene, { elicitation: { url: {} } });
  assert.equal((await call(scene, alice, { headers })).body.error?.code, -32042);
});

Deno.test("2026-07-28: input_required, the user connects, and the retry with requestState goes upstream without it (EL-02, EL-03)", async () => {
  await using scene = await upstreamScene();
  const alice = await signedIn(scene);
  const { body } = await call(scene, alice, modern("tools/call", toolCall));
  assert.equal(body.error, undefined);
  assert.equal(body.result?.resultType, "input_required");
  const [[key, request] = ["", undefined], ...others] = Object.entries(body.result?.inputRequests ?? {});
  assert.equal(others.length, 0);
  assert.equal(request?.method, "elicitation/create");
  assert.deepEqual(Object.keys(request?.params ?? {}).sort(), ["message", "mode", "url"]);
  assert.equal(request?.params.mode, "url");
  const requestState = body.result?.requestState ?? "";
  await follow(alice, request?.params.url);
  const again = { ...toolCall, requestState, inputResponses: { [key]: { action: "accept" } } };
  const answer = await call(scene, alice, modern("tools/call", again));
  assert.equal(textOf(answer), "account");
  const sent = JSON.parse(scene.upstream.calls.at(-1)?.body ?? "");
  assert.deepEqual(Object.keys(sent.params).sort(), ["_meta", "arguments", "name"]);
  assert.deepEqual(sent.params.arguments, toolCall.arguments);
});

Deno.test("2026-07-28: a requestState that was altered, is another user's, of another request or expired is refused once connected", async () => {
  await using scene = await upstreamScene();
  const alice = await connected(scene, "alice");
  const bob = await signedIn(scene, "bob");
  const { body } = await call(scene, bob, modern("tools/call", toolCall));
  const state = body.result?.requestState ?? "";
  await follow(bob, Object.values(body.result?.inputRequests ?? {})[0]?.params.url);
  const before = scene.upstream.calls.length;
  const attempts = [
    [alice, { ...toolCall, requestState: state }],
    [bob, { ...toolCall, requestState: `${state.slice(0, -2)}AA` }],
    [bob, { ...toolCall, requestState: "gw1." }],
    [bob, { ...toolCall, name: "other", requestState: state }],
    [bob, { ...toolCall, arguments: { a: 2 }, requestState: state }],
  ] as const;
  for (const [user, params] of attempts) {
    const { status, body } = await call(scene, user, modern("tools/call", params));
    assert.deepEqual([status, body.error?.code], [400, -32602]);
  }
  scene.clock.advance({ seconds: 901 });
  const late = await call(scene, bob, modern("tools/call", { ...toolCall, requestState: state }));
  assert.equal(late.status, 400);
  assert.equal(scene.upstream.calls.length, before);
  // A state of the upstream's own goes through as it is.
  const theirs = { ...toolCall, requestState: "theirs", inputResponses: { x: { action: "accept" } } };
  await call(scene, bob, modern("tools/call", theirs));
  const { params } = JSON.parse(scene.upstream.calls.at(-1)?.body ?? "");
  assert.deepEqual([params.requestState, params.inputResponses], ["theirs", theirs.inputResponses]);
});

Deno.test("2026-07-28: a user who declines, and one who never finishes, get a tool error and no loop (EL-09)", async () => {
  await using scene = await upstreamScene();
  const alice = await signedIn(scene);
  const first = await call(scene, alice, modern("tools/call", toolCall));
  const key = Object.keys(first.body.result?.inputRequests ?? {})[0] ?? "";
  const declined = {
    ...toolCall,
    requestState: first.body.result?.requestState,
    inputResponses: { [key]: { action: "decline" } },
  };
  const { body } = await call(scene, alice, modern("tools/call", declined));
  assert.deepEqual([body.result?.resultType, body.result?.isError], ["complete", true]);
  let { requestState } = first.body.result ?? {};
  let rounds = 1;
  for (; rounds < 12 && requestState !== undefined; rounds++) {
    const params = { ...toolCall, requestState, inputResponses: { [key]: { action: "accept" } } };
    requestState = (await call(scene, alice, modern("tools/call", params))).body.result?.requestState;
  }
  assert.ok(rounds < 10, `${rounds} rounds`);
});

Deno.test("2026-07-28: clients that cannot open a URL, and methods that cannot ask (EL-02, EL-03, EL-05)", async () => {
  await using scene = await upstreamScene();
  const alice = await signedIn(scene);
  for (const elicitation of [null, {}, { form: {} }]) {
    const tool = await call(scene, alice, modern("tools/call", toolCall, elicitation));
    assert.deepEqual([tool.body.result?.isError, tool.body.result?.resultType], [true, "complete"]);
    assert.ok(textOf(tool)?.includes("/auth/connections/acme/connect?pending="));
    const prompt = await call(scene, alice, modern("prompts/get", { name: "p" }, elicitation));
    assert.equal(prompt.body.error?.code, 4010);
    assert.ok(prompt.body.error?.message.includes("/auth/connections/acme/connect?pending="));
  }
  for (
    const [method, params] of [["prompts/get", { name: "p" }], ["resources/read", { uri: "a:b" }]] as const
  ) {
    const { body } = await call(scene, alice, modern(method, params));
    assert.equal(body.result?.resultType, "input_required", method);
  }
  const list = await call(scene, alice, modern("tools/list"));
  assert.equal(list.body.error?.code, 4010);
  const discover = await call(scene, alice, modern("server/discover"));
  assert.deepEqual(discover.body.result?.supportedVersions, [MODERN_VERSION]);
  const { message, headers } = modern("notifications/cancelled", { requestId: 1 });
  const { id: _id, ...notification } = message;
  assert.equal((await call(scene, alice, { message: notification, headers })).status, 202);
});

Deno.test("a shared upstream is an administrator's to connect, for everybody (UP-23)", async () => {
  await using scene = await upstreamScene({
    policy: { authMode: "shared-oauth" },
    config: { admins: (identity) => identity.subject === "alice" },
  });
  const bob = await signedIn(scene, "bob");
  const { body } = await call(scene, bob);
  assert.equal(body.error?.data?.state, "admin_connect_required");
  assert.equal(body.error?.data?.authProfileId, "acme:shared-oauth");
  assert.equal((await bob.browser.get(body.error?.data?.authUrl ?? "")).status, 403);
  const account = await bob.browser.get(`${scene.gateway.origin}/account`);
  assert.ok(!account.forms.some((form) => form.choices.some(({ value }) => value === "connect")));
  const alice = await connected(scene, "alice");
  assert.equal(textOf(await call(scene, alice)), "account");
  assert.equal(textOf(await call(scene, bob)), "account");
});
