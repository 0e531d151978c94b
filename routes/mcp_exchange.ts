/** What the steps of one MCP request hand to each other. */
import type { Verdict } from "../lib/authorization_server/access_token.ts";
import type { Route } from "../lib/gateway/gateway.ts";
import type { Upstream } from "../lib/mcp/forward.ts";
import type { ElicitationCompletions } from "../lib/mcp/elicitation_completions.ts";
import type { StreamRegistry } from "../lib/mcp/stream_registry.ts";
import type { UpstreamEra } from "../lib/mcp/upstream_era.ts";
import type { RouteCapabilities } from "./capability_filter.ts";
import { challenge, checkBearer, type Refused } from "./bearer.ts";
import type { Deployment, RequestContext } from "./context.ts";
import type { RouteCredential } from "./credential.ts";
import type { RateCheck } from "./rate_limit.ts";

/** What all routes of a process share. */
export interface ProxyParts {
  readonly streams: StreamRegistry;
  readonly elicitations: ElicitationCompletions;
}

/** A route with all that does not change from request to request. */
export interface Endpoint {
  readonly deployment: Deployment;
  readonly parts: ProxyParts;
  readonly route: Route;
  readonly upstream: Upstream;
  readonly credential: RouteCredential;
  readonly era: UpstreamEra;
  /** `null`: the route has no `rateLimit`. */
  readonly rateCheck: RateCheck | null;
  /** `null`: everything that the upstream offers. */
  readonly capabilities: RouteCapabilities | null;
}

/** A request that passed the gate. */
export interface Admitted {
  readonly request: Request;
  readonly context: RequestContext;
  readonly verdict: Verdict;
}

/** The verdict on the request's token, or the challenge that refuses it: at once where the verdict is cached. */
export function judge(
  endpoint: Endpoint,
  asked: Omit<Admitted, "verdict">,
): Verdict | Response | Promise<Verdict | Response> {
  const { request, context } = asked;
  const authorization = request.headers.get("authorization");
  const { search } = context.target;
  const found = checkBearer(endpoint.deployment, { authorization, search }, endpoint.route, context.origin);
  return found instanceof Promise
    ? found.then((verdict) => orChallenge(endpoint, context, verdict))
    : orChallenge(endpoint, context, found);
}

function orChallenge(
  { deployment, route }: Endpoint,
  context: RequestContext,
  verdict: Verdict | Refused,
): Verdict | Response {
  if (!("reason" in verdict)) return verdict;
  deployment.services.events.emit(
    verdict.error === null ? "debug" : "warn",
    "mcp_auth_downstream_bearer_refused",
    { requestId: context.requestId, operationId: route.operationId, reasonCode: verdict.reason },
  );
  return challenge(context, route, verdict);
}
