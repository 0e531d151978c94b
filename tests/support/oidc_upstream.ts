/**
 * An upstream MCP server whose authorization server is `oidc-provider`: dynamic registration, resource indicators, short access tokens,
 * refresh tokens for one use, whose second use revokes the grant. Its MCP endpoint takes what the provider knows, and nothing else.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
// @ts-types="./oidc_provider.d.ts"
import Provider, { type AccessToken, type Configuration, type Features } from "oidc-provider";
import { bodyOf, listen, newKey, signInForm, stop } from "./identity_provider.ts";
import { memoryStorage } from "./identity_provider_storage.ts";

/** How a test wants it. */
export interface OidcUpstreamOptions {
  readonly users: readonly string[];
  /** How long an access token lives; the provider counts in whole seconds, so it may be up to a second less. */
  readonly tokenSeconds: number;
  /** How clients may authenticate. */
  readonly clientAuthMethods?: readonly string[];
  readonly features?: Partial<Features>;
  readonly fetch?: Configuration["fetch"];
  /** How often the MCP endpoint takes an access token before it wants another one. Default: as long as it lives. */
  readonly callsPerToken?: number;
  /** How long the token endpoint takes at least. Default 0. */
  readonly latencyMs?: number;
  /** Serve https with this certificate, under this origin, which leads to {@linkcode OidcUpstream.port}. */
  readonly tls?: { readonly origin: string; readonly cert: string; readonly key: string };
  /** Judges the assertion that a client authenticates with; what it throws is answered. */
  readonly assertClientAssertion?: Configuration["assertJwtClientAuthClaimsAndHeader"];
}

/** A refresh that the provider granted. */
export interface GrantedRefresh {
  readonly account: string;
  readonly used: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** An access token that the provider issued, with the refresh token of the same answer. */
export interface IssuedPair {
  readonly account: string;
  readonly accessToken: string;
  readonly refreshToken: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly expiresAt: number;
}

/** A request to the MCP endpoint that carried a good token. */
export interface OidcUpstreamCall {
  readonly account: string;
  readonly token: string;
  readonly at: number;
}

/** How the token endpoint treats the refreshes of one account: `null` lets the provider answer. */
export type Trouble = (response: ServerResponse) => void;

/** A running upstream. */
export interface OidcUpstream extends AsyncDisposable {
  readonly origin: string;
  readonly port: number;
  /** The MCP endpoint, which is the resource. */
  readonly url: string;
  readonly pairs: readonly IssuedPair[];
  /** Every refresh token that was presented, in order, whatever came of it. */
  readonly presented: readonly { readonly account: string; readonly token: string; readonly at: number }[];
  readonly granted: readonly GrantedRefresh[];
  readonly calls: readonly OidcUpstreamCall[];
  /** How many calls carried no token, or one that was no longer good. */
  readonly refused: number;
  /** Client ids, in the order of their registration. */
  readonly registrations: readonly string[];
  /** Grants that ended because a refresh token came a second time. */
  readonly revokedGrants: number;
  /** Error codes of the token endpoint. */
  readonly tokenErrors: readonly string[];
  /** What the provider itself did wrong. */
  readonly errors: readonly unknown[];
  readonly trouble: Map<string, Trouble>;
  /** Forgets every client that has registered, as a server does that cleans up. */
  forgetClients(): Promise<void>;
  /** Hears of every request to the token endpoint when it has come, and when its answer has been written. */
  onToken: ((stage: "asked" | "answered") => void) | null;
}

const SCOPE = "notes";

/** Starts it on a free port. */
export async function startOidcUpstream(options: OidcUpstreamOptions): Promise<OidcUpstream> {
  const { tls } = options;
  const server = tls === undefined ? createServer() : createTlsServer({ cert: tls.cert, key: tls.key });
  const address = await listen(server);
  const origin = tls?.origin ?? address;
  const url = `${origin}/mcp`;
  const seen = {
    pairs: [] as IssuedPair[],
    presented: [] as { account: string; token: string; at: number }[],
    granted: [] as GrantedRefresh[],
    calls: [] as OidcUpstreamCall[],
    tokenErrors: [] as string[],
    errors: [] as unknown[],
    refused: 0,
    registrations: [] as string[],
    revokedGrants: 0,
  };
  const trouble = new Map<string, Trouble>();
  const adapter = memoryStorage();
  const provider = new Provider(origin, { ...await configurationOf(options, url), adapter });
  const accounts = new Map<string, string>();
  const spent = new Map<string, number>();
  provider.on("server_error", (_context, error) => seen.errors.push(error));
  provider.on("registration_create.error", (_context, error) => seen.errors.push(error));
  provider.on(
    "registration_create.success",
    (_context, { clientId }) => void seen.registrations.push(clientId),
  );
  provider.on("grant.revoked", () => seen.revokedGrants++);
  provider.on("grant.error", (_context, error) => seen.tokenErrors.push(error.message));
  provider.on("grant.success", ({ body, oidc }) => {
    const token = oidc.entities.AccessToken;
    if (token === undefined) return;
    const [at, account] = [Date.now(), token.accountId];
    const pair = { accessToken: String(body.access_token), refreshToken: String(body.refresh_token) };
    accounts.set(pair.refreshToken, account);
    // The provider counts in whole seconds.
    const expiresAt = (Math.floor(at / 1000) + Number(body.expires_in)) * 1000;
    seen.pairs.push({ ...pair, account, at, expiresAt });
    const used = oidc.params.refresh_token;
    if (used !== undefined) seen.granted.push({ account, used, at });
  });

  const handle = provider.callback();

  async function answer(request: Parsed, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? "/", origin).pathname;
    if (path === "/mcp") return await mcp(request, response);
    if (path === "/.well-known/oauth-protected-resource/mcp") {
      const document = { resource: url, authorization_servers: [origin], scopes_supported: [SCOPE] };
      return void json(response, 200, document);
    }
    if (path.startsWith(SIGN_IN)) return await signIn(provider, options.users, { request, response, url });
    if (path === "/token") {
      // What has been read is handed on as it is.
      request.body = await bodyOf(request);
      const token = new URLSearchParams(request.body).get("refresh_token");
      if (token !== null) {
        const account = accounts.get(token) ?? "?";
        seen.presented.push({ account, token, at: Date.now() });
        const troubled = trouble.get(account);
        if (troubled !== undefined) return troubled(response);
      }
    }
    if (path === "/token") upstream.onToken?.("asked");
    if (path === "/token" && options.latencyMs !== undefined) {
      await new Promise((resolve) => setTimeout(resolve, options.latencyMs));
    }
    await handle(request, response);
    if (path === "/token") upstream.onToken?.("answered");
  }

  async function mcp(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    const value = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1] ?? "";
    const token: AccessToken | undefined = value === "" ? undefined : await provider.AccessToken.find(value);
    const uses = (spent.get(value) ?? 0) + 1;
    spent.set(value, uses);
    const isGood = token !== undefined && !token.isExpired && token.aud === url;
    if (!isGood || uses > (options.callsPerToken ?? Infinity)) {
      seen.refused++;
      const metadata = `${origin}/.well-known/oauth-protected-resource/mcp`;
      response.writeHead(401, { "www-authenticate": `Bearer resource_metadata="${metadata}"` }).end();
      return;
    }
    seen.calls.push({ account: token.accountId, token: value, at: Date.now() });
    const { id } = JSON.parse(body);
    json(response, 200, {
      jsonrpc: "2.0",
      id,
      result: { content: [{ type: "text", text: token.accountId }] },
    });
  }

  server.on("request", (request: Parsed, response) => {
    answer(request, response).catch((error) => {
      // A gateway that was killed while it asked is no fault of the provider's.
      if (!request.destroyed) seen.errors.push(error);
      response.writeHead(500).end();
    });
  });

  const upstream: OidcUpstream = {
    origin,
    port: Number(new URL(address).port),
    url,
    trouble,
    onToken: null,
    pairs: seen.pairs,
    presented: seen.presented,
    granted: seen.granted,
    calls: seen.calls,
    tokenErrors: seen.tokenErrors,
    errors: seen.errors,
    get refused() {
      return seen.refused;
    },
    registrations: seen.registrations,
    async forgetClients() {
      for (const id of seen.registrations) await adapter("Client").destroy(id);
    },
    get revokedGrants() {
      return seen.revokedGrants;
    },
    [Symbol.asyncDispose]: () => stop(server),
  };
  return upstream;
}

const SIGN_IN = "/sign-in/";

/** A request whose body has been read. */
type Parsed = IncomingMessage & { body?: string };

async function configurationOf(options: OidcUpstreamOptions, url: string): Promise<Configuration> {
  const { tokenSeconds, users, clientAuthMethods, fetch, assertClientAssertion } = options;
  return {
    clients: [],
    scopes: ["offline_access"],
    jwks: { keys: [await newKey("ES256")] },
    enabledJWA: { idTokenSigningAlgValues: ["ES256"] },
    clientDefaults: { id_token_signed_response_alg: "ES256" },
    ...(clientAuthMethods === undefined ? {} : { clientAuthMethods }),
    ...(fetch === undefined ? {} : { fetch }),
    ...(assertClientAssertion === undefined
      ? {}
      : { assertJwtClientAuthClaimsAndHeader: assertClientAssertion }),
    pkce: { required: () => true },
    issueRefreshToken: () => true,
    rotateRefreshToken: true,
    features: {
      devInteractions: { enabled: false },
      registration: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo(_context, resource) {
          if (resource !== url) throw new Error(`No such resource: ${resource}`);
          return {
            scope: SCOPE,
            audience: url,
            accessTokenFormat: "opaque",
            accessTokenTTL: tokenSeconds,
          };
        },
      },
      ...options.features,
    },
    cookies: { keys: ["test-cookie-key"] },
    ttl: {
      AccessToken: tokenSeconds,
      AuthorizationCode: 60,
      Grant: 3600,
      Interaction: 600,
      RefreshToken: 3600,
      Session: 3600,
    },
    interactions: { url: (_context, { uid }) => SIGN_IN + uid },
    findAccount: (_context, id) =>
      users.includes(id) ? { accountId: id, claims: () => ({ sub: id }) } : undefined,
  };
}

/** Signs in by the form, and consents to what was asked for. */
async function signIn(
  provider: Provider,
  users: readonly string[],
  { request, response, url }: { request: IncomingMessage; response: ServerResponse; url: string },
): Promise<void> {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (prompt.name === "login") {
    if (request.method !== "POST") {
      const html = signInForm(users, null);
      return void response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(html);
    }
    const user = new URLSearchParams(await bodyOf(request)).get("user") ?? "";
    return await provider.interactionFinished(request, response, { login: { accountId: user } });
  }
  const grant = new provider.Grant({
    clientId: String(params.client_id),
    ...(session === undefined ? {} : { accountId: session.accountId }),
  });
  grant.addOIDCScope("offline_access");
  grant.addResourceScope(url, SCOPE);
  await provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } });
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}
