/** The downstream OAuth flow in steps, for tests that bend one of them. */
import { createHash } from "node:crypto";
import type { HeadlessBrowser } from "./browser.ts";

/** Whoever can be asked: a harness, or a gateway process. */
export interface Askable {
  readonly origin: string;
  readonly fetch: (url: string | URL, init?: RequestInit) => Promise<Response>;
  readonly browser: () => HeadlessBrowser;
}

/** A code verifier that is long enough, and its S256 challenge. */
export const VERIFIER = "verifier-0123456789-0123456789-0123456789-abc";
/** The challenge of {@linkcode VERIFIER}. */
export const CHALLENGE: string = createHash("sha256").update(VERIFIER).digest("base64url");

/** The client's redirect URI where a test does not care. */
export const REDIRECT_URI = "https://client.example/callback";

/** A registered client. */
export interface TestClient {
  readonly clientId: string;
  readonly clientSecret: string | null;
  readonly redirectUri: string;
  readonly registration: Readonly<Record<string, unknown>>;
}

/** Tokens as the token endpoint answered them. */
export interface TestTokens {
  readonly access_token: string;
  readonly refresh_token: string;
  readonly expires_in: number;
  readonly scope: string;
  readonly resource: string;
}

/** Registers a public client, or one with the given metadata. Throws if it is refused. */
export async function registerClient(
  gateway: Askable,
  metadata: Readonly<Record<string, unknown>> = {},
): Promise<TestClient> {
  const response = await postJson(gateway, "/oauth/register", {
    client_name: "Test client",
    redirect_uris: [REDIRECT_URI],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
    ...metadata,
  });
  const registration = await response.json();
  if (response.status !== 201) {
    throw new Error(`Registration: ${response.status} ${JSON.stringify(registration)}`);
  }
  return {
    clientId: registration.client_id,
    clientSecret: registration.client_secret ?? null,
    redirectUri: registration.redirect_uris[0],
    registration,
  };
}

/** The URL of an authorization request; `null` leaves a parameter out, a list repeats it. */
export function authorizeUrl(
  gateway: Pick<Askable, "origin">,
  client: TestClient,
  changes: Readonly<Record<string, string | readonly string[] | null>> = {},
  path = "/oauth/authorize",
): URL {
  const url = new URL(path, gateway.origin);
  const parameters: Record<string, string | readonly string[] | null> = {
    response_type: "code",
    client_id: client.clientId,
    redirect_uri: client.redirectUri,
    state: "state-of-the-client",
    code_challenge: CHALLENGE,
    code_challenge_method: "S256",
    scope: "mcp:tools",
    resource: `${gateway.origin}/alpha`,
    ...changes,
  };
  for (const [name, value] of Object.entries(parameters)) {
    for (const each of value === null ? [] : typeof value === "string" ? [value] : value) {
      url.searchParams.append(name, each);
    }
  }
  return url;
}

/** Signs in, approves, and returns the code. */
export async function obtainCode(
  gateway: Askable,
  client: TestClient,
  options: {
    readonly browser?: HeadlessBrowser;
    readonly changes?: Parameters<typeof authorizeUrl>[2];
    readonly user?: string;
  } = {},
): Promise<string> {
  const browser = options.browser ?? gateway.browser();
  const end = await browser.signInAndApprove(
    authorizeUrl(gateway, client, options.changes),
    options.user === undefined ? {} : { user: options.user },
  );
  const code = end.searchParams.get("code");
  if (code === null) throw new Error(`No code: ${end}`);
  return code;
}

/** Posts a form to an endpoint; `null` leaves a parameter out, a list repeats it. */
export async function postForm(
  gateway: Pick<Askable, "fetch">,
  path: string,
  parameters: Readonly<Record<string, string | readonly string[] | null>>,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const body = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const each of value === null ? [] : typeof value === "string" ? [value] : value) {
      body.append(name, each);
    }
  }
  return await gateway.fetch(path, {
    method: "POST",
    body: body.toString(),
    headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
  });
}

/** Posts JSON to an endpoint. */
export async function postJson(
  gateway: Pick<Askable, "fetch">,
  path: string,
  body: unknown,
): Promise<Response> {
  return await gateway.fetch(path, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json" },
  });
}

/** The parameters of a right code redemption, with changes. */
export function redemption(
  client: TestClient,
  code: string,
  changes: Readonly<Record<string, string | readonly string[] | null>> = {},
): Record<string, string | readonly string[] | null> {
  return {
    grant_type: "authorization_code",
    client_id: client.clientId,
    ...(client.clientSecret === null ? {} : { client_secret: client.clientSecret }),
    code,
    redirect_uri: client.redirectUri,
    code_verifier: VERIFIER,
    ...changes,
  };
}

/** Redeems a code. */
export function redeem(
  gateway: Pick<Askable, "fetch">,
  client: TestClient,
  code: string,
  changes: Readonly<Record<string, string | readonly string[] | null>> = {},
): Promise<Response> {
  return postForm(gateway, "/oauth/token", redemption(client, code, changes));
}

/** Uses a refresh token. */
export function refresh(
  gateway: Pick<Askable, "fetch">,
  client: TestClient,
  refreshToken: string,
  changes: Readonly<Record<string, string | readonly string[] | null>> = {},
): Promise<Response> {
  return postForm(gateway, "/oauth/token", {
    grant_type: "refresh_token",
    client_id: client.clientId,
    ...(client.clientSecret === null ? {} : { client_secret: client.clientSecret }),
    refresh_token: refreshToken,
    ...changes,
  });
}

/** The whole flow: tokens of a new grant. */
export async function obtainTokens(
  gateway: Askable,
  client: TestClient,
  options: Parameters<typeof obtainCode>[2] = {},
): Promise<TestTokens> {
  const response = await redeem(gateway, client, await obtainCode(gateway, client, options));
  const tokens = await response.json();
  if (response.status !== 200) throw new Error(`Token: ${response.status} ${JSON.stringify(tokens)}`);
  return tokens;
}

/** Calls a route with a JSON-RPC message; `token` `null` sends no `Authorization`. */
export function callMcp(
  gateway: Pick<Askable, "fetch">,
  path: string,
  token: string | null,
  options: {
    readonly message?: unknown;
    readonly headers?: Readonly<Record<string, string>>;
    readonly method?: string;
  } = {},
): Promise<Response> {
  const method = options.method ?? "POST";
  const message = options.message ??
    { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "echo", arguments: {} } };
  return gateway.fetch(path, {
    method,
    ...(method === "POST" ? { body: typeof message === "string" ? message : JSON.stringify(message) } : {}),
    headers: {
      ...(method === "POST" ? { "content-type": "application/json" } : {}),
      accept: "application/json, text/event-stream",
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...options.headers,
    },
  });
}
