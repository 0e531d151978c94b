/** Routes as what tokens can be for. */
import type { Target } from "../lib/authorization_server/authorization_request.ts";
import type { Route } from "../lib/gateway/gateway.ts";
import { resourceOf } from "../lib/oauth/resource_indicator.ts";

/** The target of one route, as clients at `origin` see it. */
export function targetOf(origin: string, route: Route): Target {
  return { operationId: route.operationId, resource: resourceOf(origin, route.path) };
}
