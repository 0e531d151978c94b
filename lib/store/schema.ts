/**
 * Every record of the store: its key, its content, its lifetime. Times are milliseconds since the epoch. Keys name a secret
 * by its SHA-256 only. `S` in the margin: the value is sealed, with the whole key as additional data. `tokenId` is a token's time before
 * its SHA-256, and a grant's id begins with its time: what is written together lies together.
 *
 * | key                                         |   | lives                                                          |
 * |---------------------------------------------|---|----------------------------------------------------------------|
 * | `["client", clientId]`                      |   | 90 days from registration or last use                          |
 * | `["unused_registration", place]`            |   | as its client; at most 50,000 places                           |
 * | `["client_twin", sha256(metadata, address)]` |  | as its client                                                  |
 * | `["client_document", sha256(client id URL)]` |   | 90 days from the last approval                                 |
 * | `["used_assertion", sha256(client, jti)]`   |   | until the assertion has expired                                |
 * | `["authorization", sha256(transactionId)]`  | S | `stateTtlSeconds`; taken at the decision                        |
 * | `["login", sha256(loginId)]`                | S | `stateTtlSeconds`; taken at the callback                        |
 * | `["session", sha256(cookie)]`               | S | `sessionTtlSeconds`                                            |
 * | `["user", userId]`                          | S | as long as a grant may live, from the last login               |
 * | `["user_by_email", sha256(address)]`        |   | as the user                                                    |
 * | `["grant", grantId]`                        |   | `grantTtlSeconds` from approval; until its code is redeemed, as long as the code |
 * | `["grant_by_user", userId, grantId]`        |   | as its grant                                                   |
 * | `["authorization_code", tokenId(code)]`     |   | 60 s; once used, `refreshTokenTtlSeconds`, to notice a replay  |
 * | `["access_token", tokenId(token)]`          |   | `accessTokenTtlSeconds`                                        |
 * | `["refresh_token", tokenId(token)]`         |   | `refreshTokenTtlSeconds` from issue, at most until the grant ends; once rotated, as before, to notice a replay |
 * | `["revocation", grantId]`                   |   | 5 minutes: longer than any process may cache a verdict         |
 * | `["revocation_epoch", "all"]`               |   | rewritten at every revocation                                  |
 * | `["sealing_key", keyId]`                    |   | ten years; until nothing is sealed with the key                |
 *
 * What is kept for upstreams is in `upstream_schema.ts`.
 *
 * A grant is the root of what was issued under it: without its grant no code and no token is valid.
 */
import { z } from "zod";
import { collection, type RecordOf } from "./collection.ts";

const clientMetadata = z.object({
  redirectUris: z.array(z.string()),
  clientName: z.string().nullable(),
  clientUri: z.string().nullable(),
  logoUri: z.string().nullable(),
  policyUri: z.string().nullable(),
  tosUri: z.string().nullable(),
  contacts: z.array(z.string()),
  scope: z.string().nullable(),
  grantTypes: z.array(z.string()),
  responseTypes: z.array(z.string()),
  tokenEndpointAuthMethod: z.enum(["none", "client_secret_basic", "client_secret_post", "private_key_jwt"]),
  /** Whether the client itself named its authentication method, or got the RFC's default. */
  authMethodStated: z.boolean(),
  applicationType: z.string().nullable(),
  softwareId: z.string().nullable(),
  softwareVersion: z.string().nullable(),
  jwks: z.object({ keys: z.array(z.record(z.string(), z.unknown())) }).nullable(),
  jwksUri: z.string().nullable(),
});

/** A dynamically registered client (RFC 7591). */
export const clients = collection("client", {
  clientId: z.string(),
  metadata: clientMetadata,
  secretHash: z.string().nullable(),
  registrationTokenHash: z.string(),
  /** Its place among the registrations that were never used; `null` once it was. */
  unusedPlace: z.string().nullable(),
  issuedAt: z.number(),
}, { sealed: false });

/** The registrations that were never used, in a fixed number of places. */
export const unusedRegistrations = collection("unused_registration", {
  clientId: z.string(),
  /** Of its entry among the twins, which goes with it. */
  twinId: z.string().nullable(),
}, { sealed: false });

/** Finds the registration that the same public client made before from the same address. */
export const clientTwins = collection("client_twin", { clientId: z.string() }, { sealed: false });

/** A client's metadata document as it was when a user approved the client. */
export const clientDocuments = collection("client_document", {
  clientId: z.string(),
  text: z.string(),
  freshUntil: z.number(),
}, { sealed: false });

/** A client assertion or ID-JAG that was used: it is good for once. */
export const usedAssertions = collection("used_assertion", {}, { sealed: false });

/** An authorization request that waits for its user's decision, bound to the browser that brought it. */
export const authorizations = collection("authorization", {
  /** Names it in URLs and forms. */
  transactionId: z.string(),
  browserHash: z.string(),
  csrfToken: z.string(),
  /** Once known, the only user who may decide. */
  userId: z.string().nullable(),
  clientId: z.string(),
  redirectUri: z.string(),
  /** Whether the request named the redirect URI; then the token request must, too. */
  redirectUriGiven: z.boolean(),
  state: z.string().nullable(),
  codeChallenge: z.string(),
  /** Our origin as this client sees it. */
  origin: z.string(),
  /** The `iss` of the response: the origin, or the route's URL. */
  issuer: z.string(),
  /** `null` while the user has to choose. */
  operationId: z.string().nullable(),
  askedScope: z.array(z.string()),
  scope: z.array(z.string()),
  /** The client's `login` or `select_account`: only a sign-in after `requestedAt` answers it. */
  prompt: z.string().nullable(),
  requestedAt: z.number(),
}, { sealed: true });

/** A login on its way to the identity provider or the local login page. */
export const logins = collection("login", {
  /** Names it in URLs and forms; also the `state` towards a provider. */
  loginId: z.string(),
  browserHash: z.string(),
  csrfToken: z.string(),
  /** A path of ours; it never comes from a request. */
  returnTo: z.string(),
  loginHint: z.string().nullable(),
  /** Our origin when the login began: the provider is told the same redirect URI twice. */
  origin: z.string(),
  nonce: z.string(),
  codeVerifier: z.string(),
}, { sealed: true });

/** A browser session: who signed in. */
export const sessions = collection("session", {
  userId: z.string(),
  issuer: z.string(),
  subject: z.string(),
  name: z.string().nullable(),
  email: z.string().nullable(),
  emailVerified: z.boolean(),
  signedInAt: z.number(),
}, { sealed: true });

/** What is known of a user since the last login: what access rules look at, and the assertion that ID-JAG exchanges. */
export const users = collection("user", {
  issuer: z.string(),
  subject: z.string(),
  name: z.string().nullable(),
  email: z.string().nullable(),
  emailVerified: z.boolean(),
  /** Claims of the ID token: roles and groups are among them. */
  claims: z.record(z.string(), z.unknown()),
  /** `null` for the local login. */
  idToken: z.string().nullable(),
  /** When the ID token expires; 0 without one. */
  idTokenExpiresAt: z.number(),
  providerRefreshToken: z.string().nullable(),
  signedInAt: z.number(),
}, { sealed: true });

/** Finds a user by a verified e-mail address, for identity assertions that are mapped by it; never for logins. */
export const usersByEmail = collection("user_by_email", { userId: z.string() }, { sealed: false });

/** What a user approved: one client, one redirect URI, one route, some scopes. It is the consent record. */
export const grants = collection("grant", {
  grantId: z.string(),
  userId: z.string(),
  clientId: z.string(),
  clientName: z.string().nullable(),
  /** SHA-256 of the client metadata that the user saw. */
  clientMetadataHash: z.string(),
  redirectUri: z.string(),
  resource: z.string(),
  operationId: z.string(),
  scope: z.array(z.string()),
  askedScope: z.array(z.string()),
  approvedAt: z.number(),
}, { sealed: false });

/** Finds the grants of a user. */
export const grantsByUser = collection("grant_by_user", { clientId: z.string() }, { sealed: false });

/** An authorization code. Using it leaves a mark, so that a second use is noticed. */
export const authorizationCodes = collection("authorization_code", {
  grantId: z.string(),
  clientId: z.string(),
  redirectUri: z.string(),
  redirectUriGiven: z.boolean(),
  codeChallenge: z.string(),
  /** When the grant ends if the code is redeemed. */
  grantExpiresAt: z.number(),
  usedAt: z.number().nullable(),
}, { sealed: false });

const tokenBinding = {
  grantId: z.string(),
  clientId: z.string(),
  userId: z.string(),
  resource: z.string(),
  operationId: z.string(),
  scope: z.array(z.string()),
};

/** An access token. */
export const accessTokens = collection("access_token", tokenBinding, { sealed: false });

/**
 * A refresh token. Rotated, it names its successor. That one keeps the pair that it came in, sealed under a key that only the bearer of its
 * predecessor can derive, until it is rotated itself.
 */
export const refreshTokens = collection("refresh_token", {
  ...tokenBinding,
  askedScope: z.array(z.string()),
  rotatedAt: z.number().nullable(),
  /** The id of its row. Older rows name it in an object. */
  successor: z.union([z.string(), z.object({ hash: z.string() }).transform(({ hash }) => hash)]).nullable(),
  /** `null`: it came with a code, or is rotated. */
  sealedPair: z.string().nullable().default(null),
}, { sealed: false });

/** A grant that was revoked a moment ago: other processes drop what they have cached of it. */
export const revocations = collection("revocation", {}, { sealed: false });

/** Changes at every revocation; one cheap read tells whether there is anything to drop. */
export const revocationEpoch = collection("revocation_epoch", { value: z.string() }, { sealed: false });

/** A key that has sealed something here; `code` tells it from another key of the same name. */
export const sealingKeys = collection("sealing_key", { code: z.string() }, { sealed: false });

/** Record types by the name of the thing. */
export type ClientRecord = RecordOf<typeof clients>;
export type AuthorizationRecord = RecordOf<typeof authorizations>;
export type LoginRecord = RecordOf<typeof logins>;
export type SessionRecord = RecordOf<typeof sessions>;
export type UserRecord = RecordOf<typeof users>;
export type GrantRecord = RecordOf<typeof grants>;
export type AuthorizationCodeRecord = RecordOf<typeof authorizationCodes>;
export type AccessTokenRecord = RecordOf<typeof accessTokens>;
export type RefreshTokenRecord = RecordOf<typeof refreshTokens>;
