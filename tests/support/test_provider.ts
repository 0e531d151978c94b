/** What all identity providers of the tests have in common, and how a gateway and a browser come to them. */
import type { McpOAuthOptions } from "../../mod.ts";
import { HeadlessBrowser } from "./browser.ts";
import type { Askable } from "./oauth_flow.ts";

/** What every identity provider of a test tells of itself. */
export interface TestProvider extends AsyncDisposable {
  readonly origin: string;
  readonly issuer: string;
  readonly jwksUrl: string;
  readonly authorizationUrl: string;
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  close(): Promise<void>;
}

/** The options of `mcpOAuth` with which the gateway signs users in at a provider. */
export function oauthOptionsFor(
  provider: Omit<TestProvider, "close" | typeof Symbol.asyncDispose>,
): McpOAuthOptions {
  const { issuer, jwksUrl, authorizationUrl: url, tokenUrl, clientId, clientSecret } = provider;
  return { oidc: { issuer, jwksUrl }, browserLogin: { url, tokenUrl, clientId, clientSecret } };
}

/** A browser that asks a gateway of this process directly, and everybody else over the network. */
export function browserBeyond(gateway: Askable): HeadlessBrowser {
  return new HeadlessBrowser({
    fetch: (input, init) => {
      const url = new URL(input instanceof Request ? input.url : input);
      return url.origin === gateway.origin ? gateway.fetch(url, init) : fetch(url, init);
    },
  });
}
