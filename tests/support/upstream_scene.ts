/** A gateway in front of a written OAuth upstream, and users who sign in, connect and call. */
import { HeadlessBrowser, type Page } from "./browser.ts";
import { FakeClock } from "./fake_clock.ts";
import { type Harness, type HarnessOptions, startHarness } from "./harness.ts";
import {
  authorizeUrl,
  callMcp,
  obtainTokens,
  redeem,
  registerClient,
  type TestClient,
} from "./oauth_flow.ts";
import { startUpstream, type UpstreamScript, type UpstreamServer } from "./upstream_server.ts";
import { type GatewayOptions, mcpProxy, tokenExchange, type TokenExchangeOptions } from "../../mod.ts";

/** A running scene. */
export interface UpstreamScene extends AsyncDisposable {
  readonly gateway: Harness;
  readonly upstream: UpstreamServer;
  readonly clock: FakeClock;
  readonly client: TestClient;
  /** One more gateway on the same store, as another process would be. */
  another(): Promise<Harness>;
}

/** How a test wants it. */
export interface UpstreamSceneOptions {
  readonly script?: Partial<UpstreamScript>;
  readonly policy?:
    | Partial<TokenExchangeOptions>
    | ((upstreamOrigin: string) => Partial<TokenExchangeOptions>);
  readonly harness?: HarnessOptions;
  /** Paths of the routes to the one upstream and connection; operation ids are the paths without the slash. Default `/alpha`. */
  readonly paths?: readonly string[];
  /** Further options of the gateway's configuration. */
  readonly config?: Partial<GatewayOptions>;
}

/** Somebody who is signed in, with a token of a client. */
export interface SceneUser {
  readonly browser: HeadlessBrowser;
  readonly token: string;
}

/** Route `/alpha`, connection `acme`, users `alice`, `bob` and `carol`. */
export async function upstreamScene(options: UpstreamSceneOptions = {}): Promise<UpstreamScene> {
  const clock = options.harness?.clock ?? new FakeClock();
  const upstream = startUpstream(clock, options.script);
  const policy = typeof options.policy === "function" ? options.policy(upstream.origin) : options.policy;
  const acme = tokenExchange(
    // What a test adds are options of the same policy.
    { id: "acme", displayName: "Acme", ...policy } as TokenExchangeOptions,
  );
  const harness: HarnessOptions = {
    clock,
    users: ["alice", "bob", "carol"],
    gatewayOptions: { gateway: { accessTokenTtlSeconds: 86_400 } },
    config: () => ({
      routes: (options.paths ?? ["/alpha"]).map((path) =>
        mcpProxy(path, { operationId: path.slice(1), upstream: upstream.url, policies: [acme] })
      ),
      ...options.config,
    }),
    ...options.harness,
  };
  const gateway = await startHarness(harness);
  return {
    gateway,
    upstream,
    clock,
    client: await registerClient(gateway),
    another: () => startHarness({ ...harness, kv: gateway.kv }),
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

/** Signs in and approves, without connecting. */
export async function signedIn(
  scene: Pick<UpstreamScene, "gateway" | "client">,
  user = "alice",
): Promise<SceneUser> {
  const browser = browserOf(scene.gateway);
  const { access_token: token } = await obtainTokens(scene.gateway, scene.client, { browser, user });
  return { browser, token };
}

/** Signs in, presses Connect on the setup page, then Authorize. */
export async function connected(
  scene: Pick<UpstreamScene, "gateway" | "client">,
  user = "alice",
): Promise<SceneUser> {
  const browser = browserOf(scene.gateway);
  return { browser, token: await signInAndConnect(scene, browser, user) };
}

/** The same in a given browser; returns the access token. */
export async function signInAndConnect(
  scene: Pick<UpstreamScene, "gateway" | "client">,
  browser: HeadlessBrowser,
  user: string,
): Promise<string> {
  const setup = await setupOf(scene, browser, user);
  const back = await browser.submit(setup, { decision: "connect" });
  if (!back.url.pathname.endsWith("/oauth/setup")) throw new Error(`At ${back.url}:\n${back.html}`);
  const stopAt = (url: URL) => url.href.startsWith(scene.client.redirectUri);
  const end = await browser.submit(back, { decision: "approve" }, { stopAt });
  const response = await redeem(scene.gateway, scene.client, end.url.searchParams.get("code") ?? "");
  const { access_token: token } = await response.json();
  if (response.status !== 200) throw new Error(`Token: ${response.status}`);
  return token;
}

/** The setup page of a new authorization request. */
export async function setupOf(
  scene: Pick<UpstreamScene, "gateway" | "client">,
  browser: HeadlessBrowser,
  user = "alice",
): Promise<Page> {
  const page = await browser.get(authorizeUrl(scene.gateway, scene.client));
  return page.url.pathname.endsWith("/oauth/dev-login") ? await browser.submit(page, { user }) : page;
}

/** Calls a tool (or sends `message`) and reads the answer. */
export async function call(
  scene: Pick<UpstreamScene, "gateway">,
  user: Pick<SceneUser, "token">,
  options: Parameters<typeof callMcp>[3] = {},
): Promise<{ readonly status: number; readonly body: Answer; readonly headers: Headers }> {
  const response = await callMcp(scene.gateway, "/alpha", user.token, options);
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === "" ? {} : JSON.parse(text) };
}

/** A JSON-RPC answer, as far as tests look at it. */
export interface Answer {
  readonly id?: unknown;
  readonly result?: {
    readonly content?: readonly { readonly text: string }[];
    readonly isError?: boolean;
    readonly resultType?: string;
    readonly requestState?: string;
    readonly inputRequests?: Readonly<
      Record<string, { readonly method: string; readonly params: Readonly<Record<string, string>> }>
    >;
    readonly [member: string]: unknown;
  };
  readonly error?: {
    readonly code: number;
    readonly message: string;
    readonly data?: {
      readonly state: string;
      readonly authUrl: string;
      readonly elicitations?: readonly Readonly<Record<string, string>>[];
      readonly [member: string]: unknown;
    };
  };
}

/** Text of the first content of a tool's result. */
export function textOf({ body }: { readonly body: Answer }): string | undefined {
  return body.result?.content?.[0]?.text;
}

/** A new browser profile that goes to the gateway of the test, and elsewhere by the network. */
export function browserOf(gateway: Pick<Harness, "origin" | "fetch">): HeadlessBrowser {
  return new HeadlessBrowser({
    fetch: (input, init) => {
      const url = new URL(input instanceof Request ? input.url : input);
      return url.origin === gateway.origin ? gateway.fetch(url, init) : fetch(url, init);
    },
  });
}
