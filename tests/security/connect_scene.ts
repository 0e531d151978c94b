/** Two upstreams behind one gateway, honest `acme` at `/alpha` and hostile `evil` at `/beta`, and the steps of a connect that a case bends. */
import assert from "node:assert/strict";
import { mcpProxy, tokenExchange } from "../../mod.ts";
import type { Page } from "../support/browser.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { type Harness, startHarness } from "../support/harness.ts";
import { registerClient, type TestClient } from "../support/oauth_flow.ts";
import type { SceneUser } from "../support/upstream_scene.ts";
import { startUpstream, type UpstreamServer } from "../support/upstream_server.ts";

/** The scene. */
export interface PairScene extends AsyncDisposable {
  readonly gateway: Harness;
  /** Of `acme`; called `upstream` as in other scenes. */
  readonly upstream: UpstreamServer;
  readonly evil: UpstreamServer;
  readonly clock: FakeClock;
  readonly client: TestClient;
}

/** Starts it, with users `alice`, `bob` and `carol`. */
export async function pairScene(): Promise<PairScene> {
  const clock = new FakeClock();
  const [upstream, evil] = [startUpstream(clock), startUpstream(clock)];
  const gateway = await startHarness({
    clock,
    users: ["alice", "bob", "carol"],
    gatewayOptions: { gateway: { accessTokenTtlSeconds: 86_400 } },
    config: () => ({
      routes: [
        mcpProxy("/alpha", {
          operationId: "alpha",
          upstream: upstream.url,
          policies: [tokenExchange({ id: "acme", displayName: "Acme" })],
        }),
        mcpProxy("/beta", {
          operationId: "beta",
          upstream: evil.url,
          policies: [tokenExchange({ id: "evil", displayName: "Evil" })],
        }),
      ],
    }),
  });
  return {
    gateway,
    upstream,
    evil,
    clock,
    client: await registerClient(gateway),
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
      await evil[Symbol.asyncDispose]();
    },
  };
}

/** A gateway with at least the connection `acme`. */
export interface ConnectScene {
  readonly gateway: Harness;
  readonly upstream: UpstreamServer;
}

/** Presses Connect, and stops the browser before it visits an address that `stop` names. */
export async function leaveFor(
  { gateway }: Pick<ConnectScene, "gateway">,
  user: Pick<SceneUser, "browser">,
  options: { readonly connection?: string; readonly stop: (url: URL) => boolean },
): Promise<URL> {
  const { connection = "acme", stop } = options;
  const page = await user.browser.get(`${gateway.origin}/auth/connections/${connection}/connect`);
  const left = await user.browser.submit(page, { decision: "connect" }, { stopAt: stop });
  assert.ok(left.left, left.html);
  return left.url;
}

/** The upstream's authorization URL that the user was sent to, not visited. */
export function authorizationUrlOf(
  scene: Pick<ConnectScene, "gateway">,
  user: Pick<SceneUser, "browser">,
  connection = "acme",
): Promise<URL> {
  return leaveFor(scene, user, { connection, stop: (url) => url.pathname === "/authorize" });
}

/** The address that the upstream sent the user back to, not visited. */
export function callbackUrlOf(
  scene: Pick<ConnectScene, "gateway">,
  user: Pick<SceneUser, "browser">,
  connection = "acme",
): Promise<URL> {
  return leaveFor(scene, user, { connection, stop: (url) => url.pathname.endsWith("/callback") });
}

/** The form token of whoever is signed in, which is that of any form of theirs. */
export async function csrfTokenOf(
  { gateway }: Pick<ConnectScene, "gateway">,
  { browser }: Pick<SceneUser, "browser">,
): Promise<string> {
  const account = await browser.get(`${gateway.origin}/account`);
  return account.forms[0]?.preset.find(([name]) => name === "csrf_token")?.[1] ?? "";
}

/** Posts what no page offers, from our own site, with the user's cookies. */
export async function post(
  { gateway }: Pick<ConnectScene, "gateway">,
  { browser }: Pick<SceneUser, "browser">,
  path: string,
  fields: Readonly<Record<string, string>>,
): Promise<{ readonly status: number; readonly location: string | null; readonly html: string }> {
  const url = new URL(path, gateway.origin);
  const response = await gateway.fetch(url, {
    method: "POST",
    body: new URLSearchParams(fields),
    headers: {
      cookie: browser.cookies.header(url, { initiator: url, method: "POST" }) ?? "",
      origin: gateway.origin,
      "sec-fetch-site": "same-origin",
    },
  });
  const html = await response.text();
  return { status: response.status, location: response.headers.get("location"), html };
}

/** Rows of the store, by the first part of their key, each as its id. */
export async function rowsOf({ gateway }: Pick<ConnectScene, "gateway">, kind: string): Promise<string[]> {
  const rows = await Array.fromAsync(gateway.kv.list({ prefix: [kind] }));
  return rows.map(({ key }) => key.slice(1).join(" "));
}

/** Nothing was connected, and no code was sent to any of the servers. */
export async function assertNothingBound(scene: ConnectScene & { readonly evil?: UpstreamServer }) {
  assert.deepEqual(await rowsOf(scene, "connection"), []);
  for (const server of [scene.upstream, scene.evil]) assert.equal(server?.at("/token").length ?? 0, 0);
}

/** A page's text without what differs from request to request. */
export function textOfPage({ html }: Pick<Page, "html">): string {
  return html.replace(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "…");
}
