/** A gateway on a port with a raw upstream behind it, asked over a bare socket. */
import type { GatewayOptions } from "../../mod.ts";
import { mcpProxy, setHeaders, upstreamApiKey } from "../../mod.ts";
import { freePort } from "../support/child_process.ts";
import { obtainTokens, registerClient } from "../support/oauth_flow.ts";
import { type RawExchange, rawExchange, serveHarness } from "../support/raw_http.ts";
import { type RawUpstream, rawUpstream } from "../support/raw_upstream.ts";
import { type WatchedGateway, watchedGateway, type WatchedOptions } from "./watched_gateway.ts";

/** The route's own credential and header, as the upstream has to see them. */
export const OWN = { authorization: "Bearer upstream-key", "x-tenant": "tenant-of-the-route" } as const;

/** A small message. */
export const PING = '{"jsonrpc":"2.0","id":1,"method":"ping"}';

/** What a test works with. */
export interface RawScene {
  readonly gateway: WatchedGateway;
  readonly upstream: RawUpstream;
  readonly port: number;
  readonly token: string;
  /** The lines that make a request to `/alpha` an admissible one; without the request line and a length. */
  readonly lines: readonly string[];
  /** Sends the head lines and the body as they are; the connection is closed by the gateway, or after `waitMs`. */
  readonly send: (head: readonly string[], body?: string, waitMs?: number) => Promise<RawExchange>;
  /** An admissible request with {@linkcode PING}, and further header lines. */
  readonly ping: (more?: readonly string[]) => Promise<RawExchange>;
}

/** Starts it, with a token for `/alpha`. */
export async function rawScene(
  test: (scene: RawScene) => Promise<void>,
  config: Partial<GatewayOptions> = {},
  options: Pick<WatchedOptions, "deadlines"> = {},
): Promise<void> {
  const port = freePort();
  await using upstream = rawUpstream();
  await using gateway = await watchedGateway({
    origin: `http://127.0.0.1:${port}`,
    expect5xx: [502],
    ...options,
    config: () => ({
      routes: [mcpProxy("/alpha", {
        operationId: "alpha",
        upstream: upstream.url,
        policies: [
          upstreamApiKey({ value: OWN.authorization.slice("Bearer ".length) }),
          setHeaders({ "X-Tenant": OWN["x-tenant"] }),
        ],
      })],
      ...config,
    }),
  });
  await using _server = serveHarness(gateway, port);
  const { access_token: token } = await obtainTokens(gateway, await registerClient(gateway));
  const lines = [
    `Host: 127.0.0.1:${port}`,
    `Authorization: Bearer ${token}`,
    "Content-Type: application/json",
    "Accept: application/json, text/event-stream",
  ];
  const send: RawScene["send"] = (head, body = "", waitMs = 2000) =>
    rawExchange(port, `${head.join("\r\n")}\r\n\r\n${body}`, { waitMs });
  await test({
    gateway,
    upstream,
    port,
    token,
    lines,
    send,
    ping: (more = []) => {
      const length = `Content-Length: ${PING.length}`;
      return send(["POST /alpha HTTP/1.1", ...lines, ...more, "Connection: close", length], PING);
    },
  });
}
