/** What the steps of one MCP request hand to each other. */
import type { Verdict } from "../lib/authorization_server/access_token.ts";
import type { Route } from "../lib/gateway/gateway.ts";
import type { Upstream } from "../lib/mcp/forward.ts";
import type { StreamRegistry } from "../lib/mcp/stream_registry.ts";
import type { Deadlines } from "../lib/runtime/deadlines.ts";
import { challenge, checkBearer } from "./bearer.ts";
import type { Deployment, RequestContext } from "./context.ts";
import type { RouteCredential } from "./credential.ts";
import type { RateCheck } from "./rate_limit.ts";

/** What all routes of a process share. */
export interface ProxyParts {
  readonly streams: StreamRegistry;
  readonly deadlines: Deadlines;
}

/** A route with all that does not change from request to request. */
export interface Endpoint {
  readonly deployment: Deployment;
  readonly parts: ProxyParts;
  readonly route: Route;
  readonly upstream: Upstream;
  readonly credential: RouteCredential;
  /** `null`: the route has no `rateLimit`. */
  readonly rateCheck: RateCheck | null;
}

/** A request that passed the gate. */
export interface Admitted {
  readonly request: Request;
  readonly context: RequestContext;
  readonly verdict: Verdict;
  readonly search: string;
}

/** The verdict on the request's token, or the challenge that refuses it. */
export async function judge(
  { deployment, route }: Endpoint,
  { request, context, search }: Omit<Admitted, "verdict">,
): Promise<Verdict | Response> {
  const authorization = request.headers.get("authorization");
  const verdict = await checkBearer(deployment, { authorization, search }, route, context.origin);
  if (!("reason" in verdict)) return verdict;
  deployment.services.events.emit(
    verdict.error === null ? "debug" : "warn",
    "mcp_auth_downstream_bearer_refused",
    { requestId: context.requestId, operationId: route.operationId, reasonCode: verdict.reason },
  );
  return challenge(context, route, verdict);
}
