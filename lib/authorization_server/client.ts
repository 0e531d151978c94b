/** The clients that the authorization server knows: named in the configuration, or registered dynamically (RFC 7591). */
import { hashSecret } from "../crypto/secret_token.ts";
import type { ClientMetadata } from "../oauth/client_metadata.ts";
import type { Secret } from "../runtime/secret.ts";
import type { Services } from "../services.ts";
import { type ClientRecord, clients } from "../store/schema.ts";

const DAY_MS = 86_400_000;

/** How long a registered client lives without being used, in milliseconds. */
export const CLIENT_TTL_MS = 90 * DAY_MS;
/** A use renews the registration when it has aged this much, so that not every use writes. */
const RENEWAL_AGE_MS = DAY_MS;

/** How a client proves itself at the token endpoint. */
export type ClientAuthMethod = ClientMetadata["tokenEndpointAuthMethod"];

/** A client, wherever it is known from. */
export interface Client {
  readonly clientId: string;
  readonly source: "configuration" | "registration";
  readonly name: string | null;
  /** Its own web page, which a consent page may name. */
  readonly uri: string | null;
  readonly redirectUris: readonly string[];
  readonly authMethod: ClientAuthMethod;
  /** A registration that did not state a method may also come without a secret, with PKCE alone (checklist AS-48). */
  readonly mayOmitSecret: boolean;
  readonly secretHash: string | null;
  readonly mayRefresh: boolean;
  /** Changes when anything changes that a user was shown or that secures the client. */
  readonly metadataHash: string;
  /** Milliseconds since the epoch. `null`: registrations of the configuration do not expire. */
  readonly expiresAt: number | null;
  /** Milliseconds since the epoch; `null` for a client of the configuration. */
  readonly registeredAt: number | null;
}

/** A client of the configuration, as far as the authorization server needs it. */
export interface ConfiguredClient {
  readonly clientId: string;
  readonly name: string;
  readonly redirectUris: readonly string[];
  readonly clientSecret: Secret | null;
}

/** Finds a client by its id, or `null` for an unknown or expired one. */
export async function findClient(
  services: Pick<Services, "store">,
  configured: readonly ConfiguredClient[],
  clientId: string,
): Promise<Client | null> {
  const known = configured.find((client) => client.clientId === clientId);
  if (known !== undefined) return fromConfiguration(known);
  const entry = await services.store.get(clients, clientId);
  return entry === null ? null : fromRecord(entry.value);
}

/**
 * Renews a registered client's lifetime, once a day at most. Losing the write to another request does no harm: that one renews it, too.
 */
export async function renewClient(
  services: Pick<Services, "store" | "clock">,
  client: Client,
): Promise<void> {
  const expiresAt = services.clock.now() + CLIENT_TTL_MS;
  if (client.expiresAt === null || expiresAt - client.expiresAt < RENEWAL_AGE_MS) return;
  const entry = await services.store.get(clients, client.clientId);
  if (entry === null) return;
  await services.store.write().check(entry).set(clients, entry.id, { ...entry.value, expiresAt }).commit();
}

/** The client that a stored registration describes. */
export function fromRecord(record: ClientRecord): Client {
  const { metadata } = record;
  return {
    clientId: record.clientId,
    source: "registration",
    name: metadata.clientName,
    uri: metadata.clientUri,
    redirectUris: metadata.redirectUris,
    authMethod: metadata.tokenEndpointAuthMethod,
    mayOmitSecret: !metadata.authMethodStated,
    secretHash: record.secretHash,
    mayRefresh: metadata.grantTypes.includes("refresh_token"),
    metadataHash: hashSecret(JSON.stringify(metadata)),
    expiresAt: record.expiresAt,
    registeredAt: record.issuedAt,
  };
}

function fromConfiguration(client: ConfiguredClient): Client {
  const secret = client.clientSecret;
  return {
    clientId: client.clientId,
    source: "configuration",
    name: client.name,
    uri: null,
    redirectUris: client.redirectUris,
    authMethod: secret === null ? "none" : "client_secret_basic",
    mayOmitSecret: false,
    secretHash: secret === null ? null : hashSecret(secret.reveal()),
    mayRefresh: true,
    metadataHash: hashSecret(JSON.stringify([client.name, client.redirectUris])),
    expiresAt: null,
    registeredAt: null,
  };
}
