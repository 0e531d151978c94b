/**
 * Cross-app access (ID-JAG, outbound): the user's identity assertion is exchanged at the identity provider for an assertion meant for the
 * upstream's authorization server (RFC 8693), and that one there for an access token (RFC 7523). Nobody has to connect anything.
 */
import * as oauth from "@panva/oauth4webapi";
import { importPKCS8 } from "jose";
import { type Fetch, libraryFetch } from "../http/outbound_fetch.ts";
import type { Clock } from "../runtime/clock.ts";
import type { ExchangeClientAuth, IdJagExchange } from "./connection_settings.ts";
import { usableAnswer } from "./token_answer.ts";
import { UpstreamError } from "./upstream_error.ts";

const TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ID_JAG = "urn:ietf:params:oauth:token-type:id-jag";
const ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token";
/** A token is replaced this long before it expires, in milliseconds; one whose server does not say lives five minutes. */
const MARGIN_MS = 30_000;
const DEFAULT_LIFETIME_SECONDS = 300;
const MAX_CACHED = 20_000;
/** What a provider says of an assertion whose session is over (RFC 6749 §5.2, OpenID Connect Core §3.1.2.6). */
const SESSION_ENDED = ["invalid_grant", "login_required", "interaction_required"];
const TOKEN = /^[\x21-\x7e]{1,16384}$/;

/** Access tokens of all users at one upstream, kept in memory until they expire. One per connection and process. */
export class IdJagTokens {
  readonly #exchange: IdJagExchange;
  readonly #fetch: Fetch;
  readonly #clock: Clock;
  readonly #tokens = new Map<string, { readonly accessToken: string; readonly freshUntil: number }>();
  readonly #running = new Map<string, Promise<string>>();

  constructor(exchange: IdJagExchange, options: { readonly fetch: Fetch; readonly clock: Clock }) {
    this.#exchange = exchange;
    this.#fetch = options.fetch;
    this.#clock = options.clock;
  }

  /** A token that is known already, if it is not the one that was `rejected`. */
  known(userId: string, rejected: string | null): string | null {
    const token = this.#tokens.get(userId);
    const usable = token !== undefined && token.accessToken !== rejected &&
      this.#clock.now() < token.freshUntil;
    return usable ? token.accessToken : null;
  }

  /** A new token for the user whose identity assertion this is; callers at the same time share one exchange. @throws {UpstreamError} `denied`: the user has to sign in again */
  async obtain(userId: string, assertion: string): Promise<string> {
    const running = this.#running.get(userId) ??
      this.#obtain(userId, assertion).finally(() => this.#running.delete(userId));
    this.#running.set(userId, running);
    return await running;
  }

  async #obtain(userId: string, assertion: string): Promise<string> {
    const { idp, resourceAs, scopes, scopeDelimiter } = this.#exchange;
    const scope = scopes.length === 0 ? {} : { scope: scopes.join(scopeDelimiter) };
    const resource = resourceAs.resource === null ? {} : { resource: resourceAs.resource };
    const idJag = await this.#assertion(idp, {
      requested_token_type: ID_JAG,
      subject_token: assertion,
      subject_token_type: ID_TOKEN,
      audience: resourceAs.audience,
      ...resource,
      ...scope,
    });
    const answer = await this.#request(resourceAs, JWT_BEARER, {
      assertion: idJag.access_token,
      ...resource,
      ...scope,
    });
    if (answer.token_type !== "bearer") throw new UpstreamError("refused", "token_type_unsupported");
    const lifetime = (answer.expires_in ?? DEFAULT_LIFETIME_SECONDS) * 1000;
    const [oldest] = this.#tokens.keys();
    if (this.#tokens.size >= MAX_CACHED && oldest !== undefined) this.#tokens.delete(oldest);
    const freshUntil = this.#clock.now() + Math.max(lifetime - MARGIN_MS, lifetime / 2);
    this.#tokens.set(userId, { accessToken: answer.access_token, freshUntil });
    return answer.access_token;
  }

  /** The provider may have ended the user's session before the assertion's own end: then only a new sign-in helps. */
  async #assertion(
    idp: IdJagExchange["idp"],
    parameters: Record<string, string>,
  ): Promise<oauth.TokenEndpointResponse> {
    try {
      return await this.#request(idp, TOKEN_EXCHANGE, parameters);
    } catch (error) {
      const refusal = error instanceof UpstreamError ? error.cause : null;
      const ended = refusal instanceof oauth.ResponseBodyError && SESSION_ENDED.includes(refusal.error);
      throw ended ? new UpstreamError("denied", "id_jag_assertion_refused", { cause: error }) : error;
    }
  }

  async #request(
    at: { readonly tokenUrl: string; readonly clientAuth: ExchangeClientAuth },
    grantType: string,
    parameters: Record<string, string>,
  ): Promise<oauth.TokenEndpointResponse> {
    const server: oauth.AuthorizationServer = {
      issuer: new URL(at.tokenUrl).origin,
      token_endpoint: at.tokenUrl,
    };
    const client: oauth.Client = { client_id: at.clientAuth.clientId };
    let answer: Response;
    try {
      answer = await oauth.genericTokenEndpointRequest(
        server,
        client,
        await authentication(at),
        grantType,
        parameters,
        {
          [oauth.customFetch]: libraryFetch(this.#fetch),
          [oauth.allowInsecureRequests]: at.tokenUrl.startsWith("http:"),
        },
      );
    } catch (cause) {
      throw new UpstreamError("unavailable", "id_jag_unreachable", { cause });
    }
    if (answer.status >= 500 || answer.status === 429) {
      throw new UpstreamError("unavailable", "id_jag_status");
    }
    try {
      // RFC 8693 §2.2.1: an ID-JAG is no access token, and so its type is N_A.
      const read = await oauth.processGenericTokenEndpointResponse(
        server,
        client,
        await usableAnswer(answer),
        {
          recognizedTokenTypes: { n_a: () => {} },
        },
      );
      if (TOKEN.test(read.access_token)) return read;
    } catch (cause) {
      throw new UpstreamError("refused", "id_jag_refused", { cause });
    }
    throw new UpstreamError("refused", "token_malformed");
  }
}

async function authentication(
  at: { readonly tokenUrl: string; readonly clientAuth: ExchangeClientAuth },
): Promise<oauth.ClientAuth> {
  const { clientAuth } = at;
  switch (clientAuth.method) {
    case "client_secret_basic":
      return oauth.ClientSecretBasic(clientAuth.clientSecret.reveal());
    case "client_secret_post":
      return oauth.ClientSecretPost(clientAuth.clientSecret.reveal());
    case "private_key_jwt": {
      const key = await importPKCS8(clientAuth.privateKeyPem.reveal(), clientAuth.algorithm);
      const named = clientAuth.keyId === null ? key : { key, kid: clientAuth.keyId };
      return oauth.PrivateKeyJwt(named, {
        [oauth.modifyAssertion](_header, payload) {
          payload.aud = clientAuth.audience ?? at.tokenUrl;
          payload.exp = Number(payload.iat) + clientAuth.expiresInSeconds;
        },
      });
    }
  }
}
