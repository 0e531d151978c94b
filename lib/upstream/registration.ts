/** Becoming a client of the upstream's authorization server: configured, by our metadata document, or registered dynamically. */
import * as oauth from "@panva/oauth4webapi";
import { z } from "zod";
import { takeLease } from "../store/lease.ts";
import type { Services } from "../services.ts";
import {
  type UpstreamClient,
  type UpstreamClientRecord,
  upstreamClients,
  type UpstreamServer,
} from "../store/upstream_schema.ts";
import type { ConnectionSettings } from "./connection_settings.ts";
import { readDocument } from "./document.ts";
import { isKnown } from "./registration_check.ts";
import { requireSameIssuer } from "./registration_issuer.ts";
import { registrationId } from "./registration_records.ts";
import { requestOptions, serverOf, type TokenEndpointParts } from "./token_endpoint.ts";
import { UpstreamError } from "./upstream_error.ts";

const TTL_MS = 10 * 365 * 86_400_000;
/** Longer than the registration may take, shorter than the others wait. */
const LEASE_MS = 12_000;
const WAIT_MS = 200;
const ATTEMPTS = 75;

/** Where we are, as the upstream will see it. */
export interface OwnAddress {
  readonly redirectUri: string;
  /** URL of our client id metadata document; `null` if the upstream could not fetch it. */
  readonly documentUrl: string | null;
}

/** The client that we are at this server. @throws {UpstreamError} */
export async function obtainClient(
  services: Pick<Services, "store" | "clock" | "random" | "events">,
  parts: TokenEndpointParts,
  request: {
    readonly settings: ConnectionSettings;
    readonly server: UpstreamServer;
    readonly own: OwnAddress;
  },
): Promise<UpstreamClient> {
  const { settings, server, own } = request;
  const { clientRegistration } = settings;
  if (clientRegistration.mode === "manual") {
    const { clientId, clientSecret, tokenEndpointAuthMethod } = clientRegistration;
    const authMethod = tokenEndpointAuthMethod ?? chooseMethod(server.authMethods, clientSecret !== null);
    const client = { clientId, clientSecret: clientSecret?.reveal() ?? null, authMethod };
    await requireSameIssuer(services, { settings, server, client });
    return client;
  }
  if (server.takesMetadataDocuments && own.documentUrl !== null) {
    const signs = server.authMethods.includes("private_key_jwt");
    return { clientId: own.documentUrl, clientSecret: null, authMethod: signs ? "private_key_jwt" : "none" };
  }
  return await registered(services, parts, request);
}

/** The client of a connection as it is configured by now: its secret or its way to use it may have been replaced since. */
export function currentClient(
  { clientRegistration }: ConnectionSettings,
  former: UpstreamClient,
): UpstreamClient {
  if (clientRegistration.mode !== "manual" || clientRegistration.clientId !== former.clientId) return former;
  const { clientId, clientSecret, tokenEndpointAuthMethod } = clientRegistration;
  const authMethod = tokenEndpointAuthMethod ?? former.authMethod;
  return { clientId, clientSecret: clientSecret?.reveal() ?? null, authMethod };
}

/** One registration per issuer and redirect URI, made by one process while the others wait. */
async function registered(
  services: Pick<Services, "store" | "clock" | "random" | "events">,
  parts: TokenEndpointParts,
  { settings, server, own }: { settings: ConnectionSettings; server: UpstreamServer; own: OwnAddress },
): Promise<UpstreamClient> {
  const { store, clock } = services;
  const { redirectUri } = own;
  const id = registrationId({ issuer: server.issuer, redirectUri });
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const known = await store.get(upstreamClients, settings.id, id);
    if (known !== null) {
      const { client, registeredAt } = known.value;
      // Maybe by another process.
      parts.knownClients.note(client.clientId, registeredAt);
      if (await isKnown(services, parts, { settings, server, client })) return client;
      continue;
    }
    const lease = await takeLease(services, `register:${settings.id}:${id}`, LEASE_MS);
    if (lease === null) {
      await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
      continue;
    }
    try {
      const again = await store.get(upstreamClients, settings.id, id);
      if (again !== null) return again.value.client;
      const { client, management, expiresAt } = await register(parts, server, redirectUri);
      const now = clock.now();
      const record = {
        issuer: server.issuer,
        redirectUri,
        client,
        management,
        registeredAt: now,
        expiresAt: Math.min(expiresAt, now + TTL_MS),
      };
      await store.write().set(upstreamClients, [settings.id, id], record).commit();
      parts.knownClients.note(client.clientId);
      services.events.emit("info", "mcp_auth_upstream_registered", { upstreamServerId: settings.id });
      return client;
    } finally {
      await lease.release();
    }
  }
  throw new UpstreamError("unavailable", "registration_busy");
}

async function register(
  parts: TokenEndpointParts,
  server: UpstreamServer,
  redirectUri: string,
): Promise<Registered> {
  if (server.registrationEndpoint === null) throw new UpstreamError("refused", "registration_impossible");
  const wanted = chooseMethod(server.authMethods, true);
  const metadata = {
    client_name: "Sallyport",
    application_type: "web",
    redirect_uris: [redirectUri],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: wanted,
  };
  let answer: Response;
  try {
    answer = await oauth.dynamicClientRegistrationRequest(
      serverOf(server),
      metadata,
      requestOptions(parts, server),
    );
  } catch (cause) {
    throw new UpstreamError("unavailable", "registration_unreachable", { cause });
  }
  if (answer.status >= 500 || answer.status === 429) {
    throw new UpstreamError("unavailable", "registration_status");
  }
  if (answer.status !== 201 && answer.status !== 200) {
    throw new UpstreamError("refused", "registration_refused");
  }
  return readRegistration(await readDocument(answer), {
    wanted,
    redirectUri,
    origin: new URL(server.registrationEndpoint).origin,
  });
}

/** A client as the server made it. */
interface Registered {
  readonly client: UpstreamClient;
  readonly management: UpstreamClientRecord["management"];
  /** When its secret ends, in milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** RFC 7591 §3.2.1, read generously: servers are seen that answer 200, or leave out when the secret expires. */
const information = z.object({
  client_id: z.string().min(1).max(2048),
  client_secret: z.string().min(1).max(2048).nullish(),
  client_secret_expires_at: z.number().nonnegative().nullish().catch(null),
  redirect_uris: z.array(z.string()).nullish(),
  token_endpoint_auth_method: z.string().nullish(),
  registration_client_uri: z.string().max(2048).nullish().catch(null),
  registration_access_token: z.string().max(4096).regex(/^[\x21-\x7e]+$/).nullish().catch(null),
});

function readRegistration(
  json: unknown,
  expected: {
    readonly wanted: UpstreamClient["authMethod"];
    readonly redirectUri: string;
    readonly origin: string;
  },
): Registered {
  const parsed = information.safeParse(json);
  if (!parsed.success) throw new UpstreamError("refused", "registration_malformed");
  const { data } = parsed;
  // A server that changes where codes go is not to be trusted with one.
  if (data.redirect_uris && !data.redirect_uris.includes(expected.redirectUri)) {
    throw new UpstreamError("refused", "registration_redirect_changed");
  }
  const secret = data.client_secret ?? null;
  const authMethod = METHODS.find((method) => method === data.token_endpoint_auth_method) ??
    (secret === null ? "none" : expected.wanted);
  if (authMethod.startsWith("client_secret_") && secret === null) {
    throw new UpstreamError("refused", "registration_without_secret");
  }
  const { registration_client_uri: uri, registration_access_token: token } = data;
  // A server at one origin has no business with a token for another.
  const readable = uri && token && URL.parse(uri)?.origin === expected.origin;
  return {
    client: { clientId: data.client_id, clientSecret: secret, authMethod },
    management: readable ? { uri, token } : null,
    // RFC 7591: 0 for a secret that does not expire.
    expiresAt: (data.client_secret_expires_at || Infinity) * 1000,
  };
}

const METHODS: readonly UpstreamClient["authMethod"][] = [
  "client_secret_basic",
  "client_secret_post",
  "none",
];

/** The strongest method that we and the server share. */
function chooseMethod(supported: readonly string[], mayHaveSecret: boolean): UpstreamClient["authMethod"] {
  const ours = mayHaveSecret ? METHODS : (["none"] as const);
  return ours.find((method) => supported.includes(method)) ??
    (mayHaveSecret ? "client_secret_basic" : "none");
}
