/**
 * The clients that the authorization server knows, in this order: named in the configuration, named by the URL of their metadata
 * document, registered dynamically (checklist AS-34).
 */
import { hashSecret } from "../crypto/secret_token.ts";
import type { ClientMetadata } from "../oauth/client_metadata.ts";
import type { Secret } from "../runtime/secret.ts";
import type { Services } from "../services.ts";
import { type ClientRecord, clients, unusedRegistrations } from "../store/schema.ts";
import type { ClientDocument, ClientDocuments } from "./client_id_metadata_document.ts";

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
  readonly source: "configuration" | "document" | "registration";
  readonly name: string | null;
  /** Its own web page, which a consent page may name. */
  readonly uri: string | null;
  readonly redirectUris: readonly string[];
  /** Each of them is accepted. */
  readonly authMethods: readonly ClientAuthMethod[];
  readonly secretHash: string | null;
  readonly jwks: { readonly keys: readonly Readonly<Record<string, unknown>>[] } | null;
  readonly jwksUri: string | null;
  /** Whether it registered the authorization code grant. */
  readonly mayAuthorize: boolean;
  readonly mayRefresh: boolean;
  /** Changes when anything changes that a user was shown or that secures the client. */
  readonly metadataHash: string;
  /** Whether it ever got a token. */
  readonly wasUsed: boolean;
  /** Milliseconds since the epoch. `null`: not a registration that could expire. */
  readonly expiresAt: number | null;
  /** Milliseconds since the epoch; `null` for a client that did not register here. */
  readonly registeredAt: number | null;
}

/** A client of the configuration, as far as the authorization server needs it. */
export interface ConfiguredClient {
  readonly clientId: string;
  readonly name: string;
  readonly redirectUris: readonly string[];
  readonly clientSecret: Secret | null;
  readonly jwks: Client["jwks"];
}

/** Where clients are known from, beside the store. */
export interface ClientSources {
  readonly configured: readonly ConfiguredClient[];
  /** `null`: client id metadata documents are switched off. */
  readonly documents: ClientDocuments | null;
}

/**
 * Finds a client by its id, or `null` for an unknown or expired one. With `connected`, a metadata document that cannot be had just now
 * may be an older one.
 * @throws {ClientDocumentError} if the id is the URL of a document that cannot be used.
 */
export async function findClient(
  services: Pick<Services, "store">,
  sources: ClientSources,
  clientId: string,
  options: { readonly connected?: boolean } = {},
): Promise<Client | null> {
  const known = sources.configured.find((client) => client.clientId === clientId);
  if (known !== undefined) return fromConfiguration(known);
  const { documents } = sources;
  if (documents?.isDocumentUrl(clientId)) {
    return fromDocument(
      options.connected ? await documents.getConnected(clientId) : await documents.get(clientId),
    );
  }
  const entry = await services.store.get(clients, clientId);
  return entry === null ? null : fromRecord(entry.value);
}

/**
 * Notes that a registered client was used: it lives on, and is no longer one of the unused. Writes at the first use and then once a day
 * at most. Losing the write to another request does no harm: that one does the same.
 */
export async function renewClient(
  services: Pick<Services, "store" | "clock">,
  client: Client,
): Promise<void> {
  const expiresAt = services.clock.now() + CLIENT_TTL_MS;
  const recent = client.expiresAt === null || expiresAt - client.expiresAt < RENEWAL_AGE_MS;
  if (recent && client.wasUsed) return;
  const entry = await services.store.get(clients, client.clientId);
  if (entry === null) return;
  const write = services.store.write().check(entry).set(clients, entry.id, {
    ...entry.value,
    unusedPlace: null,
    expiresAt,
  });
  if (entry.value.unusedPlace !== null) write.delete(unusedRegistrations, entry.value.unusedPlace);
  await write.commit();
}

/** The client that a stored registration describes. */
export function fromRecord(record: ClientRecord): Client {
  const { metadata, secretHash } = record;
  return {
    ...fromMetadata(record.clientId, metadata),
    source: "registration",
    authMethods: registeredMethods(metadata),
    secretHash,
    wasUsed: record.unusedPlace === null,
    expiresAt: record.expiresAt,
    registeredAt: record.issuedAt,
  };
}

/** A secret may come by Basic or in the body; who did not state a method may also come with PKCE alone (checklist AS-48, AS-55). */
function registeredMethods(metadata: ClientMetadata): readonly ClientAuthMethod[] {
  const { tokenEndpointAuthMethod: method, authMethodStated } = metadata;
  if (!method.startsWith("client_secret_")) return [method];
  return ["client_secret_basic", "client_secret_post", ...(authMethodStated ? [] : ["none"] as const)];
}

function fromDocument({ clientId, metadata, authMethods }: ClientDocument): Client {
  return {
    ...fromMetadata(clientId, metadata),
    source: "document",
    authMethods,
    secretHash: null,
    wasUsed: true,
    expiresAt: null,
    registeredAt: null,
  };
}

function fromMetadata(clientId: string, metadata: ClientMetadata) {
  return {
    clientId,
    name: metadata.clientName,
    uri: metadata.clientUri,
    redirectUris: metadata.redirectUris,
    jwks: metadata.jwks,
    jwksUri: metadata.jwksUri,
    mayAuthorize: metadata.grantTypes.includes("authorization_code"),
    mayRefresh: metadata.grantTypes.includes("refresh_token"),
    metadataHash: hashSecret(JSON.stringify(metadata)),
  };
}

function fromConfiguration(client: ConfiguredClient): Client {
  const { clientId, name, redirectUris, clientSecret, jwks } = client;
  const authMethods: ClientAuthMethod[] = [
    ...(clientSecret === null ? [] : ["client_secret_basic", "client_secret_post"] as const),
    ...(jwks === null ? [] : ["private_key_jwt"] as const),
  ];
  return {
    clientId,
    source: "configuration",
    name,
    uri: null,
    redirectUris,
    authMethods: authMethods.length === 0 ? ["none"] : authMethods,
    secretHash: clientSecret === null ? null : hashSecret(clientSecret.reveal()),
    jwks,
    jwksUri: null,
    mayAuthorize: true,
    mayRefresh: true,
    metadataHash: hashSecret(JSON.stringify([name, redirectUris, jwks])),
    wasUsed: true,
    expiresAt: null,
    registeredAt: null,
  };
}
