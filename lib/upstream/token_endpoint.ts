/** Requests to the upstream's token endpoint, and what its answers are worth (RFC 6749 §4.1.3, §6; RFC 8707). */
import * as oauth from "@panva/oauth4webapi";
import { type Fetch, libraryFetch } from "../http/outbound_fetch.ts";
import type { ConnectRecord, UpstreamClient, UpstreamServer } from "../store/upstream_schema.ts";
import { boundedScopes } from "./scope_list.ts";
import { usableAnswer } from "./token_answer.ts";
import type { KnownClients } from "./known_clients.ts";
import type { SigningKey } from "./signing_key.ts";
import { UpstreamError, type UpstreamFaultKind } from "./upstream_error.ts";

const MAX_TOKEN_LENGTH = 16_384;
const MAX_LIFETIME_SECONDS = 366 * 86_400;
/** What may stand in a header: no spaces, no line breaks. */
const TOKEN = /^[\x21-\x7e]+$/;

/** What requests are made with. */
export interface TokenEndpointParts {
  readonly fetch: Fetch;
  readonly signingKey: () => Promise<SigningKey>;
  readonly knownClients: KnownClients;
}

/** Tokens that are fit to be stored. */
export interface UpstreamTokens {
  readonly accessToken: string;
  readonly refreshToken: string | null;
  /** `null`: the server did not say, so it is what was asked for. */
  readonly scope: readonly string[] | null;
  /** Seconds; `null`: the server did not say. */
  readonly expiresIn: number | null;
}

/** The server's error code in answer to a token request. */
export class TokenRefusedError extends Error {
  override readonly name = "TokenRefusedError";
  readonly code: string;

  constructor(code: string, options: { cause?: unknown } = {}) {
    super("The upstream's token endpoint refused the request.", options);
    // It goes into the log, where nothing of the server's own making belongs.
    this.code = /^\w{1,48}$/.test(code) ? code : "malformed";
  }
}

/** Checks the authorization response: `state`, and `iss` by the recorded issuer, before anything else. @throws {UpstreamError} */
export function checkAuthorizationResponse(
  params: URLSearchParams,
  connect: ConnectRecord,
  state: string,
): URLSearchParams {
  // RFC 6749 §3.1: which of two would count is nobody's guess. And an empty `iss` names another server than ours.
  if (new Set(params.keys()).size !== params.size || params.get("iss") === "") {
    throw new UpstreamError("forged", "authorization_response_malformed");
  }
  try {
    return oauth.validateAuthResponse(serverOf(connect.server), clientOf(connect.client), params, state);
  } catch (cause) {
    if (cause instanceof oauth.AuthorizationResponseError) throw refusal(cause);
    throw new UpstreamError("forged", "authorization_response_refused", { cause });
  }
}

/** Who can mend what the server answered in place of a code (RFC 6749 §4.1.2.1; RFC 8707 §2); all else is for the user. */
const REFUSALS: ReadonlyMap<string, UpstreamFaultKind> = new Map([
  ["server_error", "unavailable"],
  ["temporarily_unavailable", "unavailable"],
  ["invalid_request", "refused"],
  ["invalid_scope", "refused"],
  ["invalid_target", "refused"],
  ["unauthorized_client", "refused"],
  ["unsupported_response_type", "refused"],
]);

function refusal(cause: oauth.AuthorizationResponseError): UpstreamError {
  // It goes into the log, where nothing of the server's own making belongs.
  const code = /^\w{1,48}$/.test(cause.error) ? cause.error : "denied";
  return new UpstreamError(REFUSALS.get(code) ?? "denied", `upstream_${code}`, { cause });
}

/** Exchanges a code. @throws {UpstreamError} @throws {TokenRefusedError} */
export async function exchangeCode(
  parts: TokenEndpointParts,
  connect: ConnectRecord,
  response: URLSearchParams,
): Promise<UpstreamTokens> {
  const { server, client, redirectUri, codeVerifier, resource, scope } = connect;
  const [as, oauthClient] = [serverOf(server), clientOf(client)];
  const answer = await send(async () =>
    await oauth.authorizationCodeGrantRequest(
      as,
      oauthClient,
      await authentication(parts, client),
      response,
      redirectUri,
      codeVerifier,
      {
        ...requestOptions(parts, server),
        additionalParameters: resource === null ? {} : { resource },
      },
    )
  );
  return fit(await read(() => oauth.processGenericTokenEndpointResponse(as, oauthClient, answer)), scope);
}

/** Uses a refresh token. @throws {UpstreamError} @throws {TokenRefusedError} */
export async function refreshTokens(
  parts: TokenEndpointParts,
  connection: {
    readonly server: UpstreamServer;
    readonly client: UpstreamClient;
    readonly resource: string | null;
    readonly refreshToken: string;
    readonly scope: readonly string[] | null;
  },
): Promise<UpstreamTokens> {
  const { server, client, resource, refreshToken, scope } = connection;
  const [as, oauthClient] = [serverOf(server), clientOf(client)];
  const answer = await send(async () =>
    await oauth.refreshTokenGrantRequest(as, oauthClient, await authentication(parts, client), refreshToken, {
      ...requestOptions(parts, server),
      additionalParameters: resource === null ? {} : { resource },
    })
  );
  return fit(await read(() => oauth.processGenericTokenEndpointResponse(as, oauthClient, answer)), scope);
}

/** Revokes a token (RFC 7009), where the server can; failing is no reason to keep the connection. */
export async function revokeToken(
  parts: TokenEndpointParts,
  connection: { readonly server: UpstreamServer; readonly client: UpstreamClient },
  token: string,
): Promise<boolean> {
  const { server, client } = connection;
  if (server.revocationEndpoint === null) return false;
  try {
    const answer = await oauth.revocationRequest(
      serverOf(server),
      clientOf(client),
      await authentication(parts, client),
      token,
      requestOptions(parts, server),
    );
    return answer.status === 200;
  } catch {
    return false;
  }
}

/** The server as oauth4webapi takes it. */
export function serverOf(server: UpstreamServer): oauth.AuthorizationServer {
  return {
    issuer: server.issuer,
    authorization_endpoint: server.authorizationEndpoint,
    token_endpoint: server.tokenEndpoint,
    ...(server.registrationEndpoint === null ? {} : { registration_endpoint: server.registrationEndpoint }),
    ...(server.revocationEndpoint === null ? {} : { revocation_endpoint: server.revocationEndpoint }),
    authorization_response_iss_parameter_supported: server.sendsIss,
  };
}

/** Options of every oauth4webapi request to this server. */
export function requestOptions(parts: Pick<TokenEndpointParts, "fetch">, server: UpstreamServer) {
  return {
    [oauth.customFetch]: libraryFetch(parts.fetch),
    // Metadata with plain http is refused beforehand, off loopback.
    [oauth.allowInsecureRequests]: server.tokenEndpoint.startsWith("http:"),
  };
}

function clientOf(client: UpstreamClient): oauth.Client {
  return { client_id: client.clientId };
}

async function authentication(parts: TokenEndpointParts, client: UpstreamClient): Promise<oauth.ClientAuth> {
  switch (client.authMethod) {
    case "client_secret_basic":
      return basic(client.clientSecret ?? "");
    case "client_secret_post":
      return oauth.ClientSecretPost(client.clientSecret ?? "");
    case "private_key_jwt": {
      const { key, keyId } = await parts.signingKey();
      return oauth.PrivateKeyJwt({ key, kid: keyId });
    }
    case "none":
      return oauth.None();
  }
}

/** RFC 6749 §2.3.1; unlike the library's it leaves alone what form encoding does, since many servers compare without decoding. */
function basic(secret: string): oauth.ClientAuth {
  return (_server, client, _body, headers) => {
    const credentials = `${formEncoded(client.client_id)}:${formEncoded(secret)}`;
    headers.set("authorization", `Basic ${btoa(credentials)}`);
  };
}

function formEncoded(text: string): string {
  return new URLSearchParams({ "": text }).toString().slice(1);
}

async function send(request: () => Promise<Response>): Promise<Response> {
  let answer: Response;
  try {
    answer = await request();
  } catch (cause) {
    throw new UpstreamError("unavailable", "token_endpoint_unreachable", { cause });
  }
  if (answer.status >= 500 || answer.status === 429) {
    throw new UpstreamError("unavailable", "token_endpoint_status", {
      retryAfterMs: retryAfterMs(answer.headers),
    });
  }
  return await usableAnswer(answer);
}

/** RFC 9110 §10.2.3: seconds, or a date, which counts from the answer's own `Date`, since clocks differ. */
function retryAfterMs(headers: Headers): number | null {
  const value = headers.get("retry-after") ?? "";
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const ms = Date.parse(value) - Date.parse(headers.get("date") ?? "");
  return Number.isFinite(ms) && ms > 0 ? ms : null;
}

async function read(
  process: () => Promise<oauth.TokenEndpointResponse>,
): Promise<oauth.TokenEndpointResponse> {
  try {
    return await process();
  } catch (cause) {
    if (cause instanceof oauth.ResponseBodyError) throw new TokenRefusedError(cause.error, { cause });
    // A 401 with a challenge carries its code in the body all the same (RFC 6749 §5.2); without one it may be anybody's on the way.
    if (cause instanceof oauth.WWWAuthenticateChallengeError) {
      const code = await errorOf(cause.response);
      if (code !== null) throw new TokenRefusedError(code, { cause });
      throw new UpstreamError("unavailable", "token_endpoint_status", { cause });
    }
    throw new UpstreamError("refused", "token_response_refused", { cause });
  }
}

async function errorOf(response: Response): Promise<string | null> {
  const body: unknown = await response.json().catch(() => null);
  const code: unknown = typeof body === "object" && body !== null && "error" in body ? body.error : null;
  return typeof code === "string" ? code : null;
}

/** Takes nothing that could not go into a header, and no more scope than was asked for. */
function fit(answer: oauth.TokenEndpointResponse, asked: readonly string[] | null): UpstreamTokens {
  const {
    access_token: accessToken,
    refresh_token: refreshToken,
    expires_in: expiresIn,
    scope,
    token_type: type,
  } = answer;
  if (type !== "bearer") throw new UpstreamError("refused", "token_type_unsupported");
  if (!isToken(accessToken) || (refreshToken !== undefined && !isToken(refreshToken))) {
    throw new UpstreamError("refused", "token_malformed");
  }
  const granted = scope === undefined ? null : scope.split(/[ ,]+/).filter((each) => each !== "");
  // What was asked for has been cut to what a row takes; what a server adds to no question has not.
  const kept = granted && (asked === null ? granted : granted.filter((each) => asked.includes(each)));
  return {
    accessToken,
    refreshToken: refreshToken ?? null,
    scope: kept && (asked === null ? boundedScopes(kept) : [...new Set(kept)]),
    // Servers are seen that say 0 for a token that does not expire; one that was dead on arrival would be refused soon enough.
    expiresIn: expiresIn === undefined || expiresIn === 0 ? null : Math.min(expiresIn, MAX_LIFETIME_SECONDS),
  };
}

function isToken(text: string): boolean {
  return text.length <= MAX_TOKEN_LENGTH && TOKEN.test(text);
}
