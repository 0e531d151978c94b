/** Client authentication at the token and revocation endpoints (RFC 6749 §2.3): `none`, `client_secret_basic`, `client_secret_post`. */
import { Buffer } from "node:buffer";
import { equalSecrets, hashSecret } from "../crypto/secret_token.ts";
import { OAuthError } from "../oauth/errors.ts";
import type { Services } from "../services.ts";
import { type Client, type ClientAuthMethod, type ConfiguredClient, findClient } from "./client.ts";

/** The methods that {@linkcode authenticateClient} accepts; metadata and registration say the same. */
export const CLIENT_AUTH_METHODS: readonly ClientAuthMethod[] = [
  "none",
  "client_secret_basic",
  "client_secret_post",
];

/** What the request says about its client. */
export interface ClientCredentials {
  /** The `Authorization` header. */
  readonly authorization: string | null;
  /** `client_id` and `client_secret` of the body. */
  readonly clientId: string | null;
  readonly clientSecret: string | null;
}

interface Presented {
  readonly clientId: string;
  readonly secret: string | null;
  /** RFC 6749 encodes the parts of Basic; SDKs send them raw. Both readings are tried. */
  readonly rawSecret: string | null;
  readonly basic: boolean;
}

/**
 * The authenticated client. A client with a secret may send it by Basic or in the body, whichever it registered.
 * @throws {OAuthError} `invalid_client` (401), or `invalid_request` if two methods are used at once.
 */
export async function authenticateClient(
  services: Pick<Services, "store">,
  configured: readonly ConfiguredClient[],
  credentials: ClientCredentials,
): Promise<Client> {
  const candidates = presentedCredentials(credentials);
  for (const presented of candidates) {
    const client = await findClient(services, configured, presented.clientId);
    if (client === null) continue;
    checkSecret(client, presented);
    return client;
  }
  throw refused("unknown_client", candidates.some((presented) => presented.basic));
}

function checkSecret(client: Client, presented: Presented): void {
  if (presented.secret === null) {
    if (client.authMethod === "none" || client.mayOmitSecret) return;
    throw refused("client_secret_missing", presented.basic);
  }
  if (client.secretHash === null) throw refused("secret_of_public_client", presented.basic);
  const { secretHash } = client;
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
  if (clientSecret !== null) {
    throw new OAuthError("invalid_request", "Use one client authentication method, not two.", {
      reason: "two_client_auth_methods",
    });
  }
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

function refused(reason: string, basic: boolean): OAuthError {
  return new OAuthError(
    "invalid_client",
    "Client authentication failed: the client is unknown or its credentials are wrong.",
    {
      reason,
      headers: basic ? { "WWW-Authenticate": 'Basic realm="sallyport", charset="UTF-8"' } : {},
    },
  );
}
