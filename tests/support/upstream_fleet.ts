/** Gateway processes on one KV file in front of one OAuth upstream, and users who sign in, connect with a browser, and call. */
import assert from "node:assert/strict";
import { parseKeyRing } from "../../lib/crypto/keyring.ts";
import { systemRandom } from "../../lib/crypto/secret_token.ts";
import type { TokenExchangeOptions } from "../../mod.ts";
import { HeadlessBrowser, type Page } from "./browser.ts";
import { freePort } from "./child_process.ts";
import { type GatewayEvent, type GatewayProcess, startGateway } from "./gateway_process.ts";
import { assertInvariants, type UpstreamFacts } from "./invariants.ts";
import {
  type Askable,
  authorizeUrl,
  callMcp,
  redeem,
  registerClient,
  type TestClient,
  type TestTokens,
} from "./oauth_flow.ts";
import type { Answer } from "./upstream_scene.ts";

/** How a test wants its processes. */
export interface FleetOptions {
  /** URL of the upstream MCP server. */
  readonly upstream: string;
  readonly users: readonly string[];
  /** How many processes. Default 2. */
  readonly size?: number;
  /** Further options of the route's `tokenExchange`. */
  readonly policy?: Partial<TokenExchangeOptions>;
}

/** Somebody with an app that is allowed to call as them. */
export interface FleetUser {
  readonly name: string;
  readonly browser: HeadlessBrowser;
  readonly token: string;
}

/** What a call was answered with. */
export interface FleetAnswer {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly body: Answer;
}

/** Running processes, with one route `/alpha` and one connection `acme`. */
export interface Fleet extends AsyncDisposable {
  readonly folder: string;
  readonly nodes: readonly Askable[];
  /** All events of all processes, those that were killed included. */
  readonly events: () => readonly GatewayEvent[];
  /** Signs in, presses Connect on the setup page, signs in at the upstream's server, and authorizes the app; what the browser asks of the gateway goes to `node`. */
  connect(name: string, node?: number): Promise<FleetUser>;
  call(node: number, user: FleetUser): Promise<FleetAnswer>;
  /** Reads the store beside the processes. */
  check(upstream?: UpstreamFacts): Promise<void>;
}

/** Starts them; users see one gateway, under the address of the first process. */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const folder = await Deno.makeTempDir({ prefix: "sallyport-fleet-" });
  const ports = Array.from({ length: options.size ?? 2 }, freePort);
  const config = fleetConfiguration(options, ports);
  const processes: GatewayProcess[] = [];
  const dispose = async () => {
    for (const process of processes) await process.stop();
    await Deno.remove(folder, { recursive: true });
  };
  try {
    for (const port of ports) processes.push(await startGateway({ config, folder, port }));
  } catch (error) {
    await dispose();
    throw error;
  }
  const nodes = processes.map(({ origin }) => askableAt(origin));
  const [home] = nodes;
  assert.ok(home);
  const client = await registerClient(home);
  return {
    folder,
    nodes,
    events: () => processes.flatMap(({ events }) => events),
    connect: (name, node = 0) => connectUser(through(home, nodes[node] ?? home), client, name),
    call: (node, user) => callAs(nodes[node] ?? home, user),
    check: (upstream) => checkStore(folder, upstream),
    [Symbol.asyncDispose]: dispose,
  };
}

/** The text of the processes' configuration. */
export function fleetConfiguration(
  { upstream, users, policy }: FleetOptions,
  ports: readonly number[],
): string {
  const [home, ...others] = ports.map((port) => `127.0.0.1:${port}`);
  const login = { users, gateway: { accessTokenTtlSeconds: 86_400 } };
  const limits = { tokenRequestsPerMinute: 1e6, registrationsPerMinute: 1e6, authorizationsPerMinute: 1e6 };
  const acme = { id: "acme", displayName: "Acme", ...policy };
  return `
import { defineGateway, mcpDevOAuth, mcpProxy, tokenExchange } from "@sallyport/gateway";
export default defineGateway({
  oauth: mcpDevOAuth(${JSON.stringify(login)}),
  publicUrl: "http://${home}",
  allowedHosts: ${JSON.stringify(others)},
  limits: ${JSON.stringify(limits)},
  routes: [mcpProxy("/alpha", {
    operationId: "alpha",
    upstream: "${upstream}",
    policies: [tokenExchange(${JSON.stringify(acme)})],
  })],
});
`;
}

/** A process at its address. */
export function askableAt(origin: string): Askable {
  return {
    origin,
    fetch: (url, init) => fetch(new URL(url, origin), { ...init, redirect: "manual" }),
    browser: () => new HeadlessBrowser(),
  };
}

/** The gateway under its own address, whose requests reach one of its processes: as behind a load balancer. */
function through(home: Askable, node: Askable): Askable {
  const ask: Askable["fetch"] = (input, init) => {
    const url = new URL(input, home.origin);
    return url.origin === home.origin ? node.fetch(url.pathname + url.search, init) : fetch(url, init);
  };
  return {
    origin: home.origin,
    fetch: ask,
    browser: () =>
      new HeadlessBrowser({
        fetch: (input, init) => ask(input instanceof Request ? input.url : input, init),
      }),
  };
}

/** Signs in, presses Connect on the setup page, signs in at the upstream, and authorizes the app. */
export async function connectUser(home: Askable, client: TestClient, name: string): Promise<FleetUser> {
  const browser = home.browser();
  const stopAt = (url: URL) => url.href.startsWith(client.redirectUri);
  let page: Page = await browser.get(authorizeUrl(home, client), { stopAt });
  for (let pages = 0; pages < 6 && !page.left; pages++) {
    page = await browser.submit(page, nextStep(page, name), { stopAt });
  }
  const response = await redeem(home, client, page.url.searchParams.get("code") ?? "");
  const tokens: TestTokens = await response.json();
  assert.equal(response.status, 200, JSON.stringify(tokens));
  return { name, browser, token: tokens.access_token };
}

/** What `name` presses on a page between the authorization request and the app: the first thing that helps. */
export function nextStep(page: Page, name: string): Record<string, string> {
  const wanted = [["user", name], ["decision", "connect"], ["decision", "approve"]] as const;
  const choices = page.forms.flatMap((form) => form.choices);
  const step = wanted.find(([field, value]) =>
    choices.some((each) => each.name === field && each.value === value)
  );
  assert.ok(step, `${page.status} ${page.url.pathname}:\n${page.html}`);
  return { [step[0]]: step[1] };
}

/** Calls a tool. */
export async function callAs(
  node: Pick<Askable, "fetch">,
  user: Pick<FleetUser, "token">,
): Promise<FleetAnswer> {
  const response = await callMcp(node, "/alpha", user.token);
  const text = await response.text();
  return {
    status: response.status,
    retryAfter: response.headers.get("retry-after"),
    body: text === "" ? {} : JSON.parse(text),
  };
}

/** The rules of the store, read below the gateway's own code, with its own keys. */
export async function checkStore(folder: string, upstream?: UpstreamFacts): Promise<void> {
  const keyRing = parseKeyRing((await Deno.readTextFile(`${folder}/gateway.keys`)).trim(), systemRandom);
  const kv = await Deno.openKv(`${folder}/gateway.kv`);
  try {
    await assertInvariants(kv, {
      now: Date.now(),
      keyRing,
      ...(upstream === undefined ? {} : { upstream }),
    });
  } finally {
    kv.close();
  }
}
