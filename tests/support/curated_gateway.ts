/** A gateway whose route `/alpha` has a `capabilityFilter`, in front of the curated upstream, and users who are signed in to it. */
import { capabilityFilter, type CapabilityFilterOptions, mcpProxy, type RoutePolicy } from "../../mod.ts";
import { type WatchedGateway, watchedGateway, type WatchedOptions } from "../security/watched_gateway.ts";
import { type CuratedScript, curatedUpstream, type RpcMessage } from "./curated_upstream.ts";
import { modernMessage } from "./modern_message.ts";
import { callMcp, obtainTokens, registerClient } from "./oauth_flow.ts";

/** How a test wants it. */
export interface CuratedOptions extends Omit<WatchedOptions, "upstream" | "config"> {
  readonly script?: Partial<CuratedScript>;
  /** Beside the filter. */
  readonly policies?: readonly RoutePolicy[];
  /** `timeouts.idleMs` of the route. */
  readonly idleMs?: number;
}

/** The running parts. */
export interface CuratedGateway extends AsyncDisposable {
  readonly gateway: WatchedGateway;
  readonly script: CuratedScript;
  /** Sends a message, or a batch, as the user that is signed in. */
  readonly send: (message: unknown, options?: SendOptions) => Promise<Response>;
  /** The same, with the answer read as JSON, from an event stream if it is one. */
  readonly ask: (message: unknown, options?: SendOptions) => Promise<Answered>;
  /** Signs in; the token is good for the route. */
  readonly signIn: (user: string) => Promise<string>;
}

/** What differs for one request. */
export interface SendOptions {
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: string;
  /** With its question mark. */
  readonly search?: string;
}

/** An answer, read. */
export interface Answered {
  readonly status: number;
  readonly text: string;
  // deno-lint-ignore no-explicit-any -- whatever the server says; the test asserts what it is
  readonly body: any;
}

/** Starts the gateway and signs `alice` in. */
export async function curatedGateway(
  filter: CapabilityFilterOptions,
  options: CuratedOptions = {},
): Promise<CuratedGateway> {
  const { script, upstream } = curatedUpstream(options.script);
  const gateway = await watchedGateway({
    ...options,
    upstream,
    config: (url) => ({
      // In a harness a stream counts as open until the gateway is closed.
      limits: { streams: 100_000, streamsPerUser: 100_000 },
      routes: [mcpProxy("/alpha", {
        operationId: "alpha",
        upstream: url,
        ...(options.idleMs === undefined ? {} : { timeouts: { idleMs: options.idleMs } }),
        policies: [...options.policies ?? [], capabilityFilter(filter)],
      })],
    }),
  });
  const client = await registerClient(gateway);
  const signIn = async (user: string) => {
    const tokens = await obtainTokens(gateway, client, { browser: gateway.browser(), user });
    return tokens.access_token;
  };
  const own = await signIn(options.users?.[0] ?? "alice");
  const send: CuratedGateway["send"] = (message, { token, headers, method, search = "" } = {}) =>
    callMcp(gateway, `/alpha${search}`, token ?? own, {
      message,
      ...(headers === undefined ? {} : { headers }),
      ...(method === undefined ? {} : { method }),
    });
  return {
    gateway,
    script,
    send,
    signIn,
    async ask(message, sendOptions) {
      return await readAnswer(await send(message, sendOptions));
    },
    [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose](),
  };
}

/** Reads an answer as JSON; of an event stream the messages of all events, one alone or a list. */
export async function readAnswer(response: Response): Promise<Answered> {
  const text = await response.text();
  const { status } = response;
  if (!response.headers.get("content-type")?.startsWith("text/event-stream")) {
    return { status, text, body: text === "" ? null : JSON.parse(text) };
  }
  const messages = eventsOf(text).map((data) => JSON.parse(data));
  return { status, text, body: messages.length === 1 ? messages[0] : messages };
}

/** The data of each event of a stream. */
export function eventsOf(text: string): string[] {
  return text.replace(/\r\n?/g, "\n").split(/\n\n/).flatMap((event) => {
    const data = event.split("\n").flatMap((line) => line.startsWith("data:") ? [line.slice(5).trim()] : []);
    return data.length === 0 ? [] : [data.join("\n")];
  });
}

/** A request of an older revision. */
export function legacy(method: string, params: RpcMessage["params"] = {}, id: string | number = 1) {
  return { jsonrpc: "2.0", id, method, params };
}

/** A request of 2026-07-28, and the headers that go with it, whatever characters a name has. */
export function modern(
  method: string,
  params: Readonly<Record<string, unknown>> = {},
  id: string | number = 1,
) {
  const { message, headers } = modernMessage(method, params, { id });
  const { "mcp-name": _, ...others } = headers;
  const name = method === "resources/read" ? params["uri"] : params["name"];
  return {
    message,
    headers: {
      ...others,
      ...(typeof name === "string" && name !== "" ? { "mcp-name": headerValue(name) } : {}),
    },
  };
}

/** As 2026-07-28 has names in headers: plain where that is possible, else in base64. */
export function headerValue(name: string): string {
  const plain = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(name) && !name.startsWith("=?base64?");
  return plain ? name : `=?base64?${new TextEncoder().encode(name).toBase64()}?=`;
}
