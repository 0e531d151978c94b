/** A gateway in front of an upstream that fails or falls silent, written by the test byte for byte. */
import assert from "node:assert/strict";
import { capabilityFilter, mcpProxy } from "../../mod.ts";
import { watchedGateway } from "../security/watched_gateway.ts";
import { freePort } from "./child_process.ts";
import type { Harness, LoggedEvent } from "./harness.ts";
import { obtainTokens, registerClient } from "./oauth_flow.ts";
import { rawExchange, serveHarness } from "./raw_http.ts";

/** Head of a JSON answer, but for its length. */
export const JSON_HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
/** Head of an event stream in chunks. */
export const SSE_HEAD =
  "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const MESSAGE = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"slow"}}';
/** One chunk of a body. */
export const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;

/** What a test is given. */
export interface Listening {
  readonly gateway: Harness;
  readonly call: (
    init?: { readonly signal?: AbortSignal; readonly method?: string; readonly body?: string },
  ) => Promise<Response>;
  /** The same call by hand: all bytes that come back until the gateway closes. */
  readonly raw: () => Promise<{ readonly text: string; readonly closed: boolean }>;
  readonly eventually: (name: string) => Promise<LoggedEvent>;
}

/** A gateway on a port, whose only route has this upstream, these limits, and room for one stream. */
export async function listening(
  options: {
    readonly upstream: string | (() => Response);
    readonly timeouts?: { readonly responseMs?: number; readonly idleMs?: number };
    /** Lets the gateway read what it hands over. */
    readonly filtered?: boolean;
  },
  test: (on: Listening) => Promise<void>,
): Promise<void> {
  const port = freePort();
  const { upstream, timeouts, filtered = false } = options;
  await using gateway = await watchedGateway({
    origin: `http://127.0.0.1:${port}`,
    expect5xx: [502, 504],
    ...(typeof upstream === "string" ? {} : { upstream }),
    config: (own) => ({
      limits: { streamsPerUser: 1 },
      routes: [mcpProxy("/alpha", {
        operationId: "alpha",
        upstream: typeof upstream === "string" ? upstream : own,
        ...(timeouts === undefined ? {} : { timeouts }),
        policies: filtered ? [capabilityFilter({ tools: ["slow"] })] : [],
      })],
    }),
  });
  await using server = serveHarness(gateway, port);
  const { access_token } = await obtainTokens(gateway, await registerClient(gateway));
  const headers = {
    authorization: `Bearer ${access_token}`,
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
  };
  const head = Object.entries({ host: `127.0.0.1:${port}`, ...headers, connection: "close" });
  await test({
    gateway,
    call: ({ method = "POST", ...init } = {}) =>
      fetch(`${gateway.origin}/alpha`, {
        method,
        headers,
        ...(method === "POST" ? { body: MESSAGE } : {}),
        ...init,
      }),
    raw: () => {
      const lines = head.map(([name, value]) => `${name}: ${value}\r\n`).join("");
      const request = `POST /alpha HTTP/1.1\r\n${lines}content-length: ${MESSAGE.length}\r\n\r\n${MESSAGE}`;
      return rawExchange(server.port, request, { waitMs: 5000 });
    },
    async eventually(name) {
      for (let tries = 0; tries < 500; tries++) {
        const found = gateway.events.find(({ event }) => event === name);
        if (found !== undefined) return found;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      throw new Error(`no event ${name}`);
    },
  });
}

/** Asserts the JSON-RPC error of an upstream that cannot be used. */
export async function assertUnavailable(response: Response, status: number, what: string): Promise<void> {
  assert.equal(response.status, status, what);
  const { jsonrpc, id, result, error } = await response.json();
  assert.deepEqual([jsonrpc, id, result, error.code], ["2.0", 1, undefined, 5020], what);
  assert.match(error.message, /"alpha".*Try again later/, what);
}
