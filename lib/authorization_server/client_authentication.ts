/** Client authentication at the token and revocation endpoints: none, a secret by Basic or in the body, or a signed assertion. */
import { Buffer } from "node:buffer";
import { equalSecrets, hashSecret } from "../crypto/secret_token.ts";
import { TOKEN_ENDPOINT_AUTH_METHODS } from "../oauth/authorization_server_metadata.ts";
import { OAuthError } from "../oauth/errors.ts";
import type { Services } from "../services.ts";
import { type Client, type ClientAuthMethod, type ClientSources, findClient } from "./client.ts";
import {
  claimedClientId,
  CLIENT_ASSERTION_TYPE,
  type ClientKeys,
  verifyClientAssertion,
} from "./client_assertion.ts";
import { ClientDocumentError } from "./client_id_metadata_document.ts";

/** The methods that {@linkcode authenticateClient} accepts; metadata and registration say the same. */
export const CLIENT_AUTH_METHODS: readonly ClientAuthMethod[] = TOKEN_ENDPOINT_AUTH_METHODS;

/** What the request says about its client. */
export interface ClientCredentials {
  /** The `Authorization` header. */
  readonly authorization: string | null;
  /** `client_id`, `client_secret`, `client_assertion_type` and `client_assertion` of the body. */
  readonly clientId: string | null;
  readonly clientSecret: string | null;
  readonly assertionType: string | null;
  readonly assertion: string | null;
}

/** What authentication looks things up in. */
export interface ClientAuthority {
  readonly sources: ClientSources;
  readonly keys: ClientKeys;
  /** What a client assertion may name as its audience: our issuers, or the token endpoint's URL. */
  readonly audiences: readonly string[];
}

interface Presented {
  readonly clientId: string;
  readonly secret: string | null;
  /** RFC 6749 encodes the parts of Basic; SDKs send them raw. Both readings are tried. */
  readonly rawSecret: string | null;
  readonly basic: boolean;
}

/**
 * The authenticated client.
 * @throws {OAuthError} `invalid_client` (401), `invalid_request` if two methods are used at once, or `temporarily_unavailable` if the
 * client's metadata document cannot be had.
 */
export async function authenticateClient(
  services: Pick<Services, "store" | "clock">,
  authority: ClientAuthority,
  credentials: ClientCredentials,
): Promise<Client> {
  if (credentials.assertion !== null || credentials.assertionType !== null) {
    return await authenticateByAssertion(services, authority, credentials);
  }
  const candidates = presentedCredentials(credentials);
  for (const presented of candidates) {
    const client = await lookUp(services, authority, presented.clientId);
    if (client === null) continue;
    checkSecret(client, presented);
    return client;
  }
  throw refused("unknown_client", candidates.some((presented) => presented.basic));
}

async function authenticateByAssertion(
  services: Pick<Services, "store" | "clock">,
  authority: ClientAuthority,
  credentials: ClientCredentials,
): Promise<Client> {
  const { assertion, assertionType, clientId: stated } = credentials;
  if (credentials.clientSecret !== null || credentials.authorization !== null) throw twoMethods();
  if (assertion === null || assertionType !== CLIENT_ASSERTION_TYPE) throw refused("assertion_type", false);
  const clientId = claimedClientId(assertion);
  if (clientId === null || (stated !== null && stated !== clientId)) throw refused("assertion_client", false);
  const client = await lookUp(services, authority, clientId);
  if (client === null || !client.authMethods.includes("private_key_jwt")) {
    throw refused("assertion_client", false);
  }
  await verifyClientAssertion(services, authority.keys.of(client), {
    client,
    assertion,
    audiences: authority.audiences,
  });
  return client;
}

async function lookUp(
  services: Pick<Services, "store">,
  authority: ClientAuthority,
  clientId: string,
): Promise<Client | null> {
  try {
    return await findClient(services, authority.sources, clientId, { connected: true });
  } catch (error) {
    if (!(error instanceof ClientDocumentError)) throw error;
    if (error.reason !== "document_unreachable" && error.reason !== "document_fetch_paced") {
      throw refused(error.reason, false);
    }
    throw new OAuthError(
      "temporarily_unavailable",
      "The client's metadata document cannot be fetched just now.",
      {
        reason: error.reason,
        headers: { "Retry-After": "30" },
        cause: error,
      },
    );
  }
}

function checkSecret(client: Client, presented: Presented): void {
  if (presented.secret === null) {
    if (client.authMethods.includes("none")) return;
    throw refused("client_secret_missing", presented.basic);
  }
  const { secretHash } = client;
  if (secretHash === null) throw refused("secret_of_public_client", presented.basic);
  const matches = [presented.secret, presented.rawSecret].some((secret) =>
    secret !== null && equalSecrets(hashSecret(secret), secretHash)
  );
  if (!matches) throw refused("client_secret_wrong", presented.basic);
}

function presentedCredentials(credentials: ClientCredentials): Presented[] {
  const { authorization, clientId, clientSecret } = credentials;
  if (authorization === null) {
    if (clientId === null) throw refused("client_id_missing", false);
    // An empty secret is how some public clients say that they have none.
    const secret = clientSecret === "" ? null : clientSecret;
    return [{ clientId, secret, rawSecret: null, basic: false }];
  }
  const presented = parseBasic(authorization);
  if (clientSecret !== null) throw twoMethods();
  if (clientId !== null && !presented.some((reading) => reading.clientId === clientId)) {
    throw new OAuthError("invalid_request", "client_id differs from the Authorization header.", {
      reason: "client_id_differs",
    });
  }
  return presented;
}

function parseBasic(authorization: string): Presented[] {
  const match = /^basic +([A-Za-z0-9+/_=-]+)$/i.exec(authorization);
  const text = match?.[1] === undefined ? null : Buffer.from(match[1], "base64").toString("utf8");
  const colon = text?.indexOf(":") ?? -1;
  if (text === null || colon < 1) throw refused("basic_malformed", true);
  const rawId = text.slice(0, colon);
  const rawSecret = text.slice(colon + 1);
  const id = formDecode(rawId);
  const reading = { secret: formDecode(rawSecret), rawSecret, basic: true };
  return id === rawId
    ? [{ clientId: id, ...reading }]
    : [{ clientId: id, ...reading }, { clientId: rawId, ...reading }];
}

function formDecode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return text;
  }
}

function twoMethods(): OAuthError {
  return new OAuthError("invalid_request", "Use one client authentication method, not two.", {
    reason: "two_client_auth_methods",
  });
}

function refused(reason: string, basic: boolean): OAuthError {
  const description = "Client authentication failed: the client is unknown or its credentials are wrong.";
  const headers: Record<string, string> = basic
    ? { "WWW-Authenticate": 'Basic realm="sallyport", charset="UTF-8"' }
    : {};
  return new OAuthError("invalid_client", description, { reason, headers });
}
