/**
 * Identity providers for tests, in this process: `oidc-provider` laid out as Logto lays it out, with a sign-in form, and a sloppy one
 * that says yes to everybody. They live in real time: give the gateway a clock that starts now.
 */
import { Buffer } from "node:buffer";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { exportJWK, generateKeyPair, type JWK } from "jose";
import { OAuth2Server } from "oauth2-mock-server";
// @ts-types="./oidc_provider.d.ts"
import Provider, { type Configuration } from "oidc-provider";
import { memoryStorage } from "./identity_provider_storage.ts";
import type { TestProvider } from "./test_provider.ts";

/** Options of {@linkcode startIdentityProvider}. */
export interface IdentityProviderOptions {
  /** Where the gateway is called back: `<public URL>/oauth/callback`. */
  readonly redirectUris: readonly string[];
  /** Under what the endpoints are. Default `/oidc`, as at Logto; `""` is allowed. */
  readonly prefix?: string;
  /** Offered on the sign-in form. Default `alice` and `bob`. */
  readonly users?: readonly string[];
  /** How ID tokens are signed. Default `ES384`, as at Logto. */
  readonly alg?: "ES256" | "ES384" | "RS256" | "PS256";
  readonly postLogoutRedirectUris?: readonly string[];
}

/** A strict provider with a sign-in form: a button `user=<name>` for each user, and `decision=deny`. */
export interface TestIdentityProvider extends TestProvider {
  /** Requests that reached the token endpoint. */
  readonly tokenRequests: number;
  /** Requests that reached the key set. */
  readonly keyRequests: number;
  /** The parameters of every authorization request. */
  readonly authorizationRequests: readonly URLSearchParams[];
  /** What the provider itself did wrong; a test that ends with one has found a fault in its own set-up. */
  readonly errors: readonly unknown[];
  /** Signs with a new key from now on. The old one leaves the key set, unless it is kept. */
  rotateKeys(options?: { readonly keepOld?: boolean }): Promise<void>;
}

/** Starts `oidc-provider`, with PKCE required and consent given silently. */
export async function startIdentityProvider(options: IdentityProviderOptions): Promise<TestIdentityProvider> {
  const { prefix = "/oidc", users = ["alice", "bob"], alg = "ES384" } = options;
  const server = createServer();
  const origin = await listen(server);
  const seen = { token: 0, keys: 0, authorization: [] as URLSearchParams[], errors: [] as unknown[] };
  const adapter = memoryStorage();
  let keys = [await newKey(alg)];
  let provider = build();

  function build(): Provider {
    const configuration = { ...configurationOf(options, { alg, keys }), adapter };
    const built = new Provider(origin + prefix, configuration);
    built.on("server_error", (_context, error) => seen.errors.push(error));
    return built;
  }

  server.on("request", (request: Mounted, response) => {
    const url = request.url ?? "/";
    if (url.startsWith(SIGN_IN)) {
      signIn(provider, users, { request, response }).catch((error) => {
        seen.errors.push(error);
        response.writeHead(500).end();
      });
      return;
    }
    if (!url.startsWith(`${prefix}/`)) return void response.writeHead(404).end();
    const path = url.slice(prefix.length);
    if (path === "/token") seen.token++;
    if (path === "/jwks") seen.keys++;
    if (path.startsWith("/auth?")) seen.authorization.push(new URL(url, origin).searchParams);
    // What a Connect-style mount does: the provider then writes the prefix into its URLs and cookie paths.
    request.originalUrl = url;
    request.url = path;
    provider.callback()(request, response);
  });

  return {
    ...client(origin, origin + prefix),
    jwksUrl: `${origin}${prefix}/jwks`,
    authorizationUrl: `${origin}${prefix}/auth`,
    tokenUrl: `${origin}${prefix}/token`,
    get tokenRequests() {
      return seen.token;
    },
    get keyRequests() {
      return seen.keys;
    },
    authorizationRequests: seen.authorization,
    errors: seen.errors,
    async rotateKeys({ keepOld = false } = {}) {
      const fresh = await newKey(alg);
      keys = keepOld ? [fresh, ...keys] : [fresh];
      // Sessions and codes are in the storage, and outlive the change.
      provider = build();
    },
    ...closing(() => stop(server)),
  };
}

/** Starts `oauth2-mock-server`: RS256, no form, no PKCE demanded, always the user `johndoe`. */
export async function startSloppyIdentityProvider(): Promise<
  TestProvider & { readonly tokenRequests: number }
> {
  const server = new OAuth2Server();
  await server.issuer.keys.generate("RS256");
  await server.start(0, "127.0.0.1");
  const origin = `http://127.0.0.1:${server.address().port}`;
  // It calls itself localhost otherwise, whatever it listens on.
  server.issuer.url = origin;
  let tokenRequests = 0;
  server.service.on("beforeResponse", () => tokenRequests++);
  return {
    ...client(origin, origin),
    jwksUrl: `${origin}/jwks`,
    authorizationUrl: `${origin}/authorize`,
    tokenUrl: `${origin}/token`,
    get tokenRequests() {
      return tokenRequests;
    },
    ...closing(() => server.stop()),
  };
}

const SIGN_IN = "/sign-in/";

/** A request whose URL has been shortened for a mounted application. */
type Mounted = IncomingMessage & { originalUrl?: string };

function client(origin: string, issuer: string) {
  return {
    origin,
    issuer,
    clientId: "gateway",
    clientSecret: "gateway-secret-gateway-secret-0123456789abcdef",
  };
}

function closing(close: () => Promise<void>) {
  return { close, [Symbol.asyncDispose]: close };
}

function configurationOf(
  options: IdentityProviderOptions,
  { alg, keys }: { alg: NonNullable<IdentityProviderOptions["alg"]>; keys: readonly JWK[] },
): Configuration {
  const { clientId, clientSecret } = client("", "");
  return {
    clients: [{
      client_id: clientId,
      client_secret: clientSecret,
      redirect_uris: [...options.redirectUris],
      post_logout_redirect_uris: [...options.postLogoutRedirectUris ?? []],
      grant_types: ["authorization_code", "refresh_token"],
      id_token_signed_response_alg: alg,
    }],
    jwks: { keys: [...keys] },
    enabledJWA: { idTokenSigningAlgValues: [alg] },
    routes: {
      authorization: "/auth",
      token: "/token",
      jwks: "/jwks",
      userinfo: "/me",
      end_session: "/session/end",
    },
    claims: { openid: ["sub"], profile: ["name"], email: ["email", "email_verified"] },
    // Claims of the granted scopes are in the ID token, as at most providers, and not only at the userinfo endpoint.
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false } },
    cookies: { keys: ["test-cookie-key"] },
    ttl: {
      AccessToken: 300,
      AuthorizationCode: 60,
      Grant: 3600,
      IdToken: 300,
      Interaction: 600,
      RefreshToken: 3600,
      Session: 3600,
    },
    interactions: { url: (_context, { uid }) => SIGN_IN + uid },
    findAccount: (_context, id) => ({
      accountId: id,
      claims: () => ({ sub: id, name: id, email: `${id}@example.test`, email_verified: true }),
    }),
  };
}

/** The page between the authorization request and its answer; consent is given without one. */
async function signIn(
  provider: Provider,
  users: readonly string[],
  { request, response }: { request: IncomingMessage; response: ServerResponse },
): Promise<void> {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (prompt.name !== "login") {
    const grant = new provider.Grant({
      clientId: String(params.client_id),
      ...(session === undefined ? {} : { accountId: session.accountId }),
    });
    grant.addOIDCScope(String(params.scope ?? "openid"));
    const consent = { grantId: await grant.save() };
    return await provider.interactionFinished(request, response, { consent });
  }
  if (request.method !== "POST") {
    const html = signInForm(users, typeof params.login_hint === "string" ? params.login_hint : null);
    return void response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(html);
  }
  const form = new URLSearchParams(await bodyOf(request));
  if (form.get("decision") === "deny") {
    return await provider.interactionFinished(request, response, {
      error: "access_denied",
      error_description: "The user said no",
    });
  }
  const user = form.get("user") ?? "";
  if (!users.includes(user)) return void response.writeHead(400).end("no such user");
  await provider.interactionFinished(request, response, { login: { accountId: user } });
}

/** A sign-in form with a button for each user. No action: it is sent to the page's own address. */
export function signInForm(users: readonly string[], hint: string | null): string {
  const button = (user: string) =>
    `<button name="user" value="${user}"${user === hint ? " autofocus" : ""}>Sign in as ${user}</button>`;
  return `<!doctype html><html lang="en"><head><title>Sign in</title></head><body><main><h1>Sign in</h1>
<form method="post">${users.map(button).join("")}<button name="decision" value="deny">Deny</button></form>
</main></body></html>`;
}

/** The whole body of a request, as text. */
export async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

/** A private key with a `kid`. */
export async function newKey(alg: string): Promise<JWK> {
  const { privateKey } = await generateKeyPair(alg, { extractable: true });
  return { ...await exportJWK(privateKey), alg, use: "sig", kid: crypto.randomUUID() };
}

/** Listens on a free port of loopback; returns the origin. */
export async function listen(server: Server): Promise<string> {
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return `http://127.0.0.1:${address.port}`;
}

/** Closes a server with all its connections. */
export async function stop(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise<void>((done) => server.close(() => done()));
}
