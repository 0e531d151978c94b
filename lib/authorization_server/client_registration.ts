/** Dynamic client registration (RFC 7591), and reading and deleting a registration (RFC 7592). */
import { createIdentifier, createSecretToken, equalSecrets, hashSecret } from "../crypto/secret_token.ts";
import { clientInformation, parseClientMetadata } from "../oauth/client_metadata.ts";
import { OAuthError } from "../oauth/errors.ts";
import type { RedirectUriPolicy } from "../oauth/redirect_uri.ts";
import type { Services } from "../services.ts";
import { type ClientRecord, clients, clientTwins, unusedRegistrations } from "../store/schema.ts";
import type { Entry } from "../store/store.ts";
import { CLIENT_TTL_MS, type ClientAuthMethod } from "./client.ts";
import { CLIENT_AUTH_METHODS } from "./client_authentication.ts";

/** A fresh registration with the secrets that are shown this once. */
export interface Registration {
  readonly clientId: string;
  /** The members of the RFC 7591 answer, without `registration_client_uri`. */
  readonly answer: Readonly<Record<string, unknown>>;
}

/** Who may be sent codes, and who asks. */
export interface RegistrationContext extends RedirectUriPolicy {
  /** IP address of the client: the same public client registering again from there gets the same id. */
  readonly address?: string;
}

/**
 * How many registrations that were never used are kept. Each takes a random place among them and pushes out what was there, so that
 * anonymous registrations cannot fill the store, and an honest one survives the minutes until its first use.
 */
export const UNUSED_REGISTRATIONS = 50_000;

/**
 * Registers a client.
 * @throws {OAuthError} `invalid_redirect_uri` or `invalid_client_metadata`; then nothing was written.
 */
export async function registerClient(
  services: Pick<Services, "store" | "clock" | "random">,
  body: unknown,
  context: RegistrationContext,
): Promise<Registration> {
  const metadata = parseClientMetadata(body, context);
  requireSupported(metadata.tokenEndpointAuthMethod);
  const { clock, random } = services;
  const now = clock.now();
  const registrationToken = createSecretToken("rat_", random);
  const expiresAt = now + CLIENT_TTL_MS;

  const twinId = metadata.tokenEndpointAuthMethod === "none" && context.address !== undefined
    ? hashSecret(JSON.stringify([metadata, context.address]))
    : null;
  const twin = twinId === null ? null : await findTwin(services, twinId);
  // Whoever repeats known metadata gets to know the client, and no power over it.
  if (twin !== null) return { clientId: twin.value.clientId, answer: information(twin.value) };

  const secret = metadata.tokenEndpointAuthMethod.startsWith("client_secret_")
    ? createSecretToken("cs_", random)
    : null;
  const record: ClientRecord = {
    clientId: createIdentifier(random),
    metadata: {
      ...metadata,
      redirectUris: [...metadata.redirectUris],
      contacts: [...metadata.contacts],
      grantTypes: [...metadata.grantTypes],
      responseTypes: [...metadata.responseTypes],
    },
    secretHash: secret === null ? null : hashSecret(secret),
    registrationTokenHash: hashSecret(registrationToken),
    unusedPlace: null,
    issuedAt: now,
    expiresAt,
  };
  const placed = await takePlace(services, record, twinId);
  return answerOf(placed, { registrationToken, secret });
}

function requireSupported(method: ClientAuthMethod): void {
  if (CLIENT_AUTH_METHODS.includes(method)) return;
  const description = `token_endpoint_auth_method must be one of: ${CLIENT_AUTH_METHODS.join(", ")}.`;
  throw new OAuthError("invalid_client_metadata", description, { reason: "auth_method_unsupported" });
}

/** The registration that the same client made before from the same address. */
async function findTwin(
  { store }: Pick<Services, "store">,
  twinId: string,
): Promise<Entry<ClientRecord> | null> {
  const twin = await store.get(clientTwins, twinId);
  return twin === null ? null : await store.get(clients, twin.value.clientId);
}

/** Writes the registration into a place among the unused ones; who was there goes, unless it has been used. */
async function takePlace(
  { store, random }: Pick<Services, "store" | "random">,
  record: ClientRecord,
  twinId: string | null,
): Promise<ClientRecord> {
  const { clientId, expiresAt } = record;
  for (;;) {
    const place = randomPlace(random);
    const placed: ClientRecord = { ...record, unusedPlace: place };
    const write = store.write()
      .set(clients, [clientId], placed)
      .set(unusedRegistrations, [place], { clientId, twinId, expiresAt });
    if (twinId !== null) write.set(clientTwins, [twinId], { clientId, expiresAt });
    const former = await store.get(unusedRegistrations, place);
    if (former === null) write.absent(unusedRegistrations, place);
    else {
      const evicted = await store.get(clients, former.value.clientId);
      write.check(former);
      if (former.value.twinId !== null && former.value.twinId !== twinId) {
        write.delete(clientTwins, former.value.twinId);
      }
      // Checked: it may be used for the first time right now, and then it stays.
      if (evicted !== null && evicted.value.unusedPlace === place) {
        write.check(evicted).delete(clients, ...evicted.id);
      }
    }
    if (await write.commit()) return placed;
  }
}

function randomPlace(random: Services["random"]): string {
  return String(new DataView(random(4).buffer).getUint32(0) % UNUSED_REGISTRATIONS);
}

function answerOf(
  record: ClientRecord,
  secrets: { readonly registrationToken: string; readonly secret: string | null },
): Registration {
  const { registrationToken, secret } = secrets;
  return {
    clientId: record.clientId,
    answer: {
      ...information(record),
      ...(secret === null ? {} : { client_secret: secret, client_secret_expires_at: 0 }),
      registration_access_token: registrationToken,
    },
  };
}

/**
 * The current registration, for the holder of its registration access token.
 * @throws {OAuthError} `invalid_token` for an unknown client or a wrong token, indistinguishably.
 */
export async function readRegistration(
  services: Pick<Services, "store">,
  clientId: string,
  registrationToken: string | null,
): Promise<Readonly<Record<string, unknown>>> {
  return information(await ownRegistration(services, clientId, registrationToken));
}

/**
 * Deletes the registration.
 * @throws {OAuthError} as {@linkcode readRegistration}; 405 for a public client that is in use: others may have registered the same.
 */
export async function deleteRegistration(
  services: Pick<Services, "store">,
  clientId: string,
  registrationToken: string | null,
): Promise<void> {
  const record = await ownRegistration(services, clientId, registrationToken);
  if (record.metadata.tokenEndpointAuthMethod === "none" && record.unusedPlace === null) {
    throw new OAuthError(
      "invalid_request",
      "A public client in use is not deleted; unused, it ends by itself.",
      {
        reason: "registration_in_use",
        status: 405,
        headers: { Allow: "GET" },
      },
    );
  }
  await services.store.write().delete(clients, clientId).commit();
}

async function ownRegistration(
  services: Pick<Services, "store">,
  clientId: string,
  registrationToken: string | null,
): Promise<ClientRecord> {
  const entry = await services.store.get(clients, clientId);
  const expected = entry?.value.registrationTokenHash ?? "";
  if (
    entry === null || registrationToken === null || !equalSecrets(hashSecret(registrationToken), expected)
  ) {
    throw new OAuthError("invalid_token", "The registration access token is missing or wrong.", {
      reason: "registration_token_refused",
      headers: { "WWW-Authenticate": 'Bearer error="invalid_token"' },
    });
  }
  return entry.value;
}

function information(record: ClientRecord): Record<string, unknown> {
  return {
    client_id: record.clientId,
    client_id_issued_at: Math.floor(record.issuedAt / 1000),
    ...clientInformation(record.metadata),
  };
}
