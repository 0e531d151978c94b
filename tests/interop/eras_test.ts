/**
 * Every official client, in every way of negotiating, against a server of each era: directly and through the gateway. The gateway must be
 * invisible in what works, in what fails, and in the answers that make a client of both eras fall back.
 */
import assert from "node:assert/strict";
// @ts-types="@modelcontextprotocol/sdk/types"
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client";
import { mcpProxy } from "../../mod.ts";
import { watchedGateway } from "../security/watched_gateway.ts";
import { freePort } from "../support/child_process.ts";
import { close, negotiatedVersion } from "../support/clients.ts";
import {
  type EraUpstream,
  type ModernUpstream,
  serveLegacyOnly,
  serveModernOnly,
} from "../support/era_upstreams.ts";
import { obtainTokens, registerClient } from "../support/oauth_flow.ts";
import { serveHarness } from "../support/raw_http.ts";
import {
  callReporting,
  type ClientKind,
  type RecordedClient,
  recordedClient,
  type Way,
} from "../support/recorded_client.ts";
import { within } from "../support/written_stream.ts";

/** What a client got out of a server. */
interface Outcome {
  /** The revision agreed on, or `null` where there was none. */
  readonly version: string | null;
  readonly session: boolean;
  /** What stopped it from connecting. */
  readonly failure: string | null;
  readonly heard: Readonly<Record<string, unknown>>;
  /** All but the GET stream, which comes when it comes. */
  readonly exchanges: readonly string[];
}

const capabilities = { elicitation: { form: {} } };

async function play(kind: ClientKind, way: Way, upstream: EraUpstream): Promise<Outcome> {
  const recorded = recordedClient(kind, way, { capabilities });
  const { connection, client, connect, exchanges } = recorded;
  const asked = answerQuestions(recorded);
  try {
    await connect();
  } catch (error) {
    await client.close();
    return { version: null, session: false, failure: told(error), heard: {}, exchanges: settled(exchanges) };
  }
  const session = connection.transport.sessionId !== undefined;
  const version = negotiatedVersion(connection) ?? null;
  const progress: number[] = [];
  const count = { name: "count", arguments: { to: 3 } };
  const heard = {
    tools: (await client.listTools()).tools.map(({ name }) => name),
    echo: (await client.callTool({ name: "echo", arguments: { words: "größer als ASCII" } })).content,
    count: (await callReporting(recorded, count, { onprogress: (report) => progress.push(report.progress) }))
      .content,
    progress,
    stopped: await stopWaiting(recorded, upstream),
    ask: (await client.callTool({ name: "ask", arguments: {} })).content,
    asked,
    unknownTool: await outcomeOf(() => client.callTool({ name: "größe", arguments: {} })),
    unknownMethod: await outcomeOf(() => client.getPrompt({ name: "none" })),
  };
  await close(connection);
  return { version, session, failure: null, heard, exchanges: settled(exchanges) };
}

/** Calls a tool that never answers, and cancels it: by a notification, or by going away, as the era has it. */
async function stopWaiting(recorded: RecordedClient, upstream: EraUpstream): Promise<string> {
  const stop = new AbortController();
  const options = { onprogress: () => stop.abort("enough"), signal: stop.signal };
  const outcome = await outcomeOf(() => callReporting(recorded, { name: "wait", arguments: {} }, options));
  await within(10_000, upstream.cancelled(), "the upstream hears that its answer is not wanted any more");
  return outcome;
}

function answerQuestions({ connection, client }: RecordedClient): string[] {
  const asked: string[] = [];
  const answer = (message: string) => {
    asked.push(message);
    return { action: "accept" as const, content: { name: "Ada" } };
  };
  if (connection.client instanceof ClientV1) {
    connection.client.setRequestHandler(ElicitRequestSchema, ({ params }) => answer(params.message));
  } else client.setRequestHandler("elicitation/create", ({ params }) => answer(params.message));
  return asked;
}

async function outcomeOf(act: () => Promise<unknown>): Promise<string> {
  try {
    return JSON.stringify(await act());
  } catch (error) {
    return told(error);
  }
}

/** Kind, code and text of an error. */
function told(error: unknown): string {
  const { name, code, message } = error as Error & { readonly code?: unknown }; // whatever it is, these are asked of it
  return `${name} ${code}: ${message}`;
}

function settled(exchanges: readonly string[]): string[] {
  return exchanges.filter((exchange) => !exchange.startsWith("GET"));
}

const PIN = { pin: "2026-07-28" } as const;

/** What is to be expected of each client at each server: the revision, or what stops it. */
const MATRIX: readonly {
  readonly name: string;
  readonly kind: ClientKind;
  readonly legacy: string | RegExp;
  readonly modern: string | RegExp;
}[] = [
  { name: "SDK v1", kind: "v1", legacy: "2025-11-25", modern: /-32022/ },
  { name: "SDK v2, legacy", kind: { v2: "legacy" }, legacy: "2025-11-25", modern: /-32022/ },
  { name: "SDK v2, pinned", kind: { v2: PIN }, legacy: /POST server\/discover 400/, modern: "2026-07-28" },
  { name: "SDK v2, auto", kind: { v2: "auto" }, legacy: "2025-11-25", modern: "2026-07-28" },
];

/** Plays with a gateway in front of an upstream: the way through it. */
async function through(upstream: { readonly url: URL }, act: (way: Way) => Promise<void>): Promise<void> {
  const port = freePort();
  await using gateway = await watchedGateway({
    origin: `http://127.0.0.1:${port}`,
    config: () => ({ routes: [mcpProxy("/era", { operationId: "era", upstream: upstream.url.href })] }),
  });
  await using _ = serveHarness(gateway, port);
  const url = new URL("/era", gateway.origin);
  const changes = { resource: url.href };
  const { access_token: token } = await obtainTokens(gateway, await registerClient(gateway), { changes });
  await act({ url, token });
}

Deno.test("every official client finds its era through the gateway as it does directly, with the same exchanges (issue 6, TR-05, TR-07, TR-15, TR-17, TR-29)", async () => {
  for (const [era, start] of [["legacy", serveLegacyOnly], ["modern", serveModernOnly]] as const) {
    await using upstream = start();
    await through(upstream, async (way) => {
      for (const { name, kind, ...expected } of MATRIX) {
        const what = `${name}, ${era} server`;
        const direct = await play(kind, { url: upstream.url }, upstream);
        assert.deepEqual(await play(kind, way, upstream), direct, what);
        if (typeof expected[era] === "string") {
          assert.equal(direct.version, expected[era], what);
          assert.equal(direct.session, era === "legacy", what);
          assert.deepEqual(direct.heard.asked, ["What is your name?"], what);
          assert.deepEqual(direct.heard.progress, [1, 2, 3], what);
          const fellBack = direct.exchanges[0] === "POST server/discover 400 -32000";
          assert.equal(fellBack, name === "SDK v2, auto" && era === "legacy", what);
        } else assert.match(`${direct.failure} ${direct.exchanges}`, expected[era], what);
      }
    });
  }
});

async function subscribe(upstream: ModernUpstream, way: Way): Promise<unknown> {
  const { client, connect, connection, exchanges } = recordedClient({ v2: PIN }, way);
  let told = 0;
  const twice = Promise.withResolvers<void>();
  client.setNotificationHandler("notifications/tools/list_changed", () => {
    if (++told === 2) twice.resolve();
  });
  await connect();
  try {
    // The server has no resources, so it honours half of what it is asked for.
    const { honoredFilter, closed } = await client.listen({
      toolsListChanged: true,
      resourcesListChanged: true,
    });
    upstream.toolsChanged();
    upstream.toolsChanged();
    await within(10_000, twice.promise, "two notifications");
    await upstream.endSubscriptions();
    return { honoredFilter, told, closed: await within(10_000, closed, "the end"), exchanges };
  } finally {
    await close(connection);
  }
}

Deno.test("a subscription is acknowledged, hears what changes, and ends as the upstream ends it (issue 6, TR-18)", async () => {
  await using alone = serveModernOnly();
  const direct = await subscribe(alone, { url: alone.url });
  assert.deepEqual(direct, {
    honoredFilter: { toolsListChanged: true },
    told: 2,
    closed: "graceful",
    exchanges: ["POST server/discover 200", "POST subscriptions/listen 200"],
  });
  await using upstream = serveModernOnly();
  await through(upstream, async (way) => assert.deepEqual(await subscribe(upstream, way), direct));
});
