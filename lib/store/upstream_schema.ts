/**
 * The records of upstream OAuth, in the manner of `schema.ts`: times in milliseconds since the epoch, `S`: sealed.
 *
 * | key                                         |   | lives                                                          |
 * |---------------------------------------------|---|----------------------------------------------------------------|
 * | `["connection", owner, connectionId]`        | S | a year from its last use; owner is a user, or `@shared`        |
 * | `["upstream_client", connectionId, sha256]`   | S | ten years; by issuer and redirect URI; replaced when the upstream forgot it |
 * | `["connection_claim", owner, connectionId]`  |   | 5 minutes: who may write the connection, until it is written    |
 * | `["connect", sha256(state)]`                | S | `stateTtlSeconds`; taken at the upstream's callback             |
 * | `["pending_connect", sha256(pendingId)]`    |   | 15 minutes; until somebody has connected by it                 |
 * | `["refresh_pause", owner, connectionId]`    |   | a day after the pause                                          |
 * | `["lease", name]`                           |   | seconds                                                        |
 * | `["signing_key", "current"]`                | S | ten years                                                      |
 */
import { z } from "zod";
import { collection, type RecordOf } from "./collection.ts";

/** An upstream's authorization server as it was when it was last asked: what a connection is bound to. */
const upstreamServer = z.object({
  issuer: z.string(),
  authorizationEndpoint: z.string(),
  tokenEndpoint: z.string(),
  registrationEndpoint: z.string().nullable(),
  revocationEndpoint: z.string().nullable(),
  /** Those that we could use. */
  authMethods: z.array(z.string()),
  sendsIss: z.boolean(),
  takesMetadataDocuments: z.boolean(),
  /** Its metadata names `offline_access`. Rows of before the member was kept say nothing, and are never asked. */
  offersOfflineAccess: z.boolean().default(false),
});

/** The gateway as a client of an upstream's authorization server. */
const upstreamClient = z.object({
  clientId: z.string(),
  clientSecret: z.string().nullable(),
  authMethod: z.enum(["client_secret_basic", "client_secret_post", "none", "private_key_jwt"]),
});

/** A registration of ours at an upstream's authorization server: for one issuer and one redirect URI. */
export const upstreamClients = collection("upstream_client", {
  issuer: z.string(),
  redirectUri: z.string(),
  client: upstreamClient,
  /** Where the server lets us read the registration (RFC 7592), at the origin of its registration endpoint; `null`: nowhere. */
  management: z.object({ uri: z.string(), token: z.string() }).nullable().default(null),
  registeredAt: z.number(),
}, { sealed: true });

/** A user's, or everybody's, credential at an upstream. It never leaves the issuer, resource and origin that it was obtained for. */
export const connections = collection("connection", {
  /** Of the MCP server that the connection led to: its id may lead elsewhere in another configuration. */
  upstreamOrigin: z.string(),
  server: upstreamServer,
  client: upstreamClient,
  /** The exact string of the protected resource metadata; `null` if the upstream has none, or must not be sent one. */
  resource: z.string().nullable(),
  accessToken: z.string(),
  refreshToken: z.string().nullable(),
  scope: z.array(z.string()).nullable(),
  obtainedAt: z.number(),
  /** `null`: the upstream did not say. */
  accessTokenExpiresAt: z.number().nullable(),
  /** Scopes that a later call was found to need; the user has to consent again. */
  missingScope: z.array(z.string()).nullable(),
  /** The upstream does not honour the credential any more. */
  dead: z.boolean(),
  connectedAt: z.number(),
}, { sealed: true });

/**
 * Who may write a connection: the connect whose answer came last, or nobody after a disconnect. An exchange of a code takes a while, and what
 * the user did meanwhile counts.
 */
export const connectionClaims = collection("connection_claim", { holder: z.string() }, { sealed: false });

/** A connect on its way to the upstream's authorization server; its id is the hash of the `state`. */
export const connects = collection("connect", {
  browserHash: z.string(),
  userId: z.string(),
  connectionId: z.string(),
  owner: z.string(),
  upstreamOrigin: z.string(),
  server: upstreamServer,
  client: upstreamClient,
  resource: z.string().nullable(),
  scope: z.array(z.string()).nullable(),
  redirectUri: z.string(),
  codeVerifier: z.string(),
  /** What the connect link named, if the user came by one. */
  pendingId: z.string().nullable(),
  /** A path of ours. */
  returnTo: z.string(),
  origin: z.string(),
}, { sealed: true });

/** What a connect link names: who has to connect what, and why. It is no credential. */
export const pendingConnects = collection("pending_connect", {
  userId: z.string(),
  connectionId: z.string(),
  operationId: z.string(),
  scope: z.array(z.string()).nullable(),
}, { sealed: false });

/** A refresh that failed: until when nobody asks again. It is about the credential that was obtained at `obtainedAt`, and no later one. */
export const refreshPauses = collection("refresh_pause", {
  obtainedAt: z.number(),
  /** In a row. */
  failures: z.number(),
  until: z.number(),
}, { sealed: false });

/** Who may do a thing that must be done once at a time. */
export const leases = collection("lease", { holder: z.string() }, { sealed: false });

/** Our key pair for `private_key_jwt`, as JWK. */
export const signingKeys = collection("signing_key", {
  keyId: z.string(),
  privateJwk: z.record(z.string(), z.unknown()),
  publicJwk: z.record(z.string(), z.unknown()),
}, { sealed: true });

/** Record types by the name of the thing. */
export type ConnectionRecord = RecordOf<typeof connections>;
export type ConnectRecord = RecordOf<typeof connects>;
export type PendingConnectRecord = RecordOf<typeof pendingConnects>;
export type RefreshPauseRecord = RecordOf<typeof refreshPauses>;
export type SigningKeyRecord = RecordOf<typeof signingKeys>;
export type UpstreamClientRecord = RecordOf<typeof upstreamClients>;
export type UpstreamServer = z.output<typeof upstreamServer>;
export type UpstreamClient = z.output<typeof upstreamClient>;
