/** The OAuth side of an MCP client for both official SDKs: state in memory, a headless browser instead of a person. */
// SDK v1 declares its subpaths' types where TypeScript looks only if the name has no extension.
// @ts-types="@modelcontextprotocol/sdk/client/auth"
import type { OAuthClientProvider as OAuthClientProviderV1 } from "@modelcontextprotocol/sdk/client/auth.js";
import type { OAuthClientProvider as OAuthClientProviderV2 } from "@modelcontextprotocol/client";
import { type ApprovalOptions, HeadlessBrowser } from "./browser.ts";

// What the SDKs hand over and want back differs in a stamp of v2's (`issuer`), which both keep if it is there.
type ClientInformation = NonNullable<Awaited<ReturnType<OAuthClientProviderV2["clientInformation"]>>>;
type Tokens = NonNullable<Awaited<ReturnType<OAuthClientProviderV2["tokens"]>>>;
type DiscoveryState = Parameters<NonNullable<OAuthClientProviderV2["saveDiscoveryState"]>>[0];
type ClientMetadata = OAuthClientProviderV1["clientMetadata"];

/** How the client registers and who sits at the browser. */
export interface HeadlessOAuthOptions {
  readonly browser?: HeadlessBrowser;
  /** What the person chooses on the gateway's pages. */
  readonly approval?: ApprovalOptions;
  readonly redirectUri?: string;
  /** A client ID metadata document to use instead of dynamic registration. */
  readonly clientMetadataUrl?: string;
  /** Replaces parts of the registration request. */
  readonly clientMetadata?: Partial<ClientMetadata>;
}

/** An `OAuthClientProvider` for SDK v1 and v2 that authorizes without a person. */
export class HeadlessOAuthProvider implements OAuthClientProviderV1, OAuthClientProviderV2 {
  readonly browser: HeadlessBrowser;
  readonly redirectUrl: string;
  readonly clientMetadata: ClientMetadata;
  readonly clientMetadataUrl?: string;
  /** Every authorization request that the SDK made. */
  readonly authorizationUrls: URL[] = [];
  /** Every token response so far, oldest first. */
  readonly tokenHistory: Tokens[] = [];
  readonly #approval: ApprovalOptions;
  #client: ClientInformation | undefined;
  #tokens: Tokens | undefined;
  #verifier = "";
  #discovery: DiscoveryState | undefined;
  #callback: URL | undefined;
  #lastCallback: URL | undefined;

  /** A client that nobody knows yet. */
  constructor(options: HeadlessOAuthOptions = {}) {
    this.browser = options.browser ?? new HeadlessBrowser();
    this.#approval = options.approval ?? {};
    this.redirectUrl = options.redirectUri ?? "http://127.0.0.1:33418/callback";
    if (options.clientMetadataUrl !== undefined) this.clientMetadataUrl = options.clientMetadataUrl;
    this.clientMetadata = {
      client_name: "Headless test client",
      redirect_uris: [this.redirectUrl],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
      ...options.clientMetadata,
    };
  }

  /** The callback of the last authorization; throws if there was none, or its `state` is not ours. */
  takeCallback(): URL {
    const callback = this.#callback;
    const asked = this.authorizationUrls.at(-1)?.searchParams.get("state");
    if (callback === undefined) throw new Error("The SDK has not asked for authorization.");
    if (callback.searchParams.get("state") !== asked) throw new Error(`Wrong state: ${callback.search}`);
    this.#callback = undefined;
    return callback;
  }

  /** The last redirect back to this client, whether used or not. */
  get lastCallback(): URL | undefined {
    return this.#lastCallback;
  }

  /** A fresh `state` for each authorization request. */
  state(): string {
    return crypto.randomUUID();
  }

  /** What registration returned, if it has happened. */
  clientInformation(): ClientInformation | undefined {
    return this.#client;
  }

  /** Keeps a registration. */
  saveClientInformation(client: ClientInformation): void {
    this.#client = client;
  }

  /** The current tokens. */
  tokens(): Tokens | undefined {
    return this.#tokens;
  }

  /** Keeps tokens. */
  saveTokens(tokens: Tokens): void {
    this.#tokens = tokens;
    this.tokenHistory.push(tokens);
  }

  /** Sends the headless browser through the gateway's pages. */
  async redirectToAuthorization(url: URL): Promise<void> {
    this.authorizationUrls.push(url);
    this.#callback = await this.browser.signInAndApprove(url, this.#approval);
    this.#lastCallback = this.#callback;
  }

  /** Keeps the PKCE verifier. */
  saveCodeVerifier(verifier: string): void {
    this.#verifier = verifier;
  }

  /** The PKCE verifier of the pending authorization. */
  codeVerifier(): string {
    return this.#verifier;
  }

  /** Keeps which authorization server was found, so that the callback is held to it. */
  saveDiscoveryState(state: DiscoveryState): void {
    this.#discovery = state;
  }

  /** The authorization server that was found. */
  discoveryState(): DiscoveryState | undefined {
    return this.#discovery;
  }

  /** Forgets what the SDK found to be refused. */
  invalidateCredentials(scope: "all" | "client" | "tokens" | "verifier" | "discovery"): void {
    if (scope === "all" || scope === "client") this.#client = undefined;
    if (scope === "all" || scope === "tokens") this.#tokens = undefined;
    if (scope === "all" || scope === "verifier") this.#verifier = "";
    if (scope === "all" || scope === "discovery") this.#discovery = undefined;
  }
}
