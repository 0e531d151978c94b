/** Starts the gateway under test with a configuration made for the run: local login, a key as upstream credential. */
import { fileURLToPath, pathToFileURL } from "node:url";
import { type Child, freePort, start } from "./child_process.ts";
import type { Bench } from "./options.ts";
import { TOOL_NAMES } from "./requests.ts";

/** A gateway that answers. */
export interface RunningGateway extends AsyncDisposable {
  readonly child: Child;
  /** Where this process listens. */
  readonly origin: string;
  /** What its tokens and metadata name; the same as `origin` unless several processes share one. */
  readonly publicUrl: string;
  /** From the start of the process to its first answer, milliseconds. */
  readonly startedInMs: number;
}

/** How to start it. */
export interface GatewayStart {
  /** Base URL of the stub. */
  readonly upstream: string;
  /** The credential for the upstream. */
  readonly bearer: string;
  /** Path of the KV file; made if missing. */
  readonly kv: string;
  /** `kid:base64url(32 bytes)`; see {@linkcode newKeyRing}. */
  readonly keyRing: string;
  /** Also a route with `capabilityFilter`. */
  readonly filter?: boolean;
  /** The public URL of another process that shares the store. */
  readonly publicUrl?: string;
  /** Further arguments of `deno run`, for profiling. */
  readonly runtimeArgs?: readonly string[];
}

/** The routes of the configuration below; a route's path on the gateway and its path at the stub. */
export const ROUTES = {
  call: "/mcp/call",
  /** As `call`, with the user's own connection to the upstream in place of a key for everybody. */
  connected: "/mcp/connected",
  list: "/mcp/list",
  filteredList: "/mcp/filtered-list",
  stream: "/mcp/stream",
  ticks: "/mcp/ticks",
} as const;

/** The connection of the route `connected`. */
export const CONNECTION = "bench";

/** A fresh key ring with one key. */
export function newKeyRing(): string {
  const key = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))));
  return `bench:${key.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}`;
}

/** Starts one gateway process and waits for its first answer. */
export async function startGateway(
  bench: Bench & { readonly gateway: string },
  how: GatewayStart,
): Promise<RunningGateway> {
  const port = freePort();
  const origin = `http://127.0.0.1:${port}`;
  const home = new URL(".", pathToFileURL(bench.gateway));
  const config = `${bench.workDir}/gateway.config.ts`;
  await Deno.writeTextFile(config, configuration(new URL("mod.ts", home).href, how));
  const begin = performance.now();
  const child = await start(bench, {
    command: Deno.execPath(),
    args: [
      "run",
      "--allow-all",
      "--config",
      fileURLToPath(new URL("deno.json", home)),
      ...await productionFlags(home),
      ...(how.runtimeArgs ?? []),
      bench.gateway,
      "--dev",
    ],
    cwd: bench.workDir,
    env: {
      GATEWAY_CONFIG: config,
      GATEWAY_HOST: "127.0.0.1",
      GATEWAY_PORT: String(port),
      GATEWAY_PUBLIC_URL: how.publicUrl ?? origin,
      GATEWAY_KV: how.kv,
      GATEWAY_ENCRYPTION_KEYS: how.keyRing,
      GATEWAY_LOG: bench.options.gatewayLog,
    },
    core: "target",
    ready: () => answers(`${origin}/healthz`),
  });
  return {
    child,
    origin,
    publicUrl: how.publicUrl ?? origin,
    startedInMs: performance.now() - begin,
    [Symbol.asyncDispose]: () => child.stop(),
  };
}

/** What `deno task start` tells V8: figures are of the gateway as it is deployed. */
async function productionFlags(home: URL): Promise<readonly string[]> {
  const settings = await Deno.readTextFile(new URL("deno.json", home));
  return /"deno run [^"]*?(--v8-flags=\S+)[^"]* main\.ts"/.exec(settings)?.slice(1) ?? [];
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url);
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

const CONNECTED = `tokenExchange({ id: "${CONNECTION}", displayName: "Bench", ` +
  'clientRegistration: { mode: "manual", clientId: "bench", tokenEndpointAuthMethod: "none" } })';

/** The limits are lifted because all load comes from one address and one user. */
function configuration(mod: string, { upstream, bearer, filter = false }: GatewayStart): string {
  const shown = JSON.stringify(TOOL_NAMES.filter((_, index) => index % 2 === 0));
  const credential = `upstreamApiKey({ value: ${JSON.stringify(bearer)} })`;
  const route = (path: string, target: string, policies: string) =>
    `    mcpProxy("${path}", { operationId: "bench${path.replaceAll("/", "-")}", ` +
    `upstream: "${upstream}${target}", policies: [${policies}] }),`;
  const routes = [
    route(ROUTES.call, "/call", credential),
    route(ROUTES.connected, "/connected", CONNECTED),
    route(ROUTES.list, "/list", credential),
    route(ROUTES.stream, "/stream", credential),
    route(ROUTES.ticks, "/ticks", credential),
    ...(filter
      ? [route(ROUTES.filteredList, "/list", `${credential}, capabilityFilter({ tools: ${shown} })`)]
      : []),
  ];
  return `import {
  ${filter ? "capabilityFilter, " : ""}defineGateway, mcpDevOAuth, mcpProxy, tokenExchange, upstreamApiKey,
} from ${JSON.stringify(mod)};

export default defineGateway({
  oauth: mcpDevOAuth(),
  limits: {
    streams: 100_000,
    streamsPerUser: 100_000,
    registrationsPerMinute: 1_000_000,
    authorizationsPerMinute: 1_000_000,
    tokenRequestsPerMinute: 1_000_000,
  },
  routes: [
${routes.join("\n")}
  ],
});
`;
}
