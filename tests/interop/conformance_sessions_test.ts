/**
 * What the conformance suite does not look at, with the real clients against its fixture: streams that the gateway ends with their token
 * and clients that come back to them, and requests in both directions in sessions side by side.
 */
import assert from "node:assert/strict";
import type { Client } from "@modelcontextprotocol/client";
import { ANSWERING, answerRequests, hear } from "../support/client_handlers.ts";
import {
  callWithProgress,
  close,
  type ConnectionV1,
  type ConnectionV2,
  type ConnectOptions,
  connectV1,
  connectV2,
} from "../support/clients.ts";
import type { SeenRequest } from "../support/conformance_server/request_log.ts";
import { HeadlessOAuthProvider } from "../support/oauth_client_provider.ts";
import { onConformanceStage } from "./conformance_scene.ts";

type Connection = ConnectionV1 | ConnectionV2;
type Connect = (url: URL, options: ConnectOptions) => Promise<Connection>;

const WATCHED = "test://watched-resource";

const opensStream = ({ method, status }: SeenRequest) => method === "GET" && status === 200;
const resumes = (request: SeenRequest) => opensStream(request) && request.lastEventId !== null;

/** The two SDKs' clients agree on the calls made here; a union of their overloads cannot be called. */
function clientOf({ client }: Connection): Client {
  return client as Client;
}

/** `done` resolves at the `count`th call of `add`, or rejects when it has not come within 20 s of being asked for. */
function countdown(count: number): { readonly done: () => Promise<void>; readonly add: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  let left = count;
  return {
    async done() {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`${left} of ${count} have not come within 20 s.`)), 20_000);
      });
      await Promise.race([promise, late]).finally(() => clearTimeout(timer));
    },
    add() {
      if (--left === 0) resolve();
    },
  };
}

interface ComingBack {
  /** What the client has to be told to do before it comes back. */
  readonly renew?: (client: Client) => Promise<unknown>;
  /** Whether through a filter, which reads the streams. */
  readonly curated?: boolean;
}

/**
 * A session's own stream and a call's both end when their token expires. The client renews its token, takes both up again where it lost
 * them, and misses nothing.
 */
function comesBack(connect: Connect, { renew, curated = false }: ComingBack = {}): Promise<void> {
  return onConformanceStage(async ({ fixture, url, curatedUrl }) => {
    const oauth = new HeadlessOAuthProvider();
    const connection = await connect(curated ? curatedUrl : url, { oauth });
    try {
      const lines: unknown[] = [];
      const first = countdown(1);
      const second = countdown(2);
      hear(connection, {
        log(line) {
          lines.push(line);
          first.add();
          second.add();
        },
      });
      await fixture.waitForRequests(opensStream, 1);
      // A stream on which nothing has come yet has no place to come back to.
      await fixture.log("first");
      await first.done();
      const call = callWithProgress(connection, { name: "test_held_call", input: {} });
      // Should the test fail before it waits for the call, closing the client fails the call too.
      call.catch(() => {});
      await fixture.waitForRequests(({ lost }) => lost, 2);
      await fixture.log("second, while nobody listened");
      fixture.release();
      await renew?.(clientOf(connection));
      await fixture.waitForRequests(resumes, 2);
      assert.match((await call).text, /Released/);
      await second.done();
      assert.deepEqual(lines, ["first", "second, while nobody listened"]);
      assert.equal(oauth.authorizationUrls.length, 1, "the user was asked again");
      assert.ok(oauth.tokenHistory.length >= 2, "the token was not renewed");
    } finally {
      await close(connection);
    }
  }, { accessTokenTtlSeconds: 3, retryMs: 1000 });
}

Deno.test("SDK v2 comes back to the streams that its expired token has ended, and misses nothing (RS-14, TR-27)", () =>
  comesBack(connectV2));

Deno.test("SDK v2 comes back to streams that a filter reads (RS-14, TR-27)", () =>
  comesBack(connectV2, { curated: true }));

// SDK v1 forgets where it was when the request to take a stream up again is answered 401: the token has to be new by then.
Deno.test("SDK v1 comes back to the streams that its expired token has ended, once something else renewed the token (RS-14, TR-27)", () =>
  comesBack(connectV1, { renew: (client) => client.ping() }));

Deno.test("SDK v2, 2026-07-28, is told that its expired token has ended its subscription, and subscribes again (RS-14, TR-18)", () =>
  onConformanceStage(async ({ url }) => {
    const oauth = new HeadlessOAuthProvider();
    const connection = await connectV2(url, { oauth, mode: { pin: "2026-07-28" } });
    const { client } = connection;
    try {
      let told = countdown(1);
      client.setNotificationHandler("notifications/tools/list_changed", () => told.add());
      const filter = { toolsListChanged: true };
      for (const end of ["remote", "local"] as const) {
        told = countdown(1);
        const subscription = await client.listen(filter);
        assert.deepEqual(subscription.honoredFilter, filter);
        await client.callTool({ name: "test_trigger_tool_change", arguments: {} });
        await told.done();
        if (end === "local") await subscription.close();
        const closed = countdown(1);
        subscription.closed.then(closed.add);
        await closed.done();
        assert.equal(await subscription.closed, end);
      }
      assert.ok(oauth.tokenHistory.length >= 2, "the token was not renewed");
    } finally {
      await close(connection);
    }
  }, { accessTokenTtlSeconds: 3 }));

Deno.test("Sessions side by side: each server request is answered by the client that it was meant for (TR-26, TR-28)", () =>
  onConformanceStage(async ({ fixture, url }) => {
    const join = async (name: string, connect: Connect) => {
      const oauth = new HeadlessOAuthProvider({ approval: { user: name } });
      return { name, connection: await connect(url, { oauth, capabilities: ANSWERING }) };
    };
    const people = [await join("ann", connectV1), await join("bob", connectV2), await join("ann", connectV2)];
    try {
      // All questions are open at once before the first is answered.
      const asked = countdown(2 * people.length);
      const calls = people.map(({ connection }, index) => {
        const name = `client-${index}`;
        answerRequests(connection, {
          name,
          before() {
            asked.add();
            return asked.done();
          },
        });
        const client = clientOf(connection);
        return Promise.all([
          client.callTool({ name: "test_sampling", arguments: { prompt: `prompt-${index}` } }),
          client.callTool({ name: "test_elicitation", arguments: { message: "Who?" } }),
        ]);
      });
      for (const [index, results] of (await Promise.all(calls)).entries()) {
        const [sampled, elicited] = results.map(({ content }) => JSON.stringify(content));
        assert.match(sampled ?? "", new RegExp(`client-${index}: .*prompt-${index}`));
        assert.match(elicited ?? "", new RegExp(`client-${index}`));
        for (const other of people.keys()) {
          if (other !== index) assert.doesNotMatch(`${sampled} ${elicited}`, new RegExp(`client-${other}`));
        }
      }
      const sessions = new Set(people.map(({ connection }) => connection.transport.sessionId));
      assert.equal(sessions.size, people.length);
      // What the server says outside of any call reaches the sessions that asked for it.
      const heard = people.map(() => ({ updated: [] as string[], logged: countdown(1) }));
      for (const [index, { connection }] of people.entries()) {
        hear(connection, {
          updated: (uri) => heard[index]?.updated.push(uri),
          log: () => heard[index]?.logged.add(),
        });
      }
      await fixture.waitForRequests(opensStream, people.length);
      await clientOf(people[1]!.connection).subscribeResource({ uri: WATCHED });
      await fixture.touchWatchedResource();
      await fixture.log("the end");
      await Promise.all(heard.map(({ logged }) => logged.done()));
      assert.deepEqual(heard.map(({ updated }) => updated), [[], [WATCHED], []]);
    } finally {
      for (const { connection } of people) await close(connection);
    }
  }, { users: ["ann", "bob"] }));

for (
  const [name, connect] of [
    ["SDK v1", connectV1],
    ["SDK v2", connectV2],
    ["SDK v2, 2026-07-28", (url, options) => connectV2(url, { ...options, mode: { pin: "2026-07-28" } })],
  ] satisfies readonly (readonly [string, Connect])[]
) {
  Deno.test(`${name} answers three questions that one call asks at once (TR-19, TR-21, TR-28)`, () =>
    onConformanceStage(async ({ url }) => {
      const oauth = new HeadlessOAuthProvider();
      const connection = await connect(url, { oauth, capabilities: ANSWERING });
      try {
        answerRequests(connection, { name: "ann" });
        const { content } = await clientOf(connection).callTool({
          name: "test_input_required_result_multiple_inputs",
          arguments: {},
        });
        const text = JSON.stringify(content);
        for (const answer of [/\\"name\\":\\"ann\\"/, /ann: /, /file:\/\/\/ann/]) assert.match(text, answer);
      } finally {
        await close(connection);
      }
    }));
}
