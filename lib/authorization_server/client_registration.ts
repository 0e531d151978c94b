/** Dynamic client registration (RFC 7591), and reading and deleting a registration (RFC 7592). */
import { createIdentifier, createSecretToken, equalSecrets, hashSecret } from "../crypto/secret_token.ts";
import { clientInformation, parseClientMetadata } from "../oauth/client_metadata.ts";
import { OAuthError } from "../oauth/errors.ts";
import type { RedirectUriPolicy } from "../oauth/redirect_uri.ts";
import type { Services } from "../services.ts";
import { type ClientRecord, clients } from "../store/schema.ts";
import { CLIENT_TTL_MS } from "./client.ts";
import { CLIENT_AUTH_METHODS } from "./client_authentication.ts";

/** A fresh registration with the secrets that are shown this once. */
export interface Registration {
  readonly clientId: string;
  /** The members of the RFC 7591 answer, without `registration_client_uri`. */
  readonly answer: Readonly<Record<string, unknown>>;
}

/**
 * Registers a client.
 * @throws {OAuthError} `invalid_redirect_uri` or `invalid_client_metadata`; then nothing was written.
 */
export async function registerClient(
  services: Pick<Services, "store" | "clock" | "random">,
  body: unknown,
  policy: RedirectUriPolicy,
): Promise<Registration> {
  const metadata = parseClientMetadata(body, policy);
  if (!CLIENT_AUTH_METHODS.includes(metadata.tokenEndpointAuthMethod)) {
    throw new OAuthError(
      "invalid_client_metadata",
      `token_endpoint_auth_method must be one of: ${CLIENT_AUTH_METHODS.join(", ")}.`,
      {
        reason: "auth_method_unsupported",
      },
    );
  }
  const now = services.clock.now();
  const clientId = createIdentifier(services.random);
  const secret = metadata.tokenEndpointAuthMethod.startsWith("client_secret_")
    ? createSecretToken("cs_", services.random)
    : null;
  const registrationToken = createSecretToken("rat_", services.random);
  const record: ClientRecord = {
    clientId,
    metadata: {
      ...metadata,
      redirectUris: [...metadata.redirectUris],
      contacts: [...metadata.contacts],
      grantTypes: [...metadata.grantTypes],
      responseTypes: [...metadata.responseTypes],
    },
    secretHash: secret === null ? null : hashSecret(secret),
    registrationTokenHash: hashSecret(registrationToken),
    issuedAt: now,
    expiresAt: now + CLIENT_TTL_MS,
  };
  await services.store.write().set(clients, [clientId], record).commit();
  return {
    clientId,
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

/** Deletes the registration. @throws {OAuthError} as {@linkcode readRegistration}. */
export async function deleteRegistration(
  services: Pick<Services, "store">,
  clientId: string,
  registrationToken: string | null,
): Promise<void> {
  await ownRegistration(services, clientId, registrationToken);
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
