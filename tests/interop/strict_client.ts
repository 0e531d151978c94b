/** `oauth4webapi`, the strictest client there is, pointed at a gateway in this process: every answer has to survive its checks. */
import assert from "node:assert/strict";
import * as oauth from "@panva/oauth4webapi";
import { FakeClock } from "../support/fake_clock.ts";
import { type Harness, type HarnessOptions, startHarness } from "../support/harness.ts";

/** Where the strict client wants its codes. */
export const REDIRECT_URI = "https://client.example/callback";
/** The resource that it asks for. */
export const RESOURCE = "http://127.0.0.1:9000/alpha";

/** How a client authenticates, and as whom. */
export interface Registered {
  readonly client: oauth.Client;
  readonly auth: oauth.ClientAuth;
}

/** What may be bent between the authorization request and the code's redemption. */
export interface FlowChanges {
  readonly authorize?: Readonly<Record<string, string | null>>;
  /** Changes the callback before it is validated. */
  readonly callback?: (url: URL) => void;
  readonly verifier?: string;
  readonly redirectUri?: string;
  readonly token?: Readonly<Record<string, string>>;
  readonly auth?: oauth.ClientAuth;
  readonly client?: oauth.Client;
}

type CustomFetch = (
  url: string,
  init: oauth.CustomFetchOptions<string, oauth.ProtectedResourceRequestBody>,
) => Promise<Response>;

/** A strict client and its gateway. */
export class StrictClient implements AsyncDisposable {
  readonly gateway: Harness;
  readonly options: {
    readonly [oauth.customFetch]: CustomFetch;
    readonly [oauth.allowInsecureRequests]: true;
  };

  private constructor(gateway: Harness) {
    this.gateway = gateway;
    this.options = {
      // Its options are a RequestInit in all but a body that may be undefined.
      [oauth.customFetch]: (url, init) => gateway.fetch(url, init as RequestInit),
      [oauth.allowInsecureRequests]: true,
    };
  }

  /** Starts the gateway; its clock starts at the real time, since the library signs with that. */
  static async start(options: HarnessOptions = {}): Promise<StrictClient> {
    return new StrictClient(await startHarness({ clock: new FakeClock(Date.now()), ...options }));
  }

  /** Discovery of an issuer by one of its two documents. */
  async discover(issuer = this.gateway.origin, algorithm: "oauth2" | "oidc" = "oauth2") {
    const url = new URL(issuer);
    return await oauth.processDiscoveryResponse(
      url,
      await oauth.discoveryRequest(url, { ...this.options, algorithm }),
    );
  }

  /** Dynamic registration. */
  async register(metadata: Partial<oauth.Client> = {}): Promise<Registered> {
    const response = await oauth.dynamicClientRegistrationRequest(await this.discover(), {
      client_name: "Strict client",
      redirect_uris: [REDIRECT_URI],
      token_endpoint_auth_method: "none",
      ...metadata,
    }, this.options);
    const client = await oauth.processDynamicClientRegistrationResponse(response);
    const secret = typeof client.client_secret === "string" ? client.client_secret : null;
    return { client, auth: secret === null ? oauth.None() : oauth.ClientSecretBasic(secret) };
  }

  /** The authorization request and the user's approval, up to the validated response. */
  async authorize(
    { client }: Registered,
    as: oauth.AuthorizationServer,
    changes: FlowChanges = {},
  ): Promise<{ readonly params: URLSearchParams; readonly verifier: string }> {
    const verifier = oauth.generateRandomCodeVerifier();
    const state = oauth.generateRandomState();
    const url = new URL(as.authorization_endpoint ?? "");
    const parameters: Record<string, string | null> = {
      client_id: client.client_id,
      response_type: "code",
      redirect_uri: REDIRECT_URI,
      resource: RESOURCE,
      scope: "mcp:tools",
      state,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
      ...changes.authorize,
    };
    for (const [name, value] of Object.entries(parameters)) {
      if (value !== null) url.searchParams.set(name, value);
    }
    const callback = await this.gateway.browser().signInAndApprove(url, {
      stopAt: (address) => address.href.startsWith(REDIRECT_URI),
    });
    changes.callback?.(callback);
    return { params: oauth.validateAuthResponse(as, client, callback, state), verifier };
  }

  /** The whole flow to processed tokens. */
  async tokens(registered: Registered, changes: FlowChanges = {}, as?: oauth.AuthorizationServer) {
    const server = as ?? await this.discover();
    const { params, verifier } = await this.authorize(registered, server, changes);
    return await this.redeem(registered, server, params, { verifier, ...changes });
  }

  /** Redeems a validated response. */
  async redeem(
    registered: Registered,
    as: oauth.AuthorizationServer,
    params: URLSearchParams,
    changes: FlowChanges,
  ) {
    const client = changes.client ?? registered.client;
    const response = await oauth.authorizationCodeGrantRequest(
      as,
      client,
      changes.auth ?? registered.auth,
      params,
      changes.redirectUri ?? REDIRECT_URI,
      changes.verifier ?? "",
      { ...this.options, additionalParameters: { ...changes.token } },
    );
    return await oauth.processAuthorizationCodeResponse(as, client, response);
  }

  /** Refreshes. */
  async refresh(
    registered: Registered,
    refreshToken: string,
    changes: Pick<FlowChanges, "token" | "auth"> = {},
  ) {
    const as = await this.discover();
    const { client, auth } = registered;
    const response = await oauth.refreshTokenGrantRequest(as, client, changes.auth ?? auth, refreshToken, {
      ...this.options,
      additionalParameters: { ...changes.token },
    });
    return await oauth.processRefreshTokenResponse(as, client, response);
  }

  /** Revokes. */
  async revoke({ client, auth }: Registered, token: string, hint?: string): Promise<void> {
    const response = await oauth.revocationRequest(await this.discover(), client, auth, token, {
      ...this.options,
      additionalParameters: hint === undefined ? {} : { token_type_hint: hint },
    });
    await oauth.processRevocationResponse(response);
  }

  /** Calls a route; the status, or what the library threw. */
  async call(accessToken: string, url = RESOURCE): Promise<number> {
    const headers = new Headers({
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    });
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" });
    const response = await oauth.protectedResourceRequest(
      accessToken,
      "POST",
      new URL(url),
      headers,
      body,
      this.options,
    );
    await response.body?.cancel();
    return response.status;
  }

  /** Ends the gateway. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway[Symbol.asyncDispose]();
  }
}

/** The token or registration endpoint refused with this RFC error, in a form that the library can read. */
export async function refuses(step: Promise<unknown>, error: string, status = 400): Promise<void> {
  await assert.rejects(step, (thrown) => {
    assert.ok(thrown instanceof oauth.ResponseBodyError, String(thrown));
    assert.deepEqual([thrown.error, thrown.status], [error, status]);
    assert.equal(typeof thrown.error_description, "string");
    return true;
  });
}

/** The authorization endpoint sent the error back to the client, validly. */
export async function sendsBack(step: Promise<unknown>, error: string): Promise<void> {
  await assert.rejects(step, (thrown) => {
    assert.ok(thrown instanceof oauth.AuthorizationResponseError, String(thrown));
    assert.equal(thrown.error, error);
    return true;
  });
}

/** The library refused to go on by itself. */
export async function clientRefuses(step: Promise<unknown>, message: RegExp): Promise<void> {
  await assert.rejects(step, (thrown) => {
    assert.ok(
      thrown instanceof oauth.OperationProcessingError || thrown instanceof TypeError,
      String(thrown),
    );
    assert.match(thrown.message, message);
    return true;
  });
}

/** The route answered 401 with a challenge that parses. */
export async function challenges(step: Promise<unknown>, error: string | null): Promise<void> {
  await assert.rejects(step, (thrown) => {
    assert.ok(thrown instanceof oauth.WWWAuthenticateChallengeError, String(thrown));
    const [challenge, ...more] = thrown.cause;
    assert.equal(more.length, 0);
    assert.equal(challenge?.scheme, "bearer");
    assert.equal(challenge?.parameters.error ?? null, error);
    assert.match(
      challenge?.parameters.resource_metadata ?? "",
      /^http:\/\/127\.0\.0\.1:9000\/\.well-known\//,
    );
    return true;
  });
}

/** The parts that most rows share, made once. */
export interface Stage {
  readonly it: StrictClient;
  readonly as: oauth.AuthorizationServer;
  readonly open: Registered;
  readonly secret: Registered;
  readonly other: Registered;
}

/** One line of a table. */
export type Row = readonly [what: string, check: (stage: Stage) => Promise<unknown> | void];

/** The gateway of the tables. */
export const ORIGIN = "http://127.0.0.1:9000";

/** The library reads a 401 with a challenge as one. */
export async function challengesBasic(step: Promise<unknown>): Promise<void> {
  await assert.rejects(step, (thrown) => {
    assert.ok(thrown instanceof oauth.WWWAuthenticateChallengeError, String(thrown));
    assert.deepEqual([thrown.status, thrown.cause[0]?.scheme], [401, "basic"]);
    return true;
  });
}
