/**
 * An upstream MCP server with an authorization server of its own, written for tests: challenge, protected resource metadata, metadata,
 * registration, an authorize endpoint that approves at once, short tokens with rotating refresh tokens. Every part can be bent.
 */
import { createHash } from "node:crypto";
import type { Clock } from "../../lib/runtime/clock.ts";

/** What the upstream does; a test may change it at any time. */
export interface UpstreamScript {
  /** Seconds; `null`: the answer does not say, and the token lives forever. */
  tokenSeconds: number | null;
  /** Whether refresh tokens are given out. */
  refreshTokens: boolean;
  /** Whether a refresh gives a new refresh token and ends the old one. */
  rotate: boolean;
  /** Who is signed in at the upstream. */
  account: string;
  /** `error` of the authorization response, instead of a code. */
  deny: string | null;
  /** Changes to the authorization server metadata; `null` takes a member away. */
  metadata: Readonly<Record<string, unknown>>;
  /** Changes to the protected resource metadata. */
  resourceMetadata: Readonly<Record<string, unknown>>;
  /** Changes to the authorization response; `null` takes a parameter away. */
  response: Readonly<Record<string, string | null>>;
  /** `scope` of the challenge. */
  challengeScope: string | null;
  /** Answers instead of any endpoint, the MCP endpoint too, unless it returns `null`. */
  answer: ((request: ServerRequest) => Response | null | Promise<Response | null>) | null;
  /** Answers instead of the token endpoint, unless it returns `null`. */
  token: ((form: URLSearchParams) => Response | Promise<Response | null> | null) | null;
  /** Answers instead of the MCP endpoint, for a token that is good, unless it returns `null`. */
  mcp: ((call: UpstreamCall) => Response | Promise<Response> | null) | null;
}

/** A request to the MCP endpoint that carried a good token. */
export interface UpstreamCall {
  readonly account: string;
  readonly token: string;
  readonly scope: readonly string[];
  readonly method: string;
  readonly headers: Headers;
  readonly body: string;
}

/** A request to the authorization server. */
export interface ServerRequest {
  readonly path: string;
  readonly params: URLSearchParams;
  readonly headers: Headers;
  readonly body: string;
}

interface Grant {
  readonly account: string;
  readonly clientId: string;
  readonly scope: readonly string[];
  readonly resource: string | null;
}

/** A running upstream. */
export interface UpstreamServer extends AsyncDisposable {
  readonly origin: string;
  /** The MCP endpoint, which is the resource. */
  readonly url: string;
  readonly script: UpstreamScript;
  readonly requests: readonly ServerRequest[];
  readonly calls: readonly UpstreamCall[];
  /** Authorization headers of calls that were refused. */
  readonly refused: readonly (string | null)[];
  readonly clients: ReadonlyMap<string, Readonly<Record<string, unknown>>>;
  /** Requests to one path of the authorization server. */
  at(path: string): readonly ServerRequest[];
  /** A client that was registered by hand. */
  addClient(clientId: string, metadata: Readonly<Record<string, unknown>>): void;
  /** Ends all access tokens, though the gateway's clock says that they live. */
  endAccessTokens(): void;
  /** Ends all refresh tokens: the next refresh gets `invalid_grant`. */
  endRefreshTokens(): void;
  /** Forgets all clients: everything they ask for gets `invalid_client`. */
  forgetClients(): void;
}

/** Starts an upstream; `clock` is the one that the gateway lives by. */
export function startUpstream(clock: Clock, changes: Partial<UpstreamScript> = {}): UpstreamServer {
  const script: UpstreamScript = {
    tokenSeconds: 300,
    refreshTokens: true,
    rotate: true,
    account: "account",
    deny: null,
    metadata: {},
    resourceMetadata: {},
    response: {},
    challengeScope: null,
    answer: null,
    token: null,
    mcp: null,
    ...changes,
  };
  const state = {
    requests: [] as ServerRequest[],
    calls: [] as UpstreamCall[],
    refused: [] as (string | null)[],
    clients: new Map<string, Record<string, unknown>>(),
    codes: new Map<string, Grant & { readonly challenge: string; readonly redirectUri: string }>(),
    accessTokens: new Map<string, Grant & { readonly expiresAt: number }>(),
    refreshTokens: new Map<string, Grant>(),
  };
  let serial = 0;
  const next = (prefix: string) => `${prefix}-${++serial}-${crypto.randomUUID()}`;

  const server: Deno.HttpServer<Deno.NetAddr> = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request): Promise<Response> => {
      const url = new URL(request.url);
      const body = await request.text();
      const params = request.method === "POST" ? new URLSearchParams(body) : url.searchParams;
      const asked: ServerRequest = { path: url.pathname, params, headers: request.headers, body };
      if (url.pathname !== "/mcp") state.requests.push(asked);
      const bent = await script.answer?.(asked);
      if (bent) return bent;
      if (url.pathname === "/mcp") return await mcp(request, body);
      switch (url.pathname) {
        case "/.well-known/oauth-protected-resource/mcp":
          return Response.json(
            patched({ resource: `${origin}/mcp`, authorization_servers: [origin] }, script.resourceMetadata),
          );
        case "/.well-known/oauth-authorization-server":
          return Response.json(patched(metadata(), script.metadata));
        case "/register":
          return register(body);
        case "/authorize":
          return authorize(params);
        case "/token":
          return await script.token?.(params) ?? token(params, request.headers);
        case "/revoke":
          state.refreshTokens.delete(params.get("token") ?? "");
          return new Response(null);
        default:
          return new Response("not here", { status: 404 });
      }
    },
  );
  const origin = `http://127.0.0.1:${server.addr.port}`;

  function metadata(): Record<string, unknown> {
    return {
      issuer: origin,
      authorization_endpoint: `${origin}/authorize`,
      token_endpoint: `${origin}/token`,
      registration_endpoint: `${origin}/register`,
      revocation_endpoint: `${origin}/revoke`,
      response_types_supported: ["code"],
      token_endpoint_auth_methods_supported: ["none", "client_secret_post"],
      code_challenge_methods_supported: ["S256"],
      authorization_response_iss_parameter_supported: true,
    };
  }

  function register(body: string): Response {
    const clientId = next("client");
    const client = { ...JSON.parse(body), client_id: clientId, client_secret: next("secret") };
    state.clients.set(clientId, client);
    return Response.json(client, { status: 201 });
  }

  function authorize(params: URLSearchParams): Response {
    const redirectUri = params.get("redirect_uri") ?? "";
    const client = state.clients.get(params.get("client_id") ?? "");
    const registered = client?.redirect_uris;
    if (!Array.isArray(registered) || !registered.includes(redirectUri)) {
      return new Response("<h1>Unknown client or redirect</h1>", { status: 400 });
    }
    const code = next("code");
    state.codes.set(code, {
      account: script.account,
      clientId: params.get("client_id") ?? "",
      scope: (params.get("scope") ?? "").split(" ").filter((scope) => scope !== ""),
      resource: params.get("resource"),
      challenge: params.get("code_challenge") ?? "",
      redirectUri,
    });
    const target = new URL(redirectUri);
    const answer = patched({
      ...(script.deny === null ? { code } : { error: script.deny }),
      state: params.get("state"),
      iss: origin,
    }, script.response);
    for (const [name, value] of Object.entries(answer)) target.searchParams.set(name, String(value));
    return Response.redirect(target, 302);
  }

  function token(form: URLSearchParams, headers: Headers): Response {
    const clientId = form.get("client_id") ?? basicUser(headers);
    const client = state.clients.get(clientId ?? "");
    if (
      client === undefined || (form.get("client_secret") ?? client.client_secret) !== client.client_secret
    ) {
      return Response.json({ error: "invalid_client" }, { status: 401 });
    }
    const given = form.get("refresh_token");
    const grant = given === null ? byCode(form) : state.refreshTokens.get(given);
    if (grant === undefined || grant.clientId !== clientId || grant.resource !== form.get("resource")) {
      return Response.json({ error: "invalid_grant" }, { status: 400 });
    }
    const accessToken = next("upstream-access");
    const lifetime = script.tokenSeconds;
    state.accessTokens.set(accessToken, {
      ...grant,
      expiresAt: lifetime === null ? Infinity : clock.now() + lifetime * 1000,
    });
    const renew = script.refreshTokens && (given === null || script.rotate);
    const refreshToken = renew ? next("upstream-refresh") : undefined;
    if (refreshToken !== undefined) {
      if (given !== null) state.refreshTokens.delete(given);
      state.refreshTokens.set(refreshToken, grant);
    }
    return Response.json({
      access_token: accessToken,
      token_type: "Bearer",
      ...(lifetime === null ? {} : { expires_in: lifetime }),
      ...(refreshToken === undefined ? {} : { refresh_token: refreshToken }),
      ...(grant.scope.length === 0 ? {} : { scope: grant.scope.join(" ") }),
    });
  }

  function byCode(form: URLSearchParams): Grant | undefined {
    const code = form.get("code") ?? "";
    const found = state.codes.get(code);
    state.codes.delete(code);
    const challenge = createHash("sha256").update(form.get("code_verifier") ?? "").digest("base64url");
    const fits = found?.challenge === challenge && found.redirectUri === form.get("redirect_uri");
    return fits ? found : undefined;
  }

  async function mcp(request: Request, body: string): Promise<Response> {
    const authorization = request.headers.get("authorization");
    const given = /^Bearer (.+)$/.exec(authorization ?? "")?.[1] ?? "";
    const grant = state.accessTokens.get(given);
    if (grant === undefined || grant.expiresAt <= clock.now()) {
      state.refused.push(authorization);
      return new Response(null, { status: 401, headers: { "www-authenticate": challenge() } });
    }
    const call = {
      account: grant.account,
      token: given,
      scope: grant.scope,
      method: request.method,
      headers: request.headers,
      body,
    };
    state.calls.push(call);
    return await script.mcp?.(call) ?? echo(call);
  }

  function challenge(): string {
    const scope = script.challengeScope === null ? "" : `, scope="${script.challengeScope}"`;
    return `Bearer resource_metadata="${origin}/.well-known/oauth-protected-resource/mcp"${scope}`;
  }

  return {
    origin,
    url: `${origin}/mcp`,
    script,
    ...state,
    at: (path) => state.requests.filter((request) => request.path === path),
    addClient: (clientId, client) => void state.clients.set(clientId, client),
    endAccessTokens: () => state.accessTokens.clear(),
    endRefreshTokens: () => state.refreshTokens.clear(),
    forgetClients: () => state.clients.clear(),
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** Tells the account, so that a test sees whose credential was used. `initialize` opens a session. */
function echo({ account, method, body }: UpstreamCall): Response {
  if (method !== "POST") return new Response(null, { status: method === "GET" ? 405 : 200 });
  const { id, method: called } = JSON.parse(body);
  if (id === undefined) return new Response(null, { status: 202 });
  const answer = { jsonrpc: "2.0", id, result: { content: [{ type: "text", text: account }] } };
  return Response.json(answer, called === "initialize" ? { headers: { "mcp-session-id": "session-1" } } : {});
}

function patched(
  document: Record<string, unknown>,
  changes: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries({ ...document, ...changes }).filter(([, value]) => value !== null),
  );
}

function basicUser(headers: Headers): string | null {
  const encoded = /^Basic (.+)$/.exec(headers.get("authorization") ?? "")?.[1];
  return encoded === undefined ? null : decodeURIComponent(atob(encoded).split(":")[0] ?? "");
}
