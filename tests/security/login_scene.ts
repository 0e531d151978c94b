/** A gateway under watch in front of the scripted identity provider, both on one clock, and a login in steps that a case can bend. */
import assert from "node:assert/strict";
import { mcpOAuth, type McpOAuthOptions, mcpProxy } from "../../mod.ts";
import type { HeadlessBrowser, Page } from "../support/browser.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { authorizeUrl, registerClient, type TestClient } from "../support/oauth_flow.ts";
import {
  type ProviderScript,
  type ScriptedProvider,
  startScriptedProvider,
} from "../support/scripted_provider.ts";
import { browserBeyond, oauthOptionsFor } from "../support/test_provider.ts";
import { type WatchedGateway, watchedGateway, type WatchedOptions } from "./watched_gateway.ts";

/** How a case wants its scene. */
export interface LoginSceneOptions extends Pick<WatchedOptions, "expect5xx" | "kv"> {
  /** The gateway's own origin; on https it runs in production. Default: loopback. */
  readonly origin?: string;
  readonly alg?: "ES256" | "RS256";
  readonly script?: ProviderScript;
  /** Per answer of the provider, in milliseconds. */
  readonly remoteTimeoutMs?: number;
  /** Changes the options of `mcpOAuth`. */
  readonly oauth?: (options: McpOAuthOptions) => McpOAuthOptions;
}

/** The scene, until it is disposed of. */
export interface LoginScene extends AsyncDisposable {
  readonly clock: FakeClock;
  readonly idp: ScriptedProvider;
  readonly gateway: WatchedGateway;
  readonly client: TestClient;
  readonly browser: () => HeadlessBrowser;
}

/** Sets the scene, with one registered client. */
export async function loginScene(options: LoginSceneOptions = {}): Promise<LoginScene> {
  const { origin = "http://127.0.0.1:9000", alg = "ES256", script = {}, remoteTimeoutMs = 2_000 } = options;
  const clock = new FakeClock();
  const idp = startScriptedProvider({ clock, alg, script });
  const base = oauthOptionsFor(idp);
  const timed = { ...base, browserLogin: { ...base.browserLogin, remoteTimeoutMs } };
  const oauth = mcpOAuth(options.oauth?.(timed) ?? timed);
  const https = origin.startsWith("https:");
  const gateway = await watchedGateway({
    clock,
    origin,
    mode: https ? "production" : "development",
    expect5xx: options.expect5xx ?? [],
    ...(options.kv === undefined ? {} : { kv: options.kv }),
    config: (upstream) => ({
      oauth,
      ...(https ? { publicUrl: origin } : {}),
      routes: ["/alpha", "/beta"].map((path) =>
        mcpProxy(path, {
          operationId: path.slice(1),
          upstream,
          ...(https ? { allowPrivateNetwork: true } : {}),
        })
      ),
    }),
  });
  return {
    clock,
    idp,
    gateway,
    client: await registerClient(gateway),
    browser: () => browserBeyond(gateway),
    async [Symbol.asyncDispose]() {
      try {
        await gateway[Symbol.asyncDispose]();
      } finally {
        await idp.close();
      }
    },
  };
}

/** Asks for authorization and stops before the provider: the address that the browser was sent to. */
export async function leaveForProvider(
  { gateway, client, idp }: LoginScene,
  browser: HeadlessBrowser,
  changes: Parameters<typeof authorizeUrl>[2] = {},
): Promise<URL> {
  const stopAt = (url: URL) => url.origin === idp.origin;
  const page = await browser.get(authorizeUrl(gateway, client, changes), { stopAt });
  assert.ok(page.left, page.html);
  for (const name of ["state", "nonce"]) gateway.canary(page.url.searchParams.get(name) ?? "");
  return page.url;
}

/** Lets the provider answer, and stops before the gateway: the callback's address. */
export async function answerOf(providerUrl: URL): Promise<URL> {
  const response = await fetch(providerUrl, { redirect: "manual" });
  await response.body?.cancel();
  return new URL(response.headers.get("location") ?? "");
}

/** The whole login with the provider as its script is now; the page where it ended. */
export async function signIn(scene: LoginScene, browser = scene.browser()): Promise<Page> {
  return await browser.get(await answerOf(await leaveForProvider(scene, browser)));
}

/** Nobody was signed in: a page that says what to do, no session, no user, nothing that a login writes. */
export async function assertNobody(
  scene: LoginScene,
  page: Page,
  status: number | readonly number[],
  what = "",
): Promise<void> {
  const statuses = typeof status === "number" ? [status] : status;
  assert.ok(statuses.includes(page.status), `${what}: ${page.status} at ${page.url.pathname}`);
  assert.match(page.headers.get("content-type") ?? "", /^text\/html/, what);
  assert.match(page.html, /What to do/, what);
  assert.doesNotMatch(page.html, /\bat \w+.*\.ts:\d+|Error:/, `${what}: no stack trace`);
  const rows = [...(await scene.gateway.contents()).keys()];
  const written = rows.filter((key) =>
    /^\["(session|user|user_by_email|grant|authorization_code)"/.test(key)
  );
  assert.deepEqual(written, [], what);
}

/** The reason that the log gives for the latest refused login. */
export function latestReason({ gateway }: LoginScene): string {
  return String(gateway.events.findLast(({ event }) => event === "mcp_auth_login_refused")?.reasonCode);
}

/** Who is signed in, as the setup page says. */
export function signedInUser(page: Page): string {
  assert.equal(page.status, 200, page.html);
  assert.equal(page.url.pathname, "/oauth/setup");
  return /Signed in here as<\/dt>\s*<dd>\s*<b><bdi>([^<]*)/.exec(page.html)?.[1] ?? "";
}
