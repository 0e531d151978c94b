/** A gateway at `https://gw.test` whose users sign in at a provider, in front of one OAuth upstream: what the public sees of connecting. */
import { mcpOAuth, mcpProxy, tokenExchange, type TokenExchangeOptions } from "../../mod.ts";
import type { HeadlessBrowser } from "../support/browser.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { type Harness, startHarness } from "../support/harness.ts";
import { obtainTokens, registerClient, type TestClient } from "../support/oauth_flow.ts";
import { type ScriptedProvider, startScriptedProvider } from "../support/scripted_provider.ts";
import { browserBeyond, oauthOptionsFor } from "../support/test_provider.ts";
import { startUpstream, type UpstreamScript, type UpstreamServer } from "../support/upstream_server.ts";

/** The scene. */
export interface PublicConnectScene extends AsyncDisposable {
  readonly gateway: Harness;
  readonly upstream: UpstreamServer;
  readonly provider: ScriptedProvider;
  readonly clock: FakeClock;
  readonly client: TestClient;
  /** Signs in as whoever the provider says, approves without connecting. */
  signIn(): Promise<{ readonly browser: HeadlessBrowser; readonly token: string }>;
}

/** Starts it: route `/alpha`, connection `acme`. */
export async function publicConnectScene(
  options: {
    readonly kv?: Deno.Kv;
    readonly script?: Partial<UpstreamScript>;
    readonly policy?: Partial<TokenExchangeOptions>;
  } = {},
): Promise<PublicConnectScene> {
  const clock = new FakeClock();
  const provider = startScriptedProvider({ clock });
  const upstream = startUpstream(clock, options.script);
  const gateway = await startHarness({
    clock,
    origin: "https://gw.test",
    ...(options.kv === undefined ? {} : { kv: options.kv }),
    config: () => ({
      publicUrl: "https://gw.test",
      outbound: { allowLoopback: true },
      oauth: mcpOAuth({ ...oauthOptionsFor(provider), gateway: { accessTokenTtlSeconds: 86_400 } }),
      routes: [mcpProxy("/alpha", {
        operationId: "alpha",
        upstream: upstream.url,
        allowPrivateNetwork: true,
        // What a test adds are options of the same policy.
        policies: [
          tokenExchange({ id: "acme", displayName: "Acme", ...options.policy } as TokenExchangeOptions),
        ],
      })],
    }),
  });
  const client = await registerClient(gateway);
  return {
    gateway,
    upstream,
    provider,
    clock,
    client,
    async signIn() {
      const browser = browserBeyond(gateway);
      const { access_token: token } = await obtainTokens(gateway, client, { browser });
      return { browser, token };
    },
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
      await provider[Symbol.asyncDispose]();
    },
  };
}
