/** The official server-everything behaves through the gateway as it does directly, in the eyes of both SDKs and on the wire. */
import assert from "node:assert/strict";
import { mcpProxy } from "../../mod.ts";
import { watchedGateway } from "../security/watched_gateway.ts";
import { freePort } from "../support/child_process.ts";
import { startEverything } from "../support/everything.ts";
import { obtainTokens, registerClient } from "../support/oauth_flow.ts";
import { serveHarness } from "../support/raw_http.ts";
import type { ClientKind, Way } from "../support/recorded_client.ts";
import { playEverything } from "./everything_scenario.ts";

/** Both ways to one server. */
async function bothWays(
  act: (ways: { readonly direct: Way; readonly through: Way }) => Promise<void>,
): Promise<void> {
  const everything = await startEverything();
  try {
    const port = freePort();
    await using gateway = await watchedGateway({
      origin: `http://127.0.0.1:${port}`,
      config: () => ({
        routes: [mcpProxy("/everything", { operationId: "everything", upstream: everything.url.href })],
      }),
    });
    await using _ = serveHarness(gateway, port);
    const url = new URL("/everything", gateway.origin);
    const changes = { resource: url.href };
    const { access_token: token } = await obtainTokens(gateway, await registerClient(gateway), { changes });
    const through = { url, token };
    await act({ direct: { url: everything.url }, through });
  } finally {
    await everything.stop();
  }
}

const SDKS: readonly (readonly [string, ClientKind])[] = [["v1", "v1"], ["v2", { v2: "legacy" }]];

Deno.test("server-everything behaves as directly: progress, cancelling, sampling, elicitation, roots, logging, updates, completion, DELETE (issue 6, TR-26, TR-28, TR-29)", () =>
  bothWays(async ({ direct, through }) => {
    for (const [name, kind] of SDKS) {
      const own = await playEverything(kind, direct);
      const gateways = await playEverything(kind, through);
      // One by one, so that a difference says where it is.
      for (const part of Object.keys(own)) {
        assert.deepEqual(gateways[part], own[part], `SDK ${name}: ${part}`);
      }
      assert.deepEqual(Object.keys(gateways), Object.keys(own));
      // Not two empty runs.
      assert.match(JSON.stringify(own.sampled), /an answer/);
      assert.match(JSON.stringify(own.elicited), /Name: Ada/);
      assert.match(JSON.stringify(own.mustOpen), /-32042/);
      assert.match(JSON.stringify(own.exchanges), /POST notifications\/cancelled 202/);
      assert.match(JSON.stringify(own.changedRoots), /file:\/\/\/two/);
      assert.equal((own.progress as unknown[]).length, 3); // an array: collected there
    }
  }));

const VERSION = "2025-11-25";

/** One session, spoken by hand. */
class Session {
  readonly #way: Way;
  #id: string | null = null;

  constructor(way: Way) {
    this.#way = way;
  }

  async open(): Promise<void> {
    const params = { protocolVersion: VERSION, capabilities: {}, clientInfo: { name: "hand", version: "1" } };
    const answer = await this.send("POST", {
      message: { jsonrpc: "2.0", id: 0, method: "initialize", params },
    });
    await answer.body?.cancel();
    this.#id = answer.headers.get("mcp-session-id");
    const done = await this.send("POST", {
      message: { jsonrpc: "2.0", method: "notifications/initialized" },
    });
    await done.body?.cancel();
  }

  send(
    method: string,
    { message, headers, signal }: {
      readonly message?: unknown;
      readonly headers?: Record<string, string>;
      readonly signal?: AbortSignal;
    } = {},
  ): Promise<Response> {
    const { url, token } = this.#way;
    return fetch(url, {
      method,
      ...(message === undefined ? {} : { body: JSON.stringify(message) }),
      ...(signal === undefined ? {} : { signal }),
      headers: {
        accept: method === "GET" ? "text/event-stream" : "application/json, text/event-stream",
        ...(message === undefined ? {} : { "content-type": "application/json" }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(this.#id === null ? {} : { "mcp-session-id": this.#id, "mcp-protocol-version": VERSION }),
        ...headers,
      },
    });
  }
}

interface ServerEvent {
  readonly id: string | null;
  readonly data: string;
}

/** Reads events until one satisfies, and no further. */
async function eventsUntil(
  response: Response,
  enough: (event: ServerEvent) => boolean,
): Promise<ServerEvent[]> {
  const events: ServerEvent[] = [];
  let rest = "";
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const parts = (rest + chunk).split("\n\n");
    rest = parts.pop() ?? "";
    for (const part of parts) {
      const event = {
        id: /^id: (.*)$/m.exec(part)?.[1] ?? null,
        data: /^data: (.*)$/m.exec(part)?.[1] ?? "",
      };
      events.push(event);
      if (enough(event)) return events;
    }
  }
  return events;
}

/** What came after an event. This server replays what it has when it is asked, so it is asked until the result is there. */
async function replay(session: Session, lastEventId: string) {
  for (let attempt = 0; attempt < 100; attempt++) {
    const impatience = new AbortController();
    const timer = setTimeout(() => impatience.abort(), 300);
    try {
      const headers = { "last-event-id": lastEventId };
      const answer = await session.send("GET", { headers, signal: impatience.signal });
      const events = await eventsUntil(answer, ({ data }) => data.includes('"result"'));
      return { status: answer.status, events };
    } catch (error) {
      if (!impatience.signal.aborted) throw error;
    } finally {
      clearTimeout(timer);
    }
  }
  throw new Error("The result was never replayed.");
}

/** A call that is cut after its first report, and taken up again where it was. */
async function cutAndReplayed(way: Way): Promise<Record<string, unknown>> {
  const session = new Session(way);
  await session.open();
  const message = {
    jsonrpc: "2.0",
    id: 1,
    method: "tools/call",
    params: {
      name: "trigger-long-running-operation",
      arguments: { duration: 0.8, steps: 4 },
      _meta: { progressToken: "p" },
    },
  };
  const cut = new AbortController();
  const first = await eventsUntil(
    await session.send("POST", { message, signal: cut.signal }),
    ({ data }) => data.includes("notifications/progress"),
  );
  cut.abort();
  const lastEventId = first.at(-1)?.id ?? "";
  const { status, events: rest } = await replay(session, lastEventId);
  const ended = await session.send("DELETE");
  await ended.body?.cancel();
  const gone = await session.send("POST", { message: { jsonrpc: "2.0", id: 2, method: "ping" } });
  const dataOf = (events: readonly ServerEvent[]) => events.map(({ data }) => data);
  return {
    first: dataOf(first),
    resumed: status,
    rest: dataOf(rest),
    ended: ended.status,
    gone: [gone.status, await gone.text()],
  };
}

Deno.test("a stream of server-everything that was cut is replayed from the last event, and a session that was deleted is gone (issue 6, TR-26, TR-27, TR-29)", () =>
  bothWays(async ({ direct, through }) => {
    const own = await cutAndReplayed(direct);
    assert.deepEqual(await cutAndReplayed(through), own);
    const rest = own.rest as string[]; // an array: collected there
    assert.deepEqual([own.resumed, own.ended], [200, 200]);
    assert.match(rest.at(-1) ?? "", /Long running operation completed/);
    assert.equal(
      rest.filter((data) => data.includes("notifications/progress")).length,
      3,
      "each report once",
    );
  }));
