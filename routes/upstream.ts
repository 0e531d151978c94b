/** A route's upstream, made ready once at startup. */
import { ConfigError } from "../lib/gateway/config_error.ts";
import type { Gateway, Route } from "../lib/gateway/gateway.ts";
import { type ResolveName, resolveName } from "../lib/http/name_resolution.ts";
import type { Upstream } from "../lib/mcp/forward.ts";
import { type HeaderRecord, USER_AGENT } from "../lib/mcp/headers.ts";
import { UpstreamAddress } from "../lib/mcp/upstream_address.ts";
import type { Services } from "../lib/services.ts";

/** For tests: another name resolution, and the certificate authorities (PEM) that count beside the system's. */
export interface UpstreamNetwork {
  readonly resolve?: ResolveName;
  readonly ca?: string;
}

/** What forwarding needs to know of each route's upstream. @throws {ConfigError} if a client certificate cannot be used. */
export function upstreamsOf(
  { clock, events }: Pick<Services, "clock" | "events">,
  gateway: Gateway,
  { resolve = resolveName, ca }: UpstreamNetwork = {},
): ReadonlyMap<Route, Upstream> {
  const upstreamOf = (route: Route, index: number): Upstream => {
    const { operationId, upstream: url, allowLoopback, followRedirects, timeouts } = route;
    const onFault = (reasonCode: string) =>
      events.emit("warn", "mcp_upstream_address_refused", { operationId, reasonCode });
    return {
      operationId,
      url,
      blank: new Request(url),
      address: route.allowPrivateNetwork
        ? null
        : new UpstreamAddress(url, { allowLoopback, resolve, clock, onFault }),
      followRedirects,
      responseMs: timeouts.responseMs,
      client: clientOf(route, index, ca),
    };
  };
  return new Map(gateway.routes.map((route, index) => [route, upstreamOf(route, index)]));
}

/** Connections of the route's own, if it authenticates in TLS. */
function clientOf(
  { clientCertificate }: Route,
  index: number,
  ca: string | undefined,
): Deno.HttpClient | null {
  if (clientCertificate === null && ca === undefined) return null;
  try {
    return Deno.createHttpClient({
      ...(ca === undefined ? {} : { caCerts: [ca] }),
      ...(clientCertificate === null
        ? {}
        : { cert: clientCertificate.cert, key: clientCertificate.key.reveal() }),
    });
  } catch {
    // The reason of the TLS library is left out: it may quote what it could not read.
    throw new ConfigError([{
      path: `routes[${index}].clientCertificate`,
      problem: "The certificate and the key cannot be used together",
      mend: "Give the certificate chain in PEM, and the unencrypted private key of its first certificate",
    }]);
  }
}

/** The headers that are for this upstream alone: its credential, and what `setHeaders` says. */
export function ownHeadersOf({ headers, credential }: Route): HeaderRecord {
  const own = headers.map(([name, value]) => [name, value.reveal()] as const);
  if (credential.kind === "static") own.push([credential.header, credential.value.reveal()]);
  return { ...USER_AGENT, ...Object.fromEntries(own) };
}
