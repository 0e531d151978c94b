/** What the tests of the upstream OAuth client have in common: settings, a server, a client, and a network that is a list. */
import { generateKeyPair } from "jose";
import type { Fetch } from "../../../lib/http/outbound_fetch.ts";
import type { Clock } from "../../../lib/runtime/clock.ts";
import type { ConnectRecord, UpstreamClient, UpstreamServer } from "../../../lib/store/upstream_schema.ts";
import type { ConnectParts } from "../../../lib/upstream/connect.ts";
import type { ConnectionSettings } from "../../../lib/upstream/connection_settings.ts";
import { Discovery } from "../../../lib/upstream/discovery.ts";
import { KnownClients } from "../../../lib/upstream/known_clients.ts";
import type { SigningKey } from "../../../lib/upstream/signing_key.ts";
import type { TokenEndpointParts } from "../../../lib/upstream/token_endpoint.ts";

/** The upstream. */
export const UPSTREAM = "https://up.test/mcp";
/** Its authorization server. */
export const ISSUER = "https://as.test";
/** Our redirect URI there. */
export const CALLBACK = "https://gw.test/auth/connections/acme/callback";

/** A connection with nothing out of the ordinary, but for `changes`. */
export function settings(changes: Partial<ConnectionSettings> = {}): ConnectionSettings {
  return {
    id: "acme",
    displayName: "Acme",
    authMode: "user-oauth",
    upstream: UPSTREAM,
    scopes: [],
    scopeDelimiter: " ",
    prompt: null,
    clientRegistration: { mode: "auto" },
    protectedResourceMetadataUrl: null,
    overrides: { issuer: null, resource: null, assumePkce: false, omitResource: false },
    idJag: null,
    ...changes,
  };
}

/** A server that can do everything, but for `changes`. */
export function server(changes: Partial<UpstreamServer> = {}): UpstreamServer {
  return {
    issuer: ISSUER,
    authorizationEndpoint: `${ISSUER}/authorize`,
    tokenEndpoint: `${ISSUER}/token`,
    registrationEndpoint: `${ISSUER}/register`,
    revocationEndpoint: `${ISSUER}/revoke`,
    authMethods: ["none"],
    sendsIss: true,
    takesMetadataDocuments: false,
    offersOfflineAccess: false,
    ...changes,
  };
}

/** A client of ours there. */
export const CLIENT: UpstreamClient = { clientId: "client", clientSecret: null, authMethod: "none" };

/** A connect under way. */
export function connectRecord(changes: Partial<ConnectRecord> = {}): ConnectRecord {
  return {
    browserHash: "hash",
    userId: "alice",
    connectionId: "acme",
    owner: "alice",
    upstreamOrigin: new URL(UPSTREAM).origin,
    server: server(),
    client: CLIENT,
    resource: UPSTREAM,
    scope: null,
    redirectUri: CALLBACK,
    codeVerifier: "verifier-0123456789-0123456789-0123456789-abc",
    pendingId: null,
    returnTo: "/account",
    origin: "https://gw.test",
    expiresAt: Number.MAX_SAFE_INTEGER,
    ...changes,
  };
}

/** A request as it went out. */
export interface Sent {
  readonly url: string;
  readonly method: string;
  readonly headers: Headers;
  readonly form: URLSearchParams;
  readonly body: string;
}

/** A network of one: `answer` says what comes back, `null` that nothing is there. */
export interface Network {
  readonly fetch: Fetch;
  readonly sent: Sent[];
  /** Addresses in the order in which they were asked. */
  readonly urls: () => string[];
}

/** Makes a network. */
export function network(answer: (sent: Sent) => Response | null | Promise<Response | null>): Network {
  const sent: Sent[] = [];
  return {
    sent,
    urls: () => sent.map(({ url }) => url),
    async fetch(input, init = {}) {
      const body = init.body instanceof URLSearchParams ? init.body.toString() : String(init.body ?? "");
      const request: Sent = {
        url: input,
        method: init.method ?? "GET",
        headers: new Headers(init.headers),
        form: new URLSearchParams(body),
        body,
      };
      sent.push(request);
      return await answer(request) ?? new Response("not here", { status: 404 });
    },
  };
}

/** What token requests are made with, on such a network. */
export function tokenEndpoint({ fetch }: Pick<Network, "fetch">, clock: Clock): TokenEndpointParts {
  return { fetch, signingKey: () => key ??= makeKey(), knownClients: new KnownClients(clock) };
}

/** Everything a connection is made with, on such a network. */
export function connectParts(
  net: Pick<Network, "fetch">,
  clock: Clock,
  own: ConnectionSettings,
): ConnectParts {
  const { fetch } = net;
  return {
    settings: own,
    discovery: new Discovery(own, { fetch, clock, allowLoopback: false, allowPrivateNetwork: false }),
    tokenEndpoint: tokenEndpoint(net, clock),
  };
}

let key: Promise<SigningKey> | undefined;

async function makeKey(): Promise<SigningKey> {
  return { keyId: "kid", key: (await generateKeyPair("ES256")).privateKey, publicJwk: {} };
}
