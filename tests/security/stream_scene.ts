/** A gateway on a port with an upstream that streams as it likes: for tests that count bytes and memory. */
import assert from "node:assert/strict";
import { mcpProxy } from "../../mod.ts";
import { freePort } from "../support/child_process.ts";
import { rawHost, writeAll } from "../support/document_host.ts";
import { growsLess, MIB } from "../support/memory.ts";
import { obtainTokens, registerClient } from "../support/oauth_flow.ts";
import { serveHarness } from "../support/raw_http.ts";
import { type WatchedGateway, watchedGateway, type WatchedOptions } from "./watched_gateway.ts";

/** The head of a stream, but for its end. */
export const STREAM = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
/** The whole head of a stream in chunks. */
export const CHUNKED = `${STREAM}Transfer-Encoding: chunked\r\n\r\n`;

/** What a test works with. */
export interface StreamScene {
  readonly gateway: WatchedGateway;
  readonly open: (options?: { readonly user?: string; readonly signal?: AbortSignal }) => Promise<Response>;
  /** Alice calls a tool. */
  readonly call: () => Promise<Response>;
}

/** A gateway on a port for alice and bob; `upstream` is its only route's, if it is not the harness's own. */
export async function streamScene(
  options: WatchedOptions & { readonly port?: number; readonly responseMs?: number },
  test: (scene: StreamScene) => Promise<void>,
): Promise<void> {
  const port = freePort();
  const { port: upstreamPort, responseMs = 60_000, ...rest } = options;
  await using gateway = await watchedGateway({
    origin: `http://127.0.0.1:${port}`,
    users: ["alice", "bob"],
    ...rest,
    config: (own) => ({
      routes: [mcpProxy("/alpha", {
        operationId: "alpha",
        upstream: upstreamPort === undefined ? own : `http://127.0.0.1:${upstreamPort}/mcp`,
        timeouts: { responseMs },
      })],
      ...options.config?.(own),
    }),
  });
  await using _server = serveHarness(gateway, port);
  const client = await registerClient(gateway);
  const tokens = new Map<string, string>();
  for (const user of ["alice", "bob"]) {
    tokens.set(user, (await obtainTokens(gateway, client, { user })).access_token);
  }
  await test({
    gateway,
    open: ({ user = "alice", ...init } = {}) =>
      fetch(`${gateway.origin}/alpha`, {
        headers: { authorization: `Bearer ${tokens.get(user)}`, accept: "text/event-stream" },
        ...init,
      }),
    call: () =>
      fetch(`${gateway.origin}/alpha`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${tokens.get("alice")}`,
          accept: "application/json, text/event-stream",
          "content-type": "application/json",
        },
        body: '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"pay"}}',
      }),
  });
}

/** How many events the answer holds to its end; nothing of it is kept. */
async function countEvents(response: Response): Promise<number> {
  let events = 0;
  let previous = 0;
  for await (const piece of response.body ?? []) {
    for (const byte of piece) {
      if (byte === 10 && previous === 10) events++;
      previous = byte;
    }
  }
  return events;
}

/** An upstream that writes the head and then one part over and over, and counts what was taken from it. */
export function pouring(head: string, part: Uint8Array, times = Infinity) {
  const sent = { bytes: 0, left: 0 };
  const host = rawHost(async (connection) => {
    await connection.read(new Uint8Array(4096));
    try {
      await writeAll(connection, head);
      for (let turn = 0; turn < times; turn++) {
        await writeAll(connection, part);
        sent.bytes += part.length;
      }
      if (times !== Infinity) await writeAll(connection, "0\r\n\r\n");
    } finally {
      sent.left++;
    }
  });
  return { host, sent };
}

/** One chunk, over and over. */
export function chunks(text: string, times: number): Uint8Array {
  return new TextEncoder().encode(`${text.length.toString(16)}\r\n${text}\r\n`.repeat(times));
}

/** That many events, each in a chunk of its own, from an upstream to a client. Throws if one is lost or memory grows. */
export async function tinyEvents(count: number): Promise<void> {
  const { host } = pouring(CHUNKED, chunks("data: x\n\n", 1000), count / 1000);
  await using _host = host;
  await streamScene(
    { port: host.port },
    ({ open }) => growsLess(128 * MIB, async () => assert.equal(await countEvents(await open()), count)),
  );
}
