/** The connections of the configuration, made ready once at startup: how their upstreams are asked, and as whom. */
import { overridesInUse } from "../lib/gateway/connections.ts";
import type { Connection, Gateway, Route } from "../lib/gateway/gateway.ts";
import { type Fetch, fetchConfigured } from "../lib/http/outbound_fetch.ts";
import { isInternalName, isPrivateLiteral } from "../lib/http/network_address.ts";
import { ownNetworkFetch } from "../lib/http/own_network_fetch.ts";
import { pinnedFetch, type PinnedFetchOptions } from "../lib/http/pinned_fetch.ts";
import { connectCallbackPath, WELL_KNOWN } from "../lib/oauth/paths.ts";
import type { Upstream } from "../lib/mcp/forward.ts";
import type { Services } from "../lib/services.ts";
import type { ConnectParts } from "../lib/upstream/connect.ts";
import { Connections } from "../lib/upstream/connection.ts";
import { authProfileId } from "../lib/upstream/connection_settings.ts";
import { Discovery } from "../lib/upstream/discovery.ts";
import { KnownClients } from "../lib/upstream/known_clients.ts";
import { IdJagTokens } from "../lib/upstream/id_jag.ts";
import type { OwnAddress } from "../lib/upstream/registration.ts";
import { signingKey } from "../lib/upstream/signing_key.ts";

const LIMITS = { timeoutMs: 10_000, maxBytes: 262_144 };

/** One connection, ready to be used. */
export interface UpstreamConnection extends ConnectParts {
  readonly settings: Connection;
  readonly connections: Connections;
  /** Only with `authMode: "id-jag"`. */
  readonly idJag: IdJagTokens | null;
}

/** All connections by their id. */
export type UpstreamConnections = ReadonlyMap<string, UpstreamConnection>;

/** What they are asked by. */
export interface UpstreamsNetwork {
  /** With the client that authenticates in TLS, where a route has one. */
  readonly upstreams: ReadonlyMap<Route, Pick<Upstream, "client">>;
  /** For tests: how strangers are found. */
  readonly strangers?: Pick<PinnedFetchOptions, "resolve" | "ca"> | undefined;
}

/** Makes them ready, and tells which exceptions the configuration makes. */
export function upstreamConnections(
  services: Services,
  gateway: Gateway,
  network: UpstreamsNetwork,
): UpstreamConnections {
  const found = new Map<string, UpstreamConnection>();
  for (const route of gateway.routes) {
    const { credential, allowPrivateNetwork } = route;
    if (credential.kind !== "tokenExchange" || found.has(credential.connection.id)) continue;
    const { connection: settings } = credential;
    const { strangers = {}, upstreams } = network;
    const client = upstreams.get(route)?.client ?? null;
    const fetch = fetchFor(settings, { gateway, allowPrivateNetwork, strangers, client });
    const tokenEndpoint = {
      fetch,
      signingKey: () => signingKey(services),
      knownClients: new KnownClients(services.clock),
    };
    const discovery = new Discovery(settings, {
      fetch,
      clock: services.clock,
      allowLoopback: gateway.outbound.allowLoopback,
      allowPrivateNetwork,
    });
    const parts = { settings, discovery, tokenEndpoint };
    found.set(settings.id, {
      ...parts,
      connections: new Connections(services, parts),
      idJag: settings.idJag === null
        ? null
        // The operator wrote both token URLs.
        : new IdJagTokens(settings.idJag, { fetch: fetchConfigured(LIMITS), clock: services.clock }),
    });
  }
  for (const { connection, override } of overridesInUse(gateway)) {
    services.events.emit("warn", "mcp_auth_upstream_override_used", {
      upstreamServerId: connection,
      reasonCode: override,
    });
  }
  return found;
}

/** Where the upstream finds us; our metadata document only if it can be fetched from outside. */
export function ownAddress(
  origin: string,
  gateway: Pick<Gateway, "basePath">,
  settings: Pick<Connection, "id" | "authMode">,
): OwnAddress {
  const { protocol, hostname } = new URL(origin);
  const isPublic = protocol === "https:" && !isPrivateLiteral(hostname) && !isInternalName(hostname);
  return {
    redirectUri: origin + gateway.basePath + connectCallbackPath(settings.id),
    documentUrl: isPublic ? documentUrl(origin, settings) : null,
  };
}

/** URL of our client id metadata document towards this upstream: it is also our client id there. */
export function documentUrl(origin: string, settings: Pick<Connection, "id" | "authMode">): string {
  const profile = encodeURIComponent(authProfileId(settings));
  return `${origin}${WELL_KNOWN.oauthClient}/${encodeURIComponent(settings.id)}?authProfileId=${profile}`;
}

/**
 * The operator wrote the upstream's address and stands for it, and the route's client certificate is for it alone; what the upstream names
 * elsewhere is a stranger's.
 */
function fetchFor(
  settings: Connection,
  context: {
    gateway: Gateway;
    allowPrivateNetwork: boolean;
    strangers: Pick<PinnedFetchOptions, "resolve" | "ca">;
    client: Deno.HttpClient | null;
  },
): Fetch {
  const configured = fetchConfigured(LIMITS, context.client);
  const { allowLoopback } = context.gateway.outbound;
  const judging = context.allowPrivateNetwork ? ownNetworkFetch : pinnedFetch;
  const judged = judging({ ...context.strangers, ...LIMITS, allowLoopback });
  const home = new URL(settings.upstream).origin;
  return (input, init) => (URL.parse(input)?.origin === home ? configured : judged)(input, init);
}
