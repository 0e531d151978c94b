/** The route table: every path the gateway answers, in one place. */
import { Hono } from "@hono/hono";
import type { Context } from "@hono/hono";
import { AccessTokenVerifier } from "../lib/authorization_server/access_token.ts";
import type { PinnedFetchOptions } from "../lib/http/pinned_fetch.ts";
import type { Gateway } from "../lib/gateway/gateway.ts";
import { IdentityProvider } from "../lib/login/identity_provider.ts";
import { UserCache } from "../lib/login/user_cache.ts";
import { ElicitationCompletions } from "../lib/mcp/elicitation_completions.ts";
import { StreamRegistry } from "../lib/mcp/stream_registry.ts";
import { ALIASES, PATHS, WELL_KNOWN } from "../lib/oauth/paths.ts";
import { Deadlines } from "../lib/runtime/deadlines.ts";
import { Arrivals } from "../lib/runtime/in_step.ts";
import type { Services } from "../lib/services.ts";
import { account, accountDecision } from "./account.ts";
import { clientMetadata, jwks } from "./client_metadata.ts";
import { connect, connectDecision } from "./connect.ts";
import { connectCallback } from "./connect_callback.ts";
import { upstreamConnections } from "./upstream_connections.ts";
import { clientParts } from "./client_parts.ts";
import { authorize } from "./authorize.ts";
import { authorizationServerDocument, routeDocument } from "./authorization_server_metadata.ts";
import { callback } from "./callback.ts";
import type { Delivery, Deployment, Env } from "./context.ts";
import { openToEveryOrigin } from "./cors.ts";
import { devLogin, devLoginDecision } from "./dev_login.ts";
import { Edge, requestTarget } from "./edge.ts";
import { answerError, type Surface } from "./error_handler.ts";
import { healthz, readyz } from "./health.ts";
import { landing } from "./landing.ts";
import { mcpEndpoint } from "./mcp_proxy.ts";
import { protectedResourceDocument } from "./protected_resource_metadata.ts";
import { createQuotas, type Quotas, spend, spendOnPage } from "./quota.ts";
import { register, registration, unregister } from "./register.ts";
import { revoke } from "./revoke.ts";
import { setup, setupDecision } from "./setup.ts";
import { token } from "./token.ts";
import { type UpstreamNetwork, upstreamsOf } from "./upstream.ts";
import { ASSETS } from "./views/assets.ts";

/** A compiled gateway, ready to be served. */
export interface GatewayApp {
  /** Answers one request; `peer` is the IP address that connected. */
  handle(
    request: Request,
    connection: { readonly peer: string; readonly delivery: Delivery },
  ): Response | Promise<Response>;
  /** Looks where the names of the upstreams lead, and logs what may not be asked. Requests do so by themselves. */
  checkUpstreams(): Promise<void>;
  /** Waits for what goes on though nobody waits for its answer: refreshes of upstream credentials. */
  settled(): Promise<void>;
  /** Ends all open streams and stops every timer. */
  close(): void;
}

/** Options of {@linkcode createApp}. */
export interface AppOptions {
  /** For tests: how the names in strangers' URLs are resolved, and whose certificates count. */
  readonly strangers?: Pick<PinnedFetchOptions, "resolve" | "ca">;
  /** For tests: the same for the upstreams of routes. */
  readonly upstreams?: UpstreamNetwork;
  /** For tests: deadlines that come sooner. */
  readonly deadlines?: Deadlines;
}

/** Compiles the gateway into a Hono router. */
export function createApp(services: Services, gateway: Gateway, options: AppOptions = {}): GatewayApp {
  const { login } = gateway.oauth;
  const identityProvider = login.kind === "oidc" ? new IdentityProvider(login, services) : null;
  const quotas = createQuotas(gateway, services.clock);
  const deadlines = options.deadlines ?? new Deadlines();
  const { strangers } = options;
  const upstreams = upstreamsOf(services, gateway, options.upstreams);
  const deployment: Deployment = {
    services,
    gateway,
    verifier: new AccessTokenVerifier(services),
    deadlines,
    ...clientParts(services, gateway, strangers),
    identityProvider,
    users: new UserCache(services),
    upstreams: upstreamConnections(services, gateway, { upstreams, strangers }),
    loginStarts: quotas.loginStarts,
  };
  const { clock, revocations } = services;
  const streams = new StreamRegistry({ clock, revocations, limits: gateway.limits });
  const elicitations = new ElicitationCompletions({ clock, revocations });
  const parts = { streams, elicitations };
  const edge = new Edge(deployment);
  const mcpEndpoints = new Map(
    Array.from(
      upstreams,
      ([route, upstream]) => [route.path, mcpEndpoint(deployment, parts, { route, upstream })] as const,
    ),
  );
  // Paths are compared as they were sent: nothing is decoded on the way to a decision.
  const router = new Hono<Env>({ getPath: (request) => requestTarget(request.url).path });
  const answer = (surface: Surface, handler: Handler): Handler => async (c) => {
    try {
      return await handler(c);
    } catch (error) {
      return await answerError(c, deployment, surface, error);
    }
  };

  addMetadata(router, deployment);
  addAuthorizationServer(router, deployment, { answer, quotas });
  addPages(router, deployment, answer);
  refuseOtherMethods(router);
  router.notFound((c) =>
    Response.json({ status: 404, title: "Not Found", requestId: c.env.requestId }, { status: 404 })
  );
  router.onError((error, c) => answerError(c, deployment, "oauth", error));

  const arrivals = new Arrivals();
  const enter: GatewayApp["handle"] = (request, connection) => {
    const entered = edge.enter(request, connection);
    if (entered instanceof Response) return entered;
    // MCP routes are literal paths and the calls that users wait for: no router, no middleware.
    const mcp = mcpEndpoints.get(entered.target.path);
    return mcp === undefined ? router.fetch(request, entered) : mcp(request, entered);
  };

  return {
    handle(request, connection) {
      const others = arrivals.join();
      return others === null ? enter(request, connection) : others.then(() => enter(request, connection));
    },
    async checkUpstreams() {
      await Promise.all([...upstreams.values()].map(({ address }) => address?.look()));
    },
    async settled() {
      await Promise.all([...deployment.upstreams.values()].map(({ connections }) => connections.settled()));
    },
    close() {
      streams.closeAll();
      deadlines.close();
      for (const { client } of upstreams.values()) client?.close();
    },
  };
}

type Handler = (c: Context<Env>) => Response | Promise<Response>;
type Answer = (surface: Surface, handler: Handler) => Handler;

function addMetadata(router: Hono<Env>, deployment: Deployment): void {
  router.use("/.well-known/*", openToEveryOrigin("GET, HEAD, OPTIONS"));
  for (const name of [WELL_KNOWN.authorizationServer, WELL_KNOWN.openidConfiguration]) {
    const document = authorizationServerDocument(deployment, name);
    router.get(name, document);
    router.get(`${name}/*`, document);
  }
  router.get(WELL_KNOWN.protectedResource, protectedResourceDocument(deployment));
  router.get(`${WELL_KNOWN.protectedResource}/*`, protectedResourceDocument(deployment));
  router.get(WELL_KNOWN.jwks, jwks(deployment));
  router.get(`${WELL_KNOWN.oauthClient}/:connection`, clientMetadata(deployment));
  for (const route of deployment.gateway.routes) {
    const path = route.path + WELL_KNOWN.openidConfiguration;
    router.use(path, openToEveryOrigin("GET, HEAD, OPTIONS"));
    router.get(path, routeDocument(deployment, route));
  }
}

function addAuthorizationServer(
  router: Hono<Env>,
  deployment: Deployment,
  { answer, quotas }: { readonly answer: Answer; readonly quotas: Quotas },
): void {
  const { gateway } = deployment;
  const base = gateway.basePath;
  const counted = (quota: Quotas["tokenRequests"], handler: Handler): Handler =>
    answer("oauth", (c) => {
      spend(c, quota);
      return handler(c);
    });

  for (const path of [base + PATHS.token, ALIASES.token]) {
    router.use(path, openToEveryOrigin("POST, OPTIONS"));
    router.post(path, counted(quotas.tokenRequests, token(deployment)));
  }
  router.use(base + PATHS.revoke, openToEveryOrigin("POST, OPTIONS"));
  router.post(base + PATHS.revoke, counted(quotas.tokenRequests, revoke(deployment)));
  if (gateway.oauth.dcrEnabled) {
    for (const path of [base + PATHS.register, ALIASES.register]) {
      router.use(path, openToEveryOrigin("POST, OPTIONS"));
      router.post(path, counted(quotas.registrations, register(deployment)));
    }
    const management = `${base}${PATHS.register}/:clientId`;
    router.use(management, openToEveryOrigin("GET, DELETE, OPTIONS"));
    router.get(management, answer("oauth", registration(deployment)));
    router.delete(management, answer("oauth", unregister(deployment)));
  }

  const onPage = (handler: Handler): Handler =>
    answer("page", (c) => {
      spendOnPage(c, quotas.authorizations);
      return handler(c);
    });
  for (const path of [base + PATHS.authorize, ALIASES.authorize]) {
    router.get(path, onPage(authorize(deployment, null)));
  }
  for (const route of gateway.routes) {
    router.get(base + PATHS.authorize + route.path, onPage(authorize(deployment, route)));
  }
}

function addPages(router: Hono<Env>, deployment: Deployment, answer: Answer): void {
  const { gateway, services } = deployment;
  const base = gateway.basePath;
  router.get(base + PATHS.setup, answer("page", setup(deployment)));
  router.post(base + PATHS.setup, answer("page", setupDecision(deployment)));
  if (gateway.oauth.login.kind === "local") {
    const { users } = gateway.oauth.login;
    router.get(base + PATHS.devLogin, answer("page", devLogin(deployment, users)));
    router.post(base + PATHS.devLogin, answer("page", devLoginDecision(deployment, users)));
  }
  const { identityProvider } = deployment;
  if (identityProvider !== null) {
    router.get(base + PATHS.callback, answer("page", callback(deployment, identityProvider)));
  }
  const connection = `${base}${PATHS.connections}/:connection`;
  router.get(`${connection}/connect`, answer("page", connect(deployment)));
  router.post(`${connection}/connect`, answer("page", connectDecision(deployment)));
  router.get(`${connection}/callback`, answer("page", connectCallback(deployment)));
  router.get(base + PATHS.account, answer("page", account(deployment)));
  router.post(base + PATHS.account, answer("page", accountDecision(deployment)));
  router.get(base === "" ? PATHS.landing : base, answer("page", landing(deployment)));
  for (const asset of ASSETS) {
    router.get(base + asset.path, () => new Response(asset.body, { headers: asset.headers }));
  }
  router.get(base + PATHS.healthz, healthz);
  router.get(base + PATHS.readyz, readyz(services));
}

/** A path of ours that does not take the method is no 404: what it takes is told (RFC 9110 §15.5.6). */
function refuseOtherMethods(router: Hono<Env>): void {
  const taken = new Map<string, Set<string>>();
  for (const { path, method } of router.routes) {
    if (method !== "ALL") taken.set(path, (taken.get(path) ?? new Set()).add(method));
  }
  for (const [path, methods] of taken) {
    const allow = [...methods, ...methods.has("GET") ? ["HEAD"] : []].join(", ");
    router.all(
      path,
      (c) =>
        Response.json({ status: 405, title: "Method Not Allowed", requestId: c.env.requestId }, {
          status: 405,
          headers: { Allow: allow, "Cache-Control": "no-store" },
        }),
    );
  }
}
