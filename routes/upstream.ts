/** A route's upstream, made ready once at startup. */
import type { Route } from "../lib/gateway/gateway.ts";
import type { Upstream } from "../lib/mcp/forward.ts";

/** What forwarding needs to know of the route's upstream. */
export function upstreamOf(route: Route): Upstream {
  const { clientCertificate } = route;
  return {
    operationId: route.operationId,
    url: route.upstream,
    followRedirects: route.followRedirects,
    responseMs: route.timeouts.responseMs,
    client: clientCertificate === null
      ? null
      : Deno.createHttpClient({ cert: clientCertificate.cert, key: clientCertificate.key.reveal() }),
  };
}

/** The headers that are for this upstream alone: its credential, and what `setHeaders` says. */
export function ownHeadersOf(route: Route): (readonly [string, string])[] {
  const own = route.headers.map(([name, value]) => [name, value.reveal()] as const);
  const { credential } = route;
  return credential.kind === "static"
    ? [...own, [credential.header, credential.value.reveal()] as const]
    : own;
}
