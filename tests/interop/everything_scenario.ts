/** Everything that server-everything offers, asked for by one client: what it heard, so that two ways there can be compared. */
import assert from "node:assert/strict";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client";
// SDK v1 declares its subpaths' types where TypeScript looks only if the name has no extension.
// @ts-types="@modelcontextprotocol/sdk/types"
import * as v1 from "@modelcontextprotocol/sdk/types.js";
import type { Client } from "@modelcontextprotocol/client";
import { close } from "../support/clients.ts";
import {
  callReporting,
  type ClientKind,
  type RecordedClient,
  recordedClient,
  type Way,
} from "../support/recorded_client.ts";

const capabilities = { sampling: {}, roots: { listChanged: true }, elicitation: { form: {}, url: {} } };

/** How long the server may take to say what nobody waits for, in milliseconds. */
const PATIENCE_MS = 20_000;

/** What the client heard, in the order of the scenario. */
export type Heard = Readonly<Record<string, unknown>>;

/** Plays all of it with one client. */
export async function playEverything(kind: ClientKind, way: Way): Promise<Heard> {
  const recorded = recordedClient(kind, way, { capabilities });
  try {
    return neutral(await hearAll(recorded));
  } finally {
    await close(recorded.connection);
  }
}

async function hearAll(recorded: RecordedClient): Promise<Heard> {
  const { client, connect, connection, exchanges } = recorded;
  const questions = answerQuestions(recorded);
  const told = collectNotifications(recorded);
  await connect();
  await until(() => exchanges.includes("GET 200"), "the server's own stream");
  const heard = {
    lists: [
      await client.listTools(),
      await client.listPrompts(),
      await client.listResources(),
      await client.listResourceTemplates(),
    ],
    ...await plainCalls(client),
    ...await serverAsks(recorded, questions),
    ...await serverTells(client, told),
    questions: questions.seen,
  };
  await connection.transport.terminateSession();
  return { ...heard, afterTheEnd: await outcomeOf(() => client.ping()), exchanges: exchanges.toSorted() };
}

function call(client: Client, name: string, args: Record<string, unknown> = {}): Promise<unknown> {
  return client.callTool({ name, arguments: args });
}

async function plainCalls(client: Client): Promise<Heard> {
  const template = { type: "ref/resource" as const, uri: "demo://resource/dynamic/text/{resourceId}" };
  const prompt = { type: "ref/prompt" as const, name: "completable-prompt" };
  const context = { arguments: { department: "Sales" } };
  return {
    echo: await call(client, "echo", { message: "größer als ASCII, \u2028 und 😀" }),
    sum: await call(client, "get-sum", { a: 2, b: 40 }),
    structured: await call(client, "get-structured-content", { location: "Chicago" }),
    image: await call(client, "get-tiny-image"),
    links: await call(client, "get-resource-links", { count: 3 }),
    annotated: await call(client, "get-annotated-message", { messageType: "error", includeImage: true }),
    resource: await client.readResource({ uri: "demo://resource/dynamic/text/7" }),
    prompts: [
      await client.getPrompt({ name: "simple-prompt" }),
      await client.getPrompt({ name: "args-prompt", arguments: { city: "Köln", state: "NRW" } }),
    ],
    completions: [
      await client.complete({ ref: prompt, argument: { name: "department", value: "S" } }),
      await client.complete({ ref: prompt, argument: { name: "name", value: "" }, context }),
      await client.complete({ ref: template, argument: { name: "resourceId", value: "7" } }),
    ],
    errors: [
      await outcomeOf(() => call(client, "no-such-tool")),
      await outcomeOf(() => call(client, "get-sum", { a: "two" })),
      await outcomeOf(() => client.readResource({ uri: "demo://nowhere" })),
      await outcomeOf(() => client.getPrompt({ name: "no-such-prompt" })),
    ],
  };
}

/** Progress, and what the server asks in the middle of a call. */
async function serverAsks(recorded: RecordedClient, questions: Questions): Promise<Heard> {
  const { client } = recorded;
  const progress: unknown[] = [];
  const long = { name: "trigger-long-running-operation", arguments: { duration: 0.3, steps: 3 } };
  const counted = await callReporting(recorded, long, { onprogress: (report) => progress.push(report) });
  const stop = new AbortController();
  const stopped = await outcomeOf(() =>
    callReporting(recorded, { name: long.name, arguments: { duration: 1, steps: 5 } }, {
      onprogress: () => stop.abort("enough"),
      signal: stop.signal,
    })
  );
  const link = { url: "https://elsewhere.example/authorize", elicitationId: "e-1" };
  const heard = {
    counted,
    progress,
    stopped,
    sampled: await call(client, "trigger-sampling-request", { prompt: "Say something", maxTokens: 20 }),
    elicited: await call(client, "trigger-elicitation-request"),
    opened: await call(client, "trigger-url-elicitation", link),
    mustOpen: await outcomeOf(() => call(client, "trigger-url-elicitation", { ...link, errorPath: true })),
    roots: await call(client, "get-roots-list"),
  };
  const asked = questions.rootsAsked();
  questions.roots.push({ uri: "file:///two", name: "two" });
  await client.sendRootsListChanged();
  await until(() => questions.rootsAsked() > asked, "the server asks for the changed roots");
  return { ...heard, changedRoots: await call(client, "get-roots-list") };
}

/** Logging, subscriptions and updates, on the server's own stream. */
async function serverTells(client: Client, told: Told): Promise<Heard> {
  const uri = "demo://resource/dynamic/text/1";
  await client.setLoggingLevel("debug");
  const logged = await call(client, "toggle-simulated-logging");
  await until(() => told.logs.some((line) => /level.message/.test(line)), "a log line");
  const quiet = await call(client, "toggle-simulated-logging");
  await client.subscribeResource({ uri });
  await until(
    () => told.logs.some((line) => line.includes("Subscribe Resource request")),
    "the subscription",
  );
  const started = await call(client, "toggle-subscriber-updates");
  await until(() => told.updates.length > 0, "an update");
  const stopped = await call(client, "toggle-subscriber-updates");
  await client.unsubscribeResource({ uri });
  return { toggles: [logged, quiet, started, stopped], updates: [...new Set(told.updates)] };
}

interface Questions {
  readonly seen: unknown[];
  readonly roots: { uri: string; name: string }[];
  readonly rootsAsked: () => number;
}

/** Answers whatever the server asks, always alike. */
function answerQuestions({ connection, client }: RecordedClient): Questions {
  const seen: unknown[] = [];
  const roots = [{ uri: "file:///one", name: "one" }];
  let rootsAsked = 0;
  const sampling = (params: unknown) => {
    seen.push(params);
    const content = { type: "text" as const, text: "an answer" };
    return { model: "test", role: "assistant" as const, content };
  };
  const elicitation = (params: { readonly mode?: unknown }) => {
    seen.push(params);
    const content = { name: "Ada", check: true, integer: 7 };
    return { action: "accept" as const, ...(params.mode === "url" ? {} : { content }) };
  };
  const listRoots = () => {
    rootsAsked++;
    return { roots: [...roots] };
  };
  if (connection.client instanceof ClientV1) {
    const { client } = connection;
    client.setRequestHandler(v1.CreateMessageRequestSchema, ({ params }) => sampling(params));
    client.setRequestHandler(v1.ElicitRequestSchema, ({ params }) => elicitation(params));
    client.setRequestHandler(v1.ListRootsRequestSchema, listRoots);
  } else {
    client.setRequestHandler("sampling/createMessage", ({ params }) => sampling(params));
    client.setRequestHandler("elicitation/create", ({ params }) => elicitation(params));
    client.setRequestHandler("roots/list", listRoots);
  }
  return { seen, roots, rootsAsked: () => rootsAsked };
}

interface Told {
  readonly logs: string[];
  readonly updates: string[];
}

function collectNotifications({ connection, client }: RecordedClient): Told {
  const told: Told = { logs: [], updates: [] };
  const log = ({ data }: { readonly data?: unknown }) => void told.logs.push(String(data));
  const update = ({ uri }: { readonly uri: string }) => void told.updates.push(uri);
  if (connection.client instanceof ClientV1) {
    const { client } = connection;
    client.setNotificationHandler(v1.LoggingMessageNotificationSchema, ({ params }) => log(params));
    client.setNotificationHandler(v1.ResourceUpdatedNotificationSchema, ({ params }) => update(params));
  } else {
    client.setNotificationHandler("notifications/message", ({ params }) => log(params));
    client.setNotificationHandler("notifications/resources/updated", ({ params }) => update(params));
  }
  return told;
}

async function outcomeOf(act: () => Promise<unknown>): Promise<unknown> {
  try {
    return await act();
  } catch (error) {
    const { name, code, message, data } = error as Error & {
      readonly code?: unknown;
      readonly data?: unknown;
    }; // whatever it is
    return { name, code, message, data };
  }
}

/** What no two runs have in common: ids, session ids in what the server says of them, times of day. */
function neutral(heard: Heard): Heard {
  const text = JSON.stringify(heard)
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, "<uuid>")
    .replaceAll(/\d{1,2}:\d{2}:\d{2}(?: [AP]M)?/g, "<time>");
  return JSON.parse(text);
}

async function until(holds: () => boolean, what: string): Promise<void> {
  for (let waited = 0; !holds(); waited += 20) {
    assert.ok(waited < PATIENCE_MS, `waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
