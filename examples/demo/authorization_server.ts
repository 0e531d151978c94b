/**
 * The demo's authorization server, without HTTP: OAuth 2.1 for public clients, in memory, with made-up accounts and no passwords.
 * It shows what a gateway meets at a real one: registration, consent, PKCE, tokens for one resource, short lives, rotation, revocation.
 */
import { z } from "zod";
import { isRedirectUri, isSameRedirect } from "./redirect_uri.ts";

/** Who can approve at the demo. Each account has notes of its own. */
export const accounts = ["ada", "grace"] as const;

/** The one scope. */
export const demoScope = "demo";

/** Lifetimes in seconds. Access tokens are short so that one can watch them being renewed. */
const lifetimes = { request: 600, code: 60, refreshToken: 7 * 86_400 };
/** A demo must not become somebody's memory leak: the oldest goes first. */
const mostKept = 500;

/** An OAuth error: `code` is the RFC's. With `redirect` it may be told to the client by way of the browser. */
export class OAuthFault extends Error {
  override readonly name = "OAuthFault";
  constructor(readonly code: string, message: string, readonly redirect: URL | null = null) {
    super(message);
  }
}

/** A registered client (RFC 7591). */
export interface DemoClient {
  readonly clientId: string;
  readonly name: string;
  readonly redirectUris: readonly string[];
}

/** An authorization request that waits for somebody to decide. */
export interface WaitingRequest {
  readonly id: string;
  readonly client: DemoClient;
  readonly redirectUri: string;
  readonly state: string | null;
  readonly challenge: string;
  readonly expiresAt: number;
}

/** What somebody approved; every token leads to its grant, and is worth nothing once that has been revoked. */
export interface DemoGrant {
  readonly account: string;
  readonly client: DemoClient;
  revoked: boolean;
}

/** What the token endpoint answers (RFC 6749 §5.1). */
export interface TokenAnswer {
  readonly access_token: string;
  readonly token_type: "Bearer";
  readonly expires_in: number;
  readonly refresh_token: string;
  readonly scope: string;
}

/** How a {@linkcode DemoAuthorizationServer} is made. */
export interface AuthorizationServerOptions {
  /** Its origin. */
  readonly issuer: string;
  /** The only resource that tokens are for. */
  readonly resource: string;
  readonly accessTokenSeconds: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Hears, in words for a person, what has happened. */
  readonly tell: (line: string) => void;
}

interface Code extends WaitingRequest {
  readonly grant: DemoGrant;
  used: boolean;
}

interface Token {
  readonly grant: DemoGrant;
  readonly expiresAt: number;
}

const registration = z.object({
  client_name: z.string().trim().min(1).max(100).default("A client without a name"),
  redirect_uris: z.array(z.string().max(2000).refine(isRedirectUri)).min(1).max(10),
});

/** The state and the rules. One per running demo. */
export class DemoAuthorizationServer {
  readonly #options: AuthorizationServerOptions;
  readonly #clients = new Map<string, DemoClient>();
  readonly #waiting = new Map<string, WaitingRequest>();
  readonly #codes = new Map<string, Code>();
  readonly #accessTokens = new Map<string, Token>();
  readonly #refreshTokens = new Map<string, Token & { rotated: boolean }>();

  constructor(options: AuthorizationServerOptions) {
    this.#options = options;
  }

  /** RFC 7591. @throws {OAuthFault} */
  register(metadata: unknown): DemoClient {
    const parsed = registration.safeParse(metadata);
    if (!parsed.success) {
      throw new OAuthFault(
        "invalid_client_metadata",
        "Give redirect_uris: https, or http on this machine; and a client_name of at most 100 characters.",
      );
    }
    const { client_name: name, redirect_uris: redirectUris } = parsed.data;
    const client = { clientId: crypto.randomUUID(), name, redirectUris };
    keep(this.#clients, client.clientId, client);
    this.#options.tell(`${name} has registered as a client.`);
    return client;
  }

  /** Judges an authorization request. @throws {OAuthFault} without `redirect` until client and redirect URI are known to be right */
  ask(params: URLSearchParams): WaitingRequest {
    const client = this.#clients.get(params.get("client_id") ?? "");
    if (client === undefined) {
      throw new OAuthFault(
        "invalid_client",
        "The demo does not know this client: it forgets all when it stops. Go back to where you came from and start again.",
      );
    }
    const redirectUri = params.get("redirect_uri") ?? "";
    if (!client.redirectUris.some((registered) => isSameRedirect(registered, redirectUri))) {
      throw new OAuthFault("invalid_request", "The client has not registered this redirect URI.");
    }
    const state = params.get("state");
    const fault = (code: string, message: string) =>
      new OAuthFault(code, message, this.#answerTo({ redirectUri, state }, { error: code }));
    if (params.get("response_type") !== "code") {
      throw fault("unsupported_response_type", "response_type has to be code.");
    }
    const challenge = params.get("code_challenge") ?? "";
    if (params.get("code_challenge_method") !== "S256" || !/^[\w-]{43}$/.test(challenge)) {
      throw fault("invalid_request", "A code_challenge is needed, made with S256.");
    }
    if (!this.#isForUs(params)) {
      throw fault("invalid_target", `The only resource is ${this.#options.resource}.`);
    }
    const request: WaitingRequest = {
      id: secret(),
      client,
      redirectUri,
      state,
      challenge,
      expiresAt: this.#in(lifetimes.request),
    };
    keep(this.#waiting, request.id, request);
    return request;
  }

  /** The decision: an account approves, or nobody does. Returns where to send the browser. @throws {OAuthFault} */
  decide(requestId: string, account: string | null): URL {
    const request = this.#waiting.get(requestId);
    this.#waiting.delete(requestId);
    if (request === undefined || this.#isOver(request)) {
      throw new OAuthFault(
        "invalid_request",
        "This page is too old. Go back to where you came from and start again.",
      );
    }
    if (account === null) return this.#answerTo(request, { error: "access_denied" });
    const code = secret();
    const grant: DemoGrant = { account, client: request.client, revoked: false };
    keep(this.#codes, code, { ...request, grant, used: false, expiresAt: this.#in(lifetimes.code) });
    this.#options.tell(`${account} lets ${request.client.name} in.`);
    return this.#answerTo(request, { code });
  }

  /** The token endpoint. @throws {OAuthFault} */
  exchange(form: URLSearchParams): Promise<TokenAnswer> {
    if (!this.#clients.has(form.get("client_id") ?? "")) {
      throw new OAuthFault("invalid_client", "The demo does not know this client.");
    }
    if (!this.#isForUs(form)) throw new OAuthFault("invalid_target", "The demo has one resource.");
    switch (form.get("grant_type")) {
      case "authorization_code":
        return this.#redeem(form);
      case "refresh_token":
        return Promise.resolve(this.#refresh(form));
      default:
        throw new OAuthFault("unsupported_grant_type", "Use a code or a refresh token.");
    }
  }

  /** RFC 7009: revoking any token ends its grant. An unknown one is no fault. */
  revoke(form: URLSearchParams): void {
    const token = form.get("token") ?? "";
    const { grant } = this.#refreshTokens.get(token) ?? this.#accessTokens.get(token) ?? {};
    if (grant === undefined || grant.revoked || grant.client.clientId !== form.get("client_id")) return;
    grant.revoked = true;
    this.#options.tell(`${grant.client.name} has given back what ${grant.account} allowed.`);
  }

  /** The grant behind an access token, and when the token ends; `null`: it is good for nothing. */
  verify(accessToken: string): Token | null {
    const token = this.#accessTokens.get(accessToken);
    return token === undefined || token.grant.revoked || this.#isOver(token) ? null : token;
  }

  async #redeem(form: URLSearchParams): Promise<TokenAnswer> {
    const refused = new OAuthFault("invalid_grant", "The code is not valid.");
    const code = this.#codes.get(form.get("code") ?? "");
    if (code === undefined || this.#isOver(code) || code.client.clientId !== form.get("client_id")) {
      throw refused;
    }
    if (code.redirectUri !== form.get("redirect_uri")) throw refused;
    if (code.challenge !== await challengeOf(form.get("code_verifier") ?? "")) throw refused;
    if (code.used) {
      // Somebody has read along: what the first one got ends, too (OAuth 2.1 §4.1.3).
      code.grant.revoked = true;
      throw refused;
    }
    code.used = true;
    return this.#issue(code.grant);
  }

  #refresh(form: URLSearchParams): TokenAnswer {
    const refused = new OAuthFault("invalid_grant", "The refresh token is not valid.");
    const token = this.#refreshTokens.get(form.get("refresh_token") ?? "");
    if (token === undefined || token.grant.revoked || this.#isOver(token)) throw refused;
    if (token.grant.client.clientId !== form.get("client_id")) throw refused;
    if (token.rotated) {
      token.grant.revoked = true;
      this.#options.tell(`A used refresh token of ${token.grant.account} came back: all is revoked.`);
      throw refused;
    }
    token.rotated = true;
    this.#options.tell(`${token.grant.client.name} has renewed the token of ${token.grant.account}.`);
    return this.#issue(token.grant);
  }

  #issue(grant: DemoGrant): TokenAnswer {
    const { accessTokenSeconds } = this.#options;
    const [accessToken, refreshToken] = [secret(), secret()];
    keep(this.#accessTokens, accessToken, { grant, expiresAt: this.#in(accessTokenSeconds) });
    keep(this.#refreshTokens, refreshToken, {
      grant,
      expiresAt: this.#in(lifetimes.refreshToken),
      rotated: false,
    });
    return {
      access_token: accessToken,
      token_type: "Bearer",
      expires_in: accessTokenSeconds,
      refresh_token: refreshToken,
      scope: demoScope,
    };
  }

  /** With `iss`, so that the client knows which server has answered (RFC 9207). */
  #answerTo(
    { redirectUri, state }: Pick<WaitingRequest, "redirectUri" | "state">,
    answer: Readonly<Record<string, string>>,
  ): URL {
    const url = new URL(redirectUri);
    const params = { ...answer, ...(state === null ? {} : { state }), iss: this.#options.issuer };
    for (const [name, value] of Object.entries(params)) url.searchParams.set(name, value);
    return url;
  }

  /** RFC 8707: a client that names no resource means the only one. */
  #isForUs(params: URLSearchParams): boolean {
    return params.getAll("resource").every((resource) => resource === this.#options.resource);
  }

  #in(seconds: number): number {
    return this.#options.now() + seconds * 1000;
  }

  #isOver({ expiresAt }: { readonly expiresAt: number }): boolean {
    return expiresAt <= this.#options.now();
  }
}

function keep<Value>(map: Map<string, Value>, key: string, value: Value): void {
  const [oldest] = map.keys();
  if (map.size >= mostKept && oldest !== undefined) map.delete(oldest);
  map.set(key, value);
}

/** 256 bits. */
function secret(): string {
  return crypto.getRandomValues(new Uint8Array(32)).toBase64({ alphabet: "base64url", omitPadding: true });
}

/** RFC 7636, S256. */
async function challengeOf(verifier: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  return new Uint8Array(digest).toBase64({ alphabet: "base64url", omitPadding: true });
}
