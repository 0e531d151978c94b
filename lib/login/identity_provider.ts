/** The gateway as relying party of an OpenID Connect provider: authorization request, code exchange, ID token. */
import * as oauth from "@panva/oauth4webapi";
import type { JWTVerifyGetKey } from "jose";
import { fetchConfigured } from "../http/outbound_fetch.ts";
import type { Clock } from "../runtime/clock.ts";
import type { LoginRecord } from "../store/schema.ts";
import { Circuit, CircuitOpenError } from "./circuit.ts";
import { verifyAccessTokenIdentity } from "./access_token_identity.ts";
import {
  identityOf,
  IdTokenError,
  providerKeys,
  type VerifiedIdToken,
  verifyIdToken,
  verifySignedClaims,
} from "./id_token.ts";
import { LoginError } from "./login_error.ts";
import type { OidcSettings } from "./oidc_settings.ts";
import { clientOf, ProviderTokenEndpoint, serverOf } from "./provider_token_endpoint.ts";
import { ProviderMetadataSource } from "./provider_metadata.ts";

const MAX_ANSWER_BYTES = 262_144;
const CIRCUIT = { failures: 5, openMs: 5_000, inFlight: 100 } as const;
/** Reasons that say the provider does not answer at all; what a single login can provoke is not among them. */
const SILENT: ReadonlySet<string> = new Set(["provider_unreachable", "provider_keys_unavailable"]);

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
  readonly #tokenEndpoint: ProviderTokenEndpoint;

  constructor(settings: OidcSettings, options: { readonly clock: Clock }) {
    const fetch = fetchConfigured({ timeoutMs: settings.remoteTimeoutMs, maxBytes: MAX_ANSWER_BYTES });
    this.#settings = settings;
    this.#clock = options.clock;
    this.#circuit = new Circuit(CIRCUIT, options.clock);
    this.#metadata = new ProviderMetadataSource({ issuer: settings.issuer, fetch, clock: options.clock });
    this.#tokenEndpoint = new ProviderTokenEndpoint({ settings, metadata: this.#metadata, fetch });
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
      response = oauth.validateAuthResponse(
        serverOf(this.#settings, sendsIss),
        clientOf(this.#settings),
        params,
        loginId,
      );
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
    return await this.#guarded(() => this.#signIn(response, login, redirectUri));
  }

  /** Not while the provider does not answer anybody. */
  async #guarded<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    const silent = (error: unknown) => error instanceof LoginError && SILENT.has(error.reason);
    try {
      return await this.#circuit.run(ask, silent);
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
    const tokens = await this.#tokenEndpoint.exchangeCode(response, login.codeVerifier, redirectUri);
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

  /**
   * A new ID token for the same user, by the provider's refresh token. It has no nonce of a login, and may have none at all. A new refresh
   * token is handed to `keep` before anything else of the answer is looked at: the old one may be good for nothing by now.
   * @throws {LoginError} `refresh_token_refused`: the provider does not honour it any more
   */
  async renew(
    refreshToken: string,
    about: { readonly subject: string; readonly keep: (refreshToken: string) => Promise<void> },
  ): Promise<VerifiedIdToken & { readonly idToken: string }> {
    return await this.#guarded(() => this.#renew(refreshToken, about));
  }

  async #renew(
    refreshToken: string,
    { subject, keep }: { readonly subject: string; readonly keep: (refreshToken: string) => Promise<void> },
  ): Promise<VerifiedIdToken & { readonly idToken: string }> {
    const { issuer, idTokenAudience: audience } = this.#settings;
    const tokens = await this.#tokenEndpoint.refresh(refreshToken);
    const next = tokens.refresh_token;
    if (typeof next === "string" && next !== refreshToken) await keep(next);
    if (typeof tokens.id_token !== "string") throw new LoginError("refused", "id_token_missing");
    try {
      const { claims, subject: renewed, expiresAt } = await verifySignedClaims(tokens.id_token, this.#keys, {
        issuer,
        audience,
        clock: this.#clock,
      });
      if (renewed !== subject) throw new IdTokenError("id_token_subject_differs");
      return { identity: identityOf(issuer, renewed, claims), claims, expiresAt, idToken: tokens.id_token };
    } catch (error) {
      if (error instanceof IdTokenError) throw new LoginError("refused", error.reason, { cause: error });
      throw new LoginError("unavailable", "provider_keys_unavailable", { cause: error });
    }
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
}
