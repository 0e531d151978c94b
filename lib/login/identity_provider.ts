/** The gateway as relying party of an OpenID Connect provider: authorization request, code exchange, ID token. */
import * as oauth from "@panva/oauth4webapi";
import type { JWTVerifyGetKey } from "jose";
import { fetchConfigured } from "../http/outbound_fetch.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Secret } from "../runtime/secret.ts";
import type { LoginRecord } from "../store/schema.ts";
import { Circuit, CircuitOpenError } from "./circuit.ts";
import { verifyAccessTokenIdentity } from "./access_token_identity.ts";
import { IdTokenError, providerKeys, type VerifiedIdToken, verifyIdToken } from "./id_token.ts";
import { ProviderMetadataSource } from "./provider_metadata.ts";

const MAX_ANSWER_BYTES = 262_144;
const CIRCUIT = { failures: 5, openMs: 5_000, inFlight: 100 } as const;
/** Reasons that say the provider does not answer at all; what a single login can provoke is not among them. */
const SILENT: ReadonlySet<string> = new Set(["provider_unreachable", "provider_keys_unavailable"]);

/** The provider, as the configuration describes it. */
export interface OidcSettings {
  readonly issuer: string;
  readonly jwksUrl: string;
  readonly idTokenAudience: string;
  readonly authorizationUrl: string;
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: Secret;
  readonly scope: string;
  readonly audience: string | null;
  readonly pkce: "S256" | "none";
  /** For each answer of the provider, in milliseconds. */
  readonly remoteTimeoutMs: number;
  /** Further parameters of every authorization request. */
  readonly authorizationParameters: readonly (readonly [name: string, value: string])[];
  /** `null`: as the provider's metadata says, else by Basic. */
  readonly tokenEndpointAuthMethod: "client_secret_basic" | "client_secret_post" | null;
  /** What proves who signed in. */
  readonly identitySource: { readonly kind: "id_token" } | {
    readonly kind: "access_token";
    readonly issuers: readonly string[];
  };
}

/** Why nobody signed in. */
export type LoginFailureKind =
  /** The user, or the provider's policy, said no. */
  | "denied"
  /** The provider did not answer, or answered that it cannot now. */
  | "unavailable"
  /** What the browser brought is no answer of the provider to our request. */
  | "forged"
  /** The provider's answer is not to be believed, or it does not accept ours. */
  | "refused";

/** A login that ended without a user; nothing of the provider's words is in it. */
export class LoginError extends Error {
  override readonly name = "LoginError";
  readonly kind: LoginFailureKind;
  /** A snake_case word for the event log. */
  readonly reason: string;

  constructor(kind: LoginFailureKind, reason: string, options: { cause?: unknown } = {}) {
    super(`Login failed: ${reason}`, options);
    this.kind = kind;
    this.reason = reason;
  }
}

/** A user who signed in, and what the provider handed over. */
export interface SignedIn extends VerifiedIdToken {
  /** The ID token itself: the identity assertion for ID-JAG. `null` from a provider that sends none. */
  readonly idToken: string | null;
  /** If `offline_access` was granted. */
  readonly refreshToken: string | null;
}

/** One configured provider. */
export class IdentityProvider {
  readonly #settings: OidcSettings;
  readonly #clock: Clock;
  readonly #metadata: ProviderMetadataSource;
  readonly #keys: JWTVerifyGetKey;
  readonly #circuit: Circuit;
  readonly #fetch: ReturnType<typeof fetchConfigured>;

  constructor(settings: OidcSettings, options: { readonly clock: Clock }) {
    const fetch = fetchConfigured({ timeoutMs: settings.remoteTimeoutMs, maxBytes: MAX_ANSWER_BYTES });
    this.#settings = settings;
    this.#clock = options.clock;
    this.#fetch = fetch;
    this.#circuit = new Circuit(CIRCUIT, options.clock);
    this.#metadata = new ProviderMetadataSource({ issuer: settings.issuer, fetch, clock: options.clock });
    this.#keys = providerKeys(settings.jwksUrl, {
      fetch,
      timeoutMs: settings.remoteTimeoutMs,
      clock: options.clock,
    });
  }

  /** Where to send the browser. `prompt` and `loginHint` are the client's. */
  async authorizationUrl(
    login: LoginRecord,
    request: { readonly loginId: string; readonly redirectUri: string; readonly prompt: string | null },
  ): Promise<string> {
    const { clientId, scope, audience, pkce, authorizationUrl } = this.#settings;
    const url = new URL(authorizationUrl);
    const set = (name: string, value: string | null) => value === null || url.searchParams.set(name, value);
    set("response_type", "code");
    set("client_id", clientId);
    set("redirect_uri", request.redirectUri);
    set("scope", scope);
    set("state", request.loginId);
    set("nonce", login.nonce);
    if (pkce === "S256") {
      set("code_challenge", await oauth.calculatePKCECodeChallenge(login.codeVerifier));
      set("code_challenge_method", "S256");
    }
    set("audience", audience);
    set("login_hint", login.loginHint);
    set("prompt", request.prompt);
    for (const [name, value] of this.#settings.authorizationParameters) set(name, value);
    return url.href;
  }

  /**
   * Checks an authorization response before anything is done with it: `iss` (RFC 9207), and that it carries a code.
   * @throws {LoginError}
   */
  async checkResponse(params: URLSearchParams, loginId: string): Promise<URLSearchParams> {
    const { sendsIss } = await this.#metadata.get();
    let response: URLSearchParams;
    try {
      response = oauth.validateAuthResponse(this.#server(sendsIss), this.#client(), params, loginId);
    } catch (error) {
      if (error instanceof oauth.AuthorizationResponseError) {
        const temporary = error.error === "server_error" || error.error === "temporarily_unavailable";
        throw new LoginError(
          temporary ? "unavailable" : "denied",
          temporary ? "provider_error" : "provider_denied",
          { cause: error },
        );
      }
      throw new LoginError("forged", "authorization_response_refused", { cause: error });
    }
    const [code, ...others] = response.getAll("code");
    if (!code || others.length > 0) throw new LoginError("forged", "authorization_response_without_code");
    return response;
  }

  /** Exchanges the code and verifies who it is. `response` comes from {@linkcode checkResponse}. @throws {LoginError} */
  async signIn(
    response: URLSearchParams,
    login: Pick<LoginRecord, "nonce" | "codeVerifier">,
    redirectUri: string,
  ): Promise<SignedIn> {
    const silent = (error: unknown) => error instanceof LoginError && SILENT.has(error.reason);
    try {
      return await this.#circuit.run(() => this.#signIn(response, login, redirectUri), silent);
    } catch (error) {
      if (!(error instanceof CircuitOpenError)) throw error;
      throw new LoginError("unavailable", "provider_not_asked", { cause: error });
    }
  }

  async #signIn(
    response: URLSearchParams,
    login: Pick<LoginRecord, "nonce" | "codeVerifier">,
    redirectUri: string,
  ): Promise<SignedIn> {
    const tokens = await this.#exchange(response, login, redirectUri);
    const refreshToken = typeof tokens.refresh_token === "string" ? tokens.refresh_token : null;
    try {
      return { ...await this.#identify(tokens, login.nonce), refreshToken };
    } catch (error) {
      if (error instanceof IdTokenError) throw new LoginError("refused", error.reason, { cause: error });
      throw new LoginError("unavailable", "provider_keys_unavailable", { cause: error });
    }
  }

  async #identify(tokens: Record<string, unknown>, nonce: string): Promise<Omit<SignedIn, "refreshToken">> {
    const { issuer, idTokenAudience: audience, clientId, identitySource } = this.#settings;
    const clock = this.#clock;
    if (identitySource.kind === "access_token") {
      const { issuers } = identitySource;
      return {
        ...await verifyAccessTokenIdentity(tokens, this.#keys, { issuer, issuers, clock }),
        idToken: null,
      };
    }
    if (typeof tokens.id_token !== "string") throw new IdTokenError("id_token_missing");
    const expected = { issuer, audience, clientId, nonce, clock };
    return { ...await verifyIdToken(tokens.id_token, this.#keys, expected), idToken: tokens.id_token };
  }

  /** Where the provider ends its own session, if it says so (OpenID Connect RP-Initiated Logout). */
  async endSessionUrl(postLogoutRedirectUri: string): Promise<string | null> {
    const { endSessionEndpoint } = await this.#metadata.get();
    if (endSessionEndpoint === null) return null;
    const url = new URL(endSessionEndpoint);
    url.searchParams.set("client_id", this.#settings.clientId);
    url.searchParams.set("post_logout_redirect_uri", postLogoutRedirectUri);
    return url.href;
  }

  async #exchange(
    response: URLSearchParams,
    login: Pick<LoginRecord, "codeVerifier">,
    redirectUri: string,
  ): Promise<Record<string, unknown>> {
    const { clientSecret, pkce, tokenUrl, tokenEndpointAuthMethod } = this.#settings;
    const { authMethod, sendsIss } = await this.#metadata.get();
    const authenticate = (tokenEndpointAuthMethod ?? authMethod) === "client_secret_post"
      ? oauth.ClientSecretPost
      : oauth.ClientSecretBasic;
    let answer: Response;
    try {
      answer = await oauth.authorizationCodeGrantRequest(
        this.#server(sendsIss),
        this.#client(),
        authenticate(clientSecret.reveal()),
        response,
        redirectUri,
        pkce === "S256" ? login.codeVerifier : oauth.nopkce,
        {
          // oauth4webapi passes a string and a plain init; the types only differ in breadth.
          [oauth.customFetch]: (url, init) => this.#fetch(url, init as RequestInit),
          [oauth.allowInsecureRequests]: tokenUrl.startsWith("http:"),
        },
      );
    } catch (error) {
      throw new LoginError("unavailable", "provider_unreachable", { cause: error });
    }
    return await readTokens(answer);
  }

  #server(sendsIss: boolean): oauth.AuthorizationServer {
    const { issuer, tokenUrl, authorizationUrl, jwksUrl } = this.#settings;
    return {
      issuer,
      authorization_endpoint: authorizationUrl,
      token_endpoint: tokenUrl,
      jwks_uri: jwksUrl,
      authorization_response_iss_parameter_supported: sendsIss,
    };
  }

  #client(): oauth.Client {
    return { client_id: this.#settings.clientId };
  }
}

async function readTokens(answer: Response): Promise<Record<string, unknown>> {
  if (answer.status >= 500 || answer.status === 429) throw new LoginError("unavailable", "provider_error");
  if (answer.status !== 200) throw new LoginError("refused", "code_exchange_refused");
  try {
    const body: unknown = await answer.json();
    if (typeof body === "object" && body !== null) return { ...body };
  } catch {
    // No JSON: the same as JSON of another shape.
  }
  throw new LoginError("refused", "token_response_malformed");
}
