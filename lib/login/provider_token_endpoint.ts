/** Requests to the identity provider's token endpoint, by oauth4webapi; what the answers mean is decided elsewhere. */
import * as oauth from "@panva/oauth4webapi";
import { type Fetch, libraryFetch } from "../http/outbound_fetch.ts";
import { LoginError } from "./login_error.ts";
import type { OidcSettings } from "./oidc_settings.ts";
import type { ProviderMetadataSource } from "./provider_metadata.ts";

/** The token endpoint of one provider. */
export class ProviderTokenEndpoint {
  readonly #settings: OidcSettings;
  readonly #metadata: ProviderMetadataSource;
  readonly #fetch: Fetch;

  constructor(
    parts: {
      readonly settings: OidcSettings;
      readonly metadata: ProviderMetadataSource;
      readonly fetch: Fetch;
    },
  ) {
    this.#settings = parts.settings;
    this.#metadata = parts.metadata;
    this.#fetch = parts.fetch;
  }

  /** The answer to a code, as JSON that nobody has judged yet. @throws {LoginError} */
  async exchangeCode(
    response: URLSearchParams,
    codeVerifier: string,
    redirectUri: string,
  ): Promise<Record<string, unknown>> {
    const verifier = this.#settings.pkce === "S256" ? codeVerifier : oauth.nopkce;
    return await this.#ask(async (server, authentication) =>
      await oauth.authorizationCodeGrantRequest(
        server,
        clientOf(this.#settings),
        authentication,
        response,
        redirectUri,
        verifier,
        this.#options(),
      )
    );
  }

  /** The answer to a refresh token, likewise. @throws {LoginError} `refresh_token_refused` if it is over */
  async refresh(refreshToken: string): Promise<Record<string, unknown>> {
    return await this.#ask(
      async (server, authentication) =>
        await oauth.refreshTokenGrantRequest(
          server,
          clientOf(this.#settings),
          authentication,
          refreshToken,
          this.#options(),
        ),
      async (answer) =>
        await errorOf(answer) === "invalid_grant" ? "refresh_token_refused" : "refresh_refused",
    );
  }

  async #ask(
    request: (server: oauth.AuthorizationServer, authentication: oauth.ClientAuth) => Promise<Response>,
    refusal: (answer: Response) => string | Promise<string> = () => "code_exchange_refused",
  ): Promise<Record<string, unknown>> {
    const { clientSecret, tokenEndpointAuthMethod } = this.#settings;
    const { authMethod, sendsIss } = await this.#metadata.get();
    const post = (tokenEndpointAuthMethod ?? authMethod) === "client_secret_post";
    const authentication = post ? oauth.ClientSecretPost : oauth.ClientSecretBasic;
    let answer: Response;
    try {
      answer = await request(serverOf(this.#settings, sendsIss), authentication(clientSecret.reveal()));
    } catch (error) {
      throw new LoginError("unavailable", "provider_unreachable", { cause: error });
    }
    return await readTokens(answer, refusal);
  }

  #options() {
    return {
      [oauth.customFetch]: libraryFetch(this.#fetch),
      [oauth.allowInsecureRequests]: this.#settings.tokenUrl.startsWith("http:"),
    };
  }
}

/** The provider as oauth4webapi takes it. */
export function serverOf(settings: OidcSettings, sendsIss: boolean): oauth.AuthorizationServer {
  const { issuer, tokenUrl, authorizationUrl, jwksUrl } = settings;
  return {
    issuer,
    authorization_endpoint: authorizationUrl,
    token_endpoint: tokenUrl,
    jwks_uri: jwksUrl,
    authorization_response_iss_parameter_supported: sendsIss,
  };
}

/** The gateway as the provider's client. */
export function clientOf({ clientId }: OidcSettings): oauth.Client {
  return { client_id: clientId };
}

async function readTokens(
  answer: Response,
  refusal: (answer: Response) => string | Promise<string>,
): Promise<Record<string, unknown>> {
  if (answer.status >= 500 || answer.status === 429) throw new LoginError("unavailable", "provider_error");
  if (answer.status !== 200) throw new LoginError("refused", await refusal(answer));
  try {
    const body: unknown = await answer.json();
    if (typeof body === "object" && body !== null) return { ...body };
  } catch {
    // No JSON: the same as JSON of another shape.
  }
  throw new LoginError("refused", "token_response_malformed");
}

/** The RFC's code for what went wrong, if the answer has one. */
async function errorOf(answer: Response): Promise<unknown> {
  const body: unknown = await answer.json().catch(() => null);
  return typeof body === "object" && body !== null && "error" in body ? body.error : null;
}
