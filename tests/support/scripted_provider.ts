/**
 * An identity provider whose every answer a test can bend: claims, header and signature of the ID token, key set, token answer, delay,
 * status, redirects, size. Left alone it is sound and strict: PKCE, one use of a code, client authentication.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { deferred, type EndpointScript, respond } from "./scripted_endpoint.ts";
import { CLIENT_SECRET, type KeyScript, ProviderKeys, type SignatureScript } from "./scripted_keys.ts";
import type { TestProvider } from "./test_provider.ts";

export type { EndpointScript } from "./scripted_endpoint.ts";
export type { KeyScript, SignatureScript } from "./scripted_keys.ts";

/** Fields to put over the right ones; `undefined` takes one away. */
export type Changes = Readonly<Record<string, unknown>>;

/** What is to be different from a sound provider; all of it optional, and replaced as a whole. */
export interface ProviderScript {
  /** Who signs in. Default `alice`. */
  readonly subject?: string;
  /** Claims of the ID token. */
  readonly claims?: Changes | ((claims: Readonly<Record<string, unknown>>) => Record<string, unknown>);
  /** Header of the ID token. */
  readonly header?: Changes;
  /** How the ID token is signed. Default `sound`. */
  readonly signature?: SignatureScript;
  /** The ID token itself, in place of one made of the above; `null`: none. */
  readonly idToken?: string | null;
  /** Parameters of the authorization response; `undefined` takes one away. `{ code: undefined, error: "access_denied" }` denies. */
  readonly authorizationResponse?: Readonly<Record<string, string | undefined>>;
  readonly authorization?: EndpointScript;
  /** Whether it gives out refresh tokens: each is good for once, and a second use ends them all. */
  readonly refreshes?: boolean;
  /** Fields of the token answer. */
  readonly tokenResponse?: Changes;
  readonly token?: EndpointScript;
  /** The keys in the key set. Default `sound`. */
  readonly keys?: KeyScript;
  readonly jwks?: EndpointScript;
  /** Fields of the discovery document. */
  readonly metadata?: Changes;
  readonly discovery?: EndpointScript;
}

/** One request to the token endpoint, as it came. */
export interface SeenTokenRequest {
  readonly params: URLSearchParams;
  readonly headers: Headers;
}

/** Options of {@linkcode startScriptedProvider}. */
export interface ScriptedProviderOptions {
  /** Time of the tokens, in milliseconds since the epoch; give the clock of the gateway. Default: real time. */
  readonly clock?: { now(): number };
  /** Default `ES256`. */
  readonly alg?: "ES256" | "RS256";
  readonly script?: ProviderScript;
}

/** A running scripted provider. */
export interface ScriptedProvider extends TestProvider {
  /** May be replaced between steps of a flow. */
  script: ProviderScript;
  readonly authorizationRequests: readonly URLSearchParams[];
  readonly tokenRequests: readonly SeenTokenRequest[];
  /** Requests that reached the key set, and the discovery document. */
  readonly counts: { readonly jwks: number; readonly discovery: number };
  /** Signs with a new key from now on; only that one is in the key set. */
  rotateKeys(): void;
  /** Signs any claims with the provider's own key, or otherwise: for tokens of another login, user, or kind. */
  sign(
    claims: Readonly<Record<string, unknown>>,
    how?: { readonly header?: Changes; readonly signature?: SignatureScript },
  ): string;
}

interface IssuedCode {
  readonly nonce: string | null;
  readonly challenge: string | null;
  readonly redirectUri: string;
}

const CLIENT = { clientId: "gateway", clientSecret: CLIENT_SECRET } as const;

/** Starts a scripted provider on loopback. */
export function startScriptedProvider(options: ScriptedProviderOptions = {}): ScriptedProvider {
  const keys = new ProviderKeys(options.alg ?? "ES256");
  const now = () => Math.floor((options.clock?.now() ?? Date.now()) / 1000);
  const codes = new Map<string, IssuedCode>();
  let refreshToken: string | null = null;
  const authorizationRequests: URLSearchParams[] = [];
  const tokenRequests: SeenTokenRequest[] = [];
  const counts = { jwks: 0, discovery: 0 };
  // Answers that never come end with the provider.
  const closing = deferred();

  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname, searchParams } = new URL(request.url);
    const { script } = provider;
    const context = { request, closing: closing.promise };
    if (pathname === "/authorize") {
      authorizationRequests.push(searchParams);
      return await respond(script.authorization, () => authorize(searchParams), context);
    }
    if (pathname === "/token") {
      const params = new URLSearchParams(await request.text());
      tokenRequests.push({ params, headers: request.headers });
      return await respond(script.token, () => exchange(params, request.headers), context);
    }
    if (pathname === "/jwks") {
      counts.jwks++;
      return await respond(script.jwks, () => Response.json(keys.published(script.keys ?? "sound")), context);
    }
    if (pathname === "/.well-known/openid-configuration") {
      counts.discovery++;
      return await respond(
        script.discovery,
        () => Response.json(changed(metadata(), script.metadata)),
        context,
      );
    }
    return new Response(null, { status: 404 });
  });
  const origin = `http://127.0.0.1:${server.addr.port}`;
  const close = async () => {
    closing.resolve();
    await server.shutdown();
  };
  const provider: ScriptedProvider = {
    ...CLIENT,
    origin,
    issuer: origin,
    jwksUrl: `${origin}/jwks`,
    authorizationUrl: `${origin}/authorize`,
    tokenUrl: `${origin}/token`,
    script: options.script ?? {},
    authorizationRequests,
    tokenRequests,
    counts,
    rotateKeys: () => keys.rotate(),
    sign: (claims, how = {}) => keys.sign(claims, how),
    close,
    [Symbol.asyncDispose]: close,
  };
  return provider;

  function metadata(): Record<string, unknown> {
    return {
      issuer: origin,
      authorization_endpoint: `${origin}/authorize`,
      token_endpoint: `${origin}/token`,
      jwks_uri: `${origin}/jwks`,
      response_types_supported: ["code"],
      subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: [keys.alg],
      token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post"],
      authorization_response_iss_parameter_supported: true,
    };
  }

  function authorize(params: URLSearchParams): Response {
    const redirectUri = params.get("redirect_uri");
    if (redirectUri === null || params.get("client_id") !== CLIENT.clientId) {
      return new Response("unknown client or no redirect_uri", { status: 400 });
    }
    const code = crypto.randomUUID();
    codes.set(code, {
      nonce: params.get("nonce"),
      challenge: params.get("code_challenge"),
      redirectUri,
    });
    const answer = { code, state: params.get("state") ?? undefined, iss: origin };
    const url = new URL(redirectUri);
    for (const [name, value] of Object.entries({ ...answer, ...provider.script.authorizationResponse })) {
      if (value !== undefined) url.searchParams.set(name, value);
    }
    return new Response(null, { status: 303, headers: { location: url.href } });
  }

  function exchange(params: URLSearchParams, headers: Headers): Response {
    if (!authenticates(params, headers)) return Response.json({ error: "invalid_client" }, { status: 401 });
    if (params.get("grant_type") === "refresh_token") return refresh(params.get("refresh_token"));
    const issued = codes.get(params.get("code") ?? "");
    codes.delete(params.get("code") ?? "");
    const fits = issued !== undefined && params.get("grant_type") === "authorization_code" &&
      params.get("redirect_uri") === issued.redirectUri &&
      (issued.challenge === null || issued.challenge === challengeOf(params.get("code_verifier") ?? ""));
    if (!fits) return Response.json({ error: "invalid_grant" }, { status: 400 });
    return tokens(issued.nonce);
  }

  function refresh(given: string | null): Response {
    if (given !== null && given === refreshToken) return tokens(null);
    refreshToken = null;
    return Response.json({ error: "invalid_grant" }, { status: 400 });
  }

  function tokens(nonce: string | null): Response {
    const { script } = provider;
    const idToken = script.idToken === undefined ? makeIdToken(nonce) : script.idToken;
    if (script.refreshes) refreshToken = crypto.randomUUID();
    const answer = {
      access_token: "provider-access-token",
      token_type: "Bearer",
      expires_in: 300,
      id_token: idToken ?? undefined,
      refresh_token: script.refreshes ? refreshToken : undefined,
    };
    return Response.json(changed(answer, script.tokenResponse), { headers: { "cache-control": "no-store" } });
  }

  function makeIdToken(nonce: string | null): string {
    const { script } = provider;
    const subject = script.subject ?? "alice";
    const claims = {
      iss: origin,
      sub: subject,
      aud: CLIENT.clientId,
      exp: now() + 300,
      iat: now(),
      nonce: nonce ?? undefined,
      name: subject,
      email: `${subject}@example.test`,
      email_verified: true,
    };
    return keys.sign(
      typeof script.claims === "function" ? script.claims(claims) : changed(claims, script.claims),
      script,
    );
  }
}

function changed(
  right: Readonly<Record<string, unknown>>,
  changes: Changes | undefined,
): Record<string, unknown> {
  // JSON leaves out what is undefined.
  return { ...right, ...changes };
}

/** Basic or post, and exactly one of them. */
function authenticates(params: URLSearchParams, headers: Headers): boolean {
  const authorization = headers.get("authorization");
  const posted = params.get("client_secret");
  if ((authorization === null) === (posted === null)) return false;
  const expected = `${CLIENT.clientId}:${CLIENT.clientSecret}`;
  if (authorization === null) return same(`${params.get("client_id")}:${posted}`, expected);
  const [scheme, credentials = ""] = authorization.split(" ");
  const [id = "", secret = ""] = atob(credentials).split(":").map(decodeURIComponent);
  return scheme === "Basic" && same(`${id}:${secret}`, expected);
}

function same(one: string, other: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}

function challengeOf(verifier: string): string {
  return createHash("sha256").update(verifier).digest("base64url");
}
