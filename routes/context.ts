/** What every endpoint is given beside the request: made once at the edge, before the router. */
import type { AccessTokenVerifier } from "../lib/authorization_server/access_token.ts";
import type { ClientSources } from "../lib/authorization_server/client.ts";
import type { ClientKeys } from "../lib/authorization_server/client_assertion.ts";
import type { Gateway } from "../lib/gateway/gateway.ts";
import type { IdentityProvider } from "../lib/login/identity_provider.ts";
import type { UserCache } from "../lib/login/user_cache.ts";
import type { RateLimiter } from "../lib/observability/rate_limiter.ts";
import type { Deadlines } from "../lib/runtime/deadlines.ts";
import type { Services } from "../lib/services.ts";
import type { UpstreamConnections } from "./upstream_connections.ts";

/** The request target, cut from the raw URL: nothing is decoded or normalised, so a path is what was sent. */
export interface RequestTarget {
  readonly host: string;
  readonly path: string;
  /** With its question mark, or empty. */
  readonly search: string;
}

/** Facts of one request that its headers alone do not tell. */
export interface RequestContext {
  readonly requestId: string;
  readonly target: RequestTarget;
  /** Our own origin for this request. */
  readonly origin: string;
  /** IP address of the peer that connected. */
  readonly peer: string;
  /** The address that quotas count for. */
  readonly address: string;
  /** Tells when the answer has been sent. */
  readonly delivery: Delivery;
}

/** The sending of an answer. */
export interface Delivery {
  /** Resolves when the answer has been sent, rejects when its receiver is gone. Read it only if you need it: it costs. */
  readonly completed: Promise<void>;
}

/** The environment of the Hono router: `c.env` is the request's context. */
export type Env = { Bindings: RequestContext };

/** What endpoints are built from. */
export interface Deployment {
  readonly services: Services;
  readonly gateway: Gateway;
  readonly verifier: AccessTokenVerifier;
  readonly deadlines: Deadlines;
  readonly clientSources: ClientSources;
  readonly clientKeys: ClientKeys;
  readonly upstreams: UpstreamConnections;
  /** Who the users are, for rules that look at them. */
  readonly users: UserCache;
  /** `null`: the local login. */
  readonly identityProvider: IdentityProvider | null;
  /** How many logins may begin: each leaves a row, whichever page it begins at. */
  readonly loginStarts: Quota;
}

/** A quota: for each address, and in total. */
export interface Quota {
  readonly perAddress: RateLimiter;
  /** `null`: what it leaves behind is bounded elsewhere. */
  readonly total: RateLimiter | null;
}
