/** The credential phase of an MCP request: what the gateway authenticates with at the upstream, or what the user has to do first. */
import type { Verdict } from "../lib/authorization_server/access_token.ts";
import type { Route } from "../lib/gateway/gateway.ts";
import type { ConnectRequired, ConnectState } from "../lib/mcp/connect_required.ts";
import type { HeaderRecord } from "../lib/mcp/headers.ts";
import { JSON_RPC_CODES, JsonRpcError, type JsonRpcId } from "../lib/mcp/json_rpc.ts";
import { connectPath } from "../lib/oauth/paths.ts";
import { protectedResourceMetadataUrl } from "../lib/oauth/protected_resource_metadata.ts";
import { SCOPE } from "../lib/oauth/scope.ts";
import { bearerChallenge } from "../lib/oauth/www_authenticate.ts";
import { readChallenge } from "../lib/upstream/challenge.ts";
import type { Credential } from "../lib/upstream/credential.ts";
import { authProfileId, ownerOf } from "../lib/upstream/connection_settings.ts";
import { findPendingConnect, openPendingConnect } from "../lib/upstream/pending_connect.ts";
import { UpstreamError } from "../lib/upstream/upstream_error.ts";
import type { Deployment, RequestContext } from "./context.ts";
import { idJagCredential } from "./id_jag_credential.ts";
import { ownHeadersOf } from "./upstream.ts";
import type { UpstreamConnection } from "./upstream_connections.ts";

/** A link is handed out again to the same user for this long, so that a client that keeps trying does not pile them up. */
const PENDING_REUSE_MS = 5 * 60_000;
const MAX_REMEMBERED_LINKS = 10_000;
/** A call is sent with what is known, with what others have put in its place meanwhile, and with what it has refreshed itself; never more often. */
const MAX_SENDS = 3;

/** What a call is made with. */
export interface OwnHeaders {
  readonly kind: "headers";
  readonly headers: Readonly<HeaderRecord>;
  readonly token: string | null;
}

/** What has to happen first. */
export interface Act {
  readonly kind: "act";
  readonly required: ConnectRequired;
}

/** What a call is made with, or what has to happen first. */
export type CredentialOutcome = OwnHeaders | Act;

/** What takes the place of a refused credential. */
export interface RenewedHeaders extends OwnHeaders {
  /** Whether it was refreshed for this call; otherwise somebody else had put it there, and it may be refused as the former one was. */
  readonly refreshed: boolean;
}

/** What a call was sent with when the upstream refused it. */
export interface Refused extends Pick<RenewedHeaders, "token" | "refreshed"> {
  /** How often the call has been sent by now. */
  readonly sends: number;
}

/** Whose call it is. */
export interface Caller {
  readonly verdict: Verdict;
  readonly context: RequestContext;
  /** Of the JSON-RPC request, for errors. */
  readonly id: JsonRpcId;
}

/** The credentials of one route. */
export class RouteCredential {
  readonly #deployment: Deployment;
  readonly #route: Route;
  readonly #upstream: UpstreamConnection | null;
  /** For a route whose credential is the same for everybody. */
  readonly #fixed: OwnHeaders;
  /** What the calls with one access token were sent with last; gone with what is known of that token. */
  readonly #known = new WeakMap<Verdict, OwnHeaders>();
  readonly #links = new Map<string, { readonly id: string; readonly madeAt: number }>();

  constructor(deployment: Deployment, route: Route) {
    const { credential } = route;
    this.#deployment = deployment;
    this.#route = route;
    this.#upstream = credential.kind === "tokenExchange"
      ? deployment.upstreams.get(credential.connection.id) ?? null
      : null;
    this.#fixed = { kind: "headers", headers: ownHeadersOf(route), token: null };
  }

  /** What is known without waiting: a credential for everybody, or one of this user that was just used. `null`: {@linkcode resolve} it. */
  peek(verdict: Verdict): CredentialOutcome | null {
    const upstream = this.#upstream;
    if (upstream === null) return this.#fixed;
    const owner = ownerOf(upstream.settings, verdict.userId);
    const token = upstream.idJag === null
      ? upstream.connections.peek(owner)
      : upstream.idJag.known(owner, null);
    if (token === null) return null;
    const known = this.#known.get(verdict);
    if (known?.token === token) return known;
    const headers = this.#withToken(token);
    this.#known.set(verdict, headers);
    return headers;
  }

  #withToken(token: string): OwnHeaders {
    const headers = { ...this.#fixed.headers, authorization: `Bearer ${token}` };
    return { kind: "headers", headers, token };
  }

  /** The caller's credential. @throws {JsonRpcError} 502 if it has expired and cannot be renewed just now. */
  async resolve(caller: Caller): Promise<CredentialOutcome> {
    const upstream = this.#upstream;
    if (upstream === null) return this.#fixed;
    return await this.#outcome(upstream, caller, (owner) => this.#credentialOf(upstream, owner));
  }

  /**
   * What to do after the upstream refused a call with 401 or 403; `null`: its refusal is none that a credential could mend. What others have
   * put in the refused token's place is tried first, and is no refresh of this call's: that may follow, once. Only when what it brought is
   * refused, too, the user is asked (contract section 6).
   * @throws {JsonRpcError} 502 if the credential cannot be renewed just now
   */
  async afterRefusal(
    caller: Caller,
    { token, refreshed, sends }: Refused,
    answer: Response,
  ): Promise<RenewedHeaders | Act | null> {
    const upstream = this.#upstream;
    if (upstream === null || token === null) return null;
    if (answer.status === 403) return await this.#afterForbidden(upstream, caller, { token, sends, answer });
    if (refreshed) return await this.#afterSecondRefusal(upstream, caller);
    // Each time somebody else was quicker: what was refused is not the last word, and nothing that the user could mend.
    if (sends >= MAX_SENDS) return null;
    // Its metadata may have changed, too: the next connect looks again.
    upstream.discovery.forget();
    return await this.#outcome(
      upstream,
      caller,
      (owner) => this.#renewedCredentialOf(upstream, owner, token),
    );
  }

  async #afterForbidden(
    upstream: UpstreamConnection,
    caller: Caller,
    { token, sends, answer }: { readonly token: string; readonly sends: number; readonly answer: Response },
  ): Promise<RenewedHeaders | Act | null> {
    // No consent of a user adds to what an identity assertion is worth.
    if (upstream.idJag !== null) return null;
    const { error, scope } = readChallenge(answer.headers);
    if (error !== "insufficient_scope" || scope === null) return null;
    const owner = ownerOf(upstream.settings, caller.verdict.userId);
    const credential = await upstream.connections.needScope(owner, token, scope);
    // Another token is tried once.
    if (credential === null || (credential.kind === "ready" && sends > 1)) return null;
    return await this.#outcome(upstream, caller, () => Promise.resolve(credential));
  }

  /** After the upstream refused the refreshed credential, too (contract section 6). */
  async #afterSecondRefusal(upstream: UpstreamConnection, caller: Caller): Promise<Act | null> {
    if (upstream.idJag !== null) return null;
    const owner = ownerOf(upstream.settings, caller.verdict.userId);
    const credential = await upstream.connections.refusedAgain(owner);
    if (credential === null) return null;
    const outcome = await this.#outcome(upstream, caller, () => Promise.resolve(credential));
    return outcome.kind === "act" ? outcome : null;
  }

  #credentialOf({ connections, idJag }: UpstreamConnection, owner: string): Promise<Credential> {
    if (idJag === null) return connections.get(owner);
    return idJagCredential(this.#deployment, idJag, { userId: owner, rejected: null });
  }

  #renewedCredentialOf(
    { connections, idJag }: UpstreamConnection,
    owner: string,
    rejected: string,
  ): Promise<Credential> {
    if (idJag === null) return connections.renew(owner, rejected);
    return idJagCredential(this.#deployment, idJag, { userId: owner, rejected });
  }

  async #outcome(
    upstream: UpstreamConnection,
    caller: Caller,
    ask: (owner: string) => Promise<Credential>,
  ): Promise<RenewedHeaders | Act> {
    let credential: Credential;
    try {
      credential = await ask(ownerOf(upstream.settings, caller.verdict.userId));
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      const message =
        `The sign-in at the upstream MCP server of "${this.#route.operationId}" cannot be renewed just now. Try again later.`;
      throw new JsonRpcError(JSON_RPC_CODES.upstreamUnavailable, message, {
        status: 502,
        reason: error.reason,
        id: caller.id,
        ...(error.retryAfterMs === null
          ? {}
          : { headers: { "Retry-After": String(Math.ceil(error.retryAfterMs / 1000)) } }),
        cause: error,
      });
    }
    if (credential.kind === "ready") {
      const { accessToken, refreshed } = credential;
      return { ...this.#withToken(accessToken), refreshed };
    }
    const scope = credential.kind === "stale" ? credential.missingScope : null;
    const state: ConnectState = upstream.settings.authMode === "shared-oauth"
      ? "admin_connect_required"
      : credential.kind === "stale"
      ? "reconsent_required"
      : "authenticating";
    return { kind: "act", required: await this.#required(upstream, caller, { state, scope }) };
  }

  async #required(
    upstream: UpstreamConnection,
    { verdict, context }: Caller,
    why: { readonly state: ConnectState; readonly scope: readonly string[] | null },
  ): Promise<ConnectRequired> {
    const { gateway, services } = this.#deployment;
    const { id, displayName } = upstream.settings;
    const { operationId } = this.#route;
    services.events.emit("info", "mcp_auth_upstream_user_must_act", {
      requestId: context.requestId,
      operationId,
      upstreamServerId: id,
      subjectId: verdict.userId,
      clientId: verdict.clientId,
      reasonCode: why.state,
    });
    const pendingId = await this.#pendingId(upstream, verdict.userId, why.scope);
    return {
      state: why.state,
      displayName,
      upstreamServerId: id,
      operationId,
      authProfileId: authProfileId(upstream.settings),
      url: `${context.origin}${gateway.basePath}${connectPath(id)}?pending=${pendingId}`,
      elicitationId: pendingId,
      challenge: this.#challenge(upstream, context.origin, why.state),
    };
  }

  /** What leads a user through our own sign-in to the Connect button; nothing where there is none to press. */
  #challenge(upstream: UpstreamConnection, origin: string, state: ConnectState): string | null {
    if (upstream.idJag !== null || state === "admin_connect_required") return null;
    return bearerChallenge({
      resourceMetadata: protectedResourceMetadataUrl(origin, this.#route.path),
      scope: SCOPE,
      error: "insufficient_scope",
      description: `Connect ${upstream.settings.displayName} to continue.`,
    });
  }

  /** Names the pending operation of this user at this route. */
  async #pendingId(
    upstream: UpstreamConnection,
    userId: string,
    scope: readonly string[] | null,
  ): Promise<string> {
    const { services } = this.#deployment;
    const key = JSON.stringify([userId, scope]);
    const now = services.clock.now();
    const link = this.#links.get(key);
    const connectionId = upstream.settings.id;
    if (
      link !== undefined && now - link.madeAt < PENDING_REUSE_MS &&
      // Whoever has connected by it needs a new one, should there be need again.
      await findPendingConnect(services, link.id, { userId, connectionId }) !== null
    ) return link.id;
    const id = await openPendingConnect(services, {
      userId,
      connectionId,
      operationId: this.#route.operationId,
      scope: scope === null ? null : [...scope],
    });
    const [oldest] = this.#links.keys();
    if (this.#links.size >= MAX_REMEMBERED_LINKS && oldest !== undefined) this.#links.delete(oldest);
    this.#links.set(key, { id, madeAt: now });
    return id;
  }
}
