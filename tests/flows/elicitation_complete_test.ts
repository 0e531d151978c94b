/** A session that was asked to open a URL is told when its user has done so; its own stream ends with the credential it was opened with. */
import assert from "node:assert/strict";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client";
// @ts-types="@modelcontextprotocol/sdk/client/streamableHttp"
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
// @ts-types="@modelcontextprotocol/sdk/types"
import {
  ElicitationCompleteNotificationSchema,
  UrlElicitationRequiredError,
} from "@modelcontextprotocol/sdk/types.js";
import { freePort } from "../support/child_process.ts";
import { modernMessage } from "../support/modern_message.ts";
import { callMcp } from "../support/oauth_flow.ts";
import { serveHarness } from "../support/raw_http.ts";
import { until } from "../support/until.ts";
import { connected, type SceneUser, type UpstreamScene, upstreamScene } from "../support/upstream_scene.ts";
import type { UpstreamCall } from "../support/upstream_server.ts";

/** A sessionful upstream whose GET streams stay open; it notes with which account each was opened. */
function sessionful() {
  const streams: { readonly account: string; readonly ended: Promise<void> }[] = [];
  let sessions = 0;
  function standing(account: string, comment: string | null): Response {
    const ended = Promise.withResolvers<void>();
    streams.push({ account, ended: ended.promise });
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode(`: ${comment}\n\n`)),
      cancel: () => ended.resolve(),
    });
    return new Response(stream, { headers: { "content-type": "text/event-stream" } });
  }
  return {
    streams,
    mcp({ method, body, account, headers }: UpstreamCall): Response {
      if (method === "GET") return standing(account, headers.get("mcp-session-id"));
      if (method === "DELETE") return new Response(null, { status: 200 });
      const { id, method: called } = JSON.parse(body);
      if (called === "subscriptions/listen") return standing(account, "subscribed");
      if (id === undefined) return new Response(null, { status: 202 });
      if (called !== "initialize") {
        return Response.json({ jsonrpc: "2.0", id, result: { content: [{ type: "text", text: account }] } });
      }
      const result = {
        protocolVersion: "2025-11-25",
        capabilities: { tools: {} },
        serverInfo: { name: "u", version: "1" },
      };
      return Response.json({ jsonrpc: "2.0", id, result }, {
        headers: { "mcp-session-id": `session-${++sessions}` },
      });
    },
  };
}

interface Session {
  readonly client: ClientV1;
  /** Ids of elicitations that were said to be complete. */
  readonly completed: string[];
}

async function session(
  { gateway }: UpstreamScene,
  { token }: SceneUser,
  elicitation = true,
): Promise<Session> {
  const capabilities = elicitation ? { elicitation: { url: {} } } : {};
  const client = new ClientV1({ name: "sdk-v1", version: "1.0.0" }, { capabilities });
  const completed: string[] = [];
  client.setNotificationHandler(ElicitationCompleteNotificationSchema, ({ params }) => {
    completed.push(params.elicitationId);
  });
  const transport = new TransportV1(new URL(`${gateway.origin}/alpha`), {
    requestInit: { headers: { authorization: `Bearer ${token}` } },
    reconnectionOptions: {
      initialReconnectionDelay: 20,
      maxReconnectionDelay: 100,
      reconnectionDelayGrowFactor: 1,
      maxRetries: 5,
    },
  });
  // Its own Transport type does not allow for exactOptionalPropertyTypes.
  await client.connect(transport as Parameters<ClientV1["connect"]>[0]);
  return { client, completed };
}

const echo = { name: "echo", arguments: {} };

/** The elicitation that a call was answered with. */
async function asked({ client }: Session): Promise<{ readonly id: string; readonly url: string }> {
  let found = { id: "", url: "" };
  await assert.rejects(client.callTool(echo), (error) => {
    assert.ok(error instanceof UrlElicitationRequiredError, String(error));
    const [elicitation] = error.elicitations;
    found = { id: elicitation?.elicitationId ?? "", url: elicitation?.url ?? "" };
    return true;
  });
  return found;
}

async function onStage(
  act: (scene: UpstreamScene, upstream: ReturnType<typeof sessionful>) => Promise<void>,
): Promise<void> {
  const port = freePort();
  const upstream = sessionful();
  await using scene = await upstreamScene({
    script: { mcp: upstream.mcp },
    harness: { origin: `http://127.0.0.1:${port}` },
  });
  // Over the network, since streams are handed to the socket without passing through JavaScript.
  await using _ = serveHarness(scene.gateway, port);
  await act(scene, upstream);
}

Deno.test("the session that was asked hears that it is done, on its own stream; no other session of the user does, nor anybody else (EL-08)", () =>
  onStage(async (scene, { streams }) => {
    const [alice, bob] = [await connected(scene, "alice"), await connected(scene, "bob")];
    const [asking, silent, ofBob] = [
      await session(scene, alice),
      await session(scene, alice),
      await session(scene, bob),
    ];
    try {
      await until("three streams", () => streams.length === 3);
      // Alice's grant is over; Bob's, made later, as well. Only one of the sessions notices.
      scene.upstream.endAccessTokens();
      scene.upstream.endRefreshTokens();
      const { id, url } = await asked(asking);
      assert.notEqual(id, "");
      scene.upstream.script.account = "another account";
      await alice.browser.submit(await alice.browser.get(url), { decision: "connect" });

      await until("the notification", () => asking.completed.length > 0);
      await until("both of Alice's streams are back", () => streams.length === 5);
      assert.deepEqual(asking.completed, [id]);
      assert.deepEqual([silent.completed, ofBob.completed], [[], []]);
      // What was opened with the former account has ended, and what is open now is the new one's.
      await Promise.all(streams.slice(0, 2).map(({ ended }) => ended));
      assert.deepEqual(streams.slice(3).map(({ account }) => account), [
        "another account",
        "another account",
      ]);
      for (const { client } of [asking, silent]) {
        assert.deepEqual((await client.callTool(echo)).content, [{ type: "text", text: "another account" }]);
      }
      // Once.
      await new Promise((resolve) => setTimeout(resolve, 300));
      assert.deepEqual(asking.completed, [id]);
      assert.equal(streams.length, 5);
    } finally {
      for (const { client } of [asking, silent, ofBob]) await client.close();
    }
  }));

Deno.test("a client that cannot open URLs was asked nothing and is told nothing (EL-05, EL-08)", () =>
  onStage(async (scene, { streams }) => {
    const alice = await connected(scene, "alice");
    const plain = await session(scene, alice, false);
    try {
      await until("a stream", () => streams.length === 1);
      scene.upstream.endAccessTokens();
      scene.upstream.endRefreshTokens();
      const answer = await plain.client.callTool(echo);
      assert.equal(answer.isError, true);
      const url = /http:\S+pending=[\w-]+/.exec(JSON.stringify(answer.content))?.[0] ?? "";
      await alice.browser.submit(await alice.browser.get(url), { decision: "connect" });
      await until("the stream is back", () => streams.length === 2);
      assert.equal((await plain.client.callTool(echo)).isError, undefined);
      assert.deepEqual(plain.completed, []);
    } finally {
      await plain.client.close();
    }
  }));

Deno.test("a disconnect ends the session's own stream: nothing more of the account comes through it (UP-22)", () =>
  onStage(async (scene, { streams }) => {
    const [alice, bob] = [await connected(scene, "alice"), await connected(scene, "bob")];
    const [hers, his] = [await session(scene, alice), await session(scene, bob)];
    try {
      await until("two streams", () => streams.length === 2);
      const account = await alice.browser.get(`${scene.gateway.origin}/account`);
      await alice.browser.submit(account, { action: "disconnect" });
      await streams[0]?.ended;
      let over = false;
      streams[1]?.ended.then(() => over = true);
      await new Promise((resolve) => setTimeout(resolve, 300));
      assert.equal(over, false, "somebody else's stream goes on");
      assert.equal(streams.length, 2, "and hers is not opened again");
    } finally {
      for (const { client } of [hers, his]) await client.close();
    }
  }));

Deno.test("a refresh ends no stream (UP-18)", () =>
  onStage(async (scene, { streams }) => {
    const alice = await connected(scene, "alice");
    const { client } = await session(scene, alice);
    try {
      await until("a stream", () => streams.length === 1);
      scene.clock.advance({ seconds: 299 });
      await client.callTool(echo);
      assert.ok(
        scene.upstream.at("/token").some(({ params }) => params.get("grant_type") === "refresh_token"),
      );
      let over = false;
      streams[0]?.ended.then(() => over = true);
      await new Promise((resolve) => setTimeout(resolve, 300));
      assert.equal(over, false);
    } finally {
      await client.close();
    }
  }));

Deno.test("a disconnect ends a subscription of 2026-07-28, too", () =>
  onStage(async (scene, { streams }) => {
    const alice = await connected(scene, "alice");
    const listening = await callMcp(
      { fetch: (path, init) => fetch(new URL(path, scene.gateway.origin), init) },
      "/alpha",
      alice.token,
      modernMessage("subscriptions/listen", { notifications: { toolsListChanged: true } }),
    );
    assert.equal(listening.status, 200);
    const read = listening.text().catch(() => "cut");
    await until("a stream", () => streams.length === 1);
    const account = await alice.browser.get(`${scene.gateway.origin}/account`);
    await alice.browser.submit(account, { action: "disconnect" });
    await streams[0]?.ended;
    await read;
  }));
