/**
 * A whole gateway in the test's process: the real router, authorization server, proxy and Deno KV, with a clock that the test moves,
 * and an upstream that the test writes. Requests are handed to it without a socket in front; upstream requests use the network.
 */
import { parseKeyRing } from "../../lib/crypto/keyring.ts";
import { type Random, systemRandom } from "../../lib/crypto/secret_token.ts";
import { compileGateway } from "../../lib/gateway/compile.ts";
import type { Gateway, Mode } from "../../lib/gateway/gateway.ts";
import { createEvents, type EventName } from "../../lib/observability/events.ts";
import { createServices, type Services } from "../../lib/services.ts";
import { defineGateway, type GatewayOptions, mcpDevOAuth, mcpProxy } from "../../mod.ts";
import { type AppOptions, createApp } from "../../routes/app.ts";
import { HeadlessBrowser } from "./browser.ts";
import { FakeClock } from "./fake_clock.ts";

/** A key ring for tests: 32 random-looking bytes. */
export const TEST_KEYS = "test:3q2-78r-uq6Jf2x1bYQzT0p4mVwKcN9sEhRgUdXoLiA";

/** How a test wants its gateway. */
export interface HarnessOptions {
  /** Answers what the gateway sends upstream; by default an echo of the JSON-RPC id. */
  readonly upstream?: (request: Request) => Response | Promise<Response>;
  /** Users of the local login; by default `alice` alone, who signs in at once. */
  readonly users?: readonly string[];
  /** Paths of the routes; by default `/alpha` and `/beta`, whose operation ids are the paths without the slash. */
  readonly paths?: readonly string[];
  /** Further options of the configuration, which win over the defaults; the upstream's URL is given. */
  readonly config?: (upstream: string) => Partial<GatewayOptions>;
  readonly gatewayOptions?: Parameters<typeof mcpDevOAuth>[0];
  readonly mode?: Mode;
  readonly clock?: FakeClock;
  readonly random?: Random;
  /** An open store; by default one in memory, closed with the gateway. */
  readonly kv?: Deno.Kv;
  /** Where requests go unless they name a URL. */
  readonly origin?: string;
  /** How names in strangers' URLs are resolved, and whose certificates count there. */
  readonly strangers?: AppOptions["strangers"];
  /** The same for the upstreams of routes. */
  readonly upstreams?: AppOptions["upstreams"];
  /** Deadlines that come sooner. */
  readonly deadlines?: AppOptions["deadlines"];
}

/** An event as it was logged. */
export type LoggedEvent =
  & { readonly event: EventName; readonly level: string }
  & Readonly<Record<string, unknown>>;

/** A running gateway of a test. */
export interface Harness extends AsyncDisposable {
  readonly origin: string;
  readonly gateway: Gateway;
  readonly services: Services;
  /** What the gateway was made with beside its configuration. */
  readonly appOptions: AppOptions;
  /** What `main.ts` does once the gateway listens. */
  readonly checkUpstreams: () => Promise<void>;
  readonly clock: FakeClock;
  readonly kv: Deno.Kv;
  readonly events: readonly LoggedEvent[];
  /** Requests that reached the upstream, with their bodies read. */
  readonly upstreamRequests: readonly { readonly request: Request; readonly body: string }[];
  /** Asks the gateway. A relative URL is taken from `origin`; the `Host` header follows the URL unless it is given. */
  readonly fetch: (url: string | URL, init?: RequestInit & { readonly peer?: string }) => Promise<Response>;
  /** Waits for the refreshes that go on though no call waits for them any more. */
  readonly settled: () => Promise<void>;
  /** A new browser profile whose requests go to this gateway. */
  readonly browser: () => HeadlessBrowser;
}

/** Starts a gateway; dispose of it with `await using`. */
export async function startHarness(options: HarnessOptions = {}): Promise<Harness> {
  const clock = options.clock ?? new FakeClock();
  const random = options.random ?? systemRandom;
  const upstreamRequests: { request: Request; body: string }[] = [];
  const upstream = serveUpstream(options.upstream ?? echo, upstreamRequests);
  const upstreamUrl = `http://127.0.0.1:${upstream.addr.port}/mcp`;
  const origin = options.origin ?? "http://127.0.0.1:9000";
  const gateway = compileGateway(definitionOf(options, upstreamUrl), {
    mode: options.mode ?? "development",
    env: () => undefined,
    bindHostname: "127.0.0.1",
  });
  const events: LoggedEvent[] = [];
  const kv = options.kv ?? await Deno.openKv(":memory:");
  const services = createServices({
    clock,
    random,
    kv,
    keyRing: parseKeyRing(TEST_KEYS, random),
    events: createEvents({ clock, level: "debug", write: (line) => events.push(JSON.parse(String(line))) }),
  });
  const { strangers, upstreams, deadlines } = options;
  const appOptions: AppOptions = {
    ...(strangers === undefined ? {} : { strangers }),
    ...(upstreams === undefined ? {} : { upstreams }),
    ...(deadlines === undefined ? {} : { deadlines }),
  };
  const app = createApp(services, gateway, appOptions);
  const ask: Harness["fetch"] = async (url, init = {}) => {
    const target = new URL(url, origin);
    const headers = new Headers(init.headers);
    if (!headers.has("host")) headers.set("host", target.host);
    const sent = Promise.withResolvers<void>();
    // A test reads the answer itself; for the gateway it counts as sent when the test is done with the gateway.
    undelivered.add(sent);
    const response = await app.handle(new Request(target, { ...init, headers, redirect: "manual" }), {
      peer: init.peer ?? "127.0.0.1",
      delivery: { completed: sent.promise },
    });
    return init.signal ? cutWith(response, init.signal) : response;
  };
  const undelivered = new Set<PromiseWithResolvers<void>>();
  return {
    origin,
    gateway,
    services,
    appOptions,
    checkUpstreams: () => app.checkUpstreams(),
    clock,
    kv,
    events,
    upstreamRequests,
    fetch: ask,
    settled: () => app.settled(),
    browser: () =>
      new HeadlessBrowser({
        fetch: (input, init) => ask(input instanceof Request ? input.url : input, init),
      }),
    async [Symbol.asyncDispose]() {
      app.close();
      for (const { resolve } of undelivered) resolve();
      await upstream.shutdown();
      if (options.kv === undefined) kv.close();
    },
  };
}

/** An answer that ends with the client, as over a network: in process nobody else cuts it. */
function cutWith(response: Response, signal: AbortSignal): Response {
  const { status, headers } = response;
  const body = response.body?.pipeThrough(new TransformStream(), { signal }) ?? null;
  return new Response(body, { status, headers });
}

function definitionOf(options: HarnessOptions, upstream: string) {
  const paths = options.paths ?? ["/alpha", "/beta"];
  const defaults: GatewayOptions = {
    oauth: mcpDevOAuth({ users: [...options.users ?? ["alice"]], ...options.gatewayOptions }),
    routes: paths.map((path) =>
      mcpProxy(path, { operationId: path.slice(1).replaceAll("/", "-"), upstream })
    ),
  };
  return defineGateway({ ...defaults, ...options.config?.(upstream) });
}

function serveUpstream(
  answer: (request: Request) => Response | Promise<Response>,
  seen: { request: Request; body: string }[],
): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const body = await request.clone().text();
    seen.push({ request, body });
    return await answer(request);
  });
}

async function echo(request: Request): Promise<Response> {
  if (request.method !== "POST") return new Response(null, { status: 405 });
  const message: unknown = await request.json();
  const id = typeof message === "object" && message !== null && "id" in message ? message.id : undefined;
  if (id === undefined) return new Response(null, { status: 202 });
  return Response.json({ jsonrpc: "2.0", id, result: { content: [{ type: "text", text: "ok" }] } });
}
