/** What of the configuration an OAuth request is judged by: the routes as targets, and where a code may go. */
import type { Target } from "../lib/authorization_server/authorization_request.ts";
import type { Gateway, Route } from "../lib/gateway/gateway.ts";
import type { RedirectUriPolicy } from "../lib/oauth/redirect_uri.ts";
import { resourceOf } from "../lib/oauth/resource_indicator.ts";

/** The target of one route, as clients at `origin` see it. */
export function targetOf(origin: string, route: Route): Target {
  return { operationId: route.operationId, resource: resourceOf(origin, route.path) };
}

/** Where a code may go: never to a host of our own. */
export function redirectUriPolicy(gateway: Gateway, origin: string | null): RedirectUriPolicy {
  const { publicUrl } = gateway;
  const literal = publicUrl.kind === "hosts"
    ? publicUrl.patterns.filter((pattern) => !pattern.startsWith("*.")).map((host) => `https://${host}`)
    : publicUrl.kind === "origin"
    ? [publicUrl.origin]
    : [];
  return { schemes: gateway.redirectSchemes, ownOrigins: origin === null ? literal : [...literal, origin] };
}
