/** Connecting a user to an upstream: an OAuth authorization code flow in which the gateway is the client. */
import * as oauth from "@panva/oauth4webapi";
import { createIdentifier, createSecretToken, hashSecret } from "../crypto/secret_token.ts";
import type { Services } from "../services.ts";
import type { Entry } from "../store/store.ts";
import { type ConnectRecord, connects } from "../store/upstream_schema.ts";
import { claimConnection } from "./connection_records.ts";
import { type ConnectionSettings, ownerOf } from "./connection_settings.ts";
import type { Discovered, Discovery } from "./discovery.ts";
import { obtainClient, type OwnAddress } from "./registration.ts";
import { askAsClient } from "./registration_check.ts";
import { noteIssuer } from "./registration_issuer.ts";
import { boundedScopes } from "./scope_list.ts";
import {
  checkAuthorizationResponse,
  exchangeCode,
  type TokenEndpointParts,
  type UpstreamTokens,
} from "./token_endpoint.ts";
import { UpstreamError } from "./upstream_error.ts";

/** What a connection is made with. */
export interface ConnectParts {
  readonly settings: ConnectionSettings;
  readonly discovery: Discovery;
  readonly tokenEndpoint: TokenEndpointParts;
}

/** Who connects, from where, and what for. */
export interface ConnectStart {
  readonly userId: string;
  /** Value of the browser cookie. */
  readonly browser: string;
  readonly origin: string;
  readonly own: OwnAddress;
  /** A path of ours. */
  readonly returnTo: string;
  /** Scopes that a call was found to need, beside the usual ones. */
  readonly missingScope: readonly string[] | null;
  /** What the connect link named, if the user came by one. */
  readonly pendingId: string | null;
  readonly ttlSeconds: number;
}

/** Stores the connect and returns where to send the browser. The issuer is recorded before it leaves. @throws {UpstreamError} */
export async function beginConnect(
  services: Pick<Services, "store" | "clock" | "random" | "events">,
  parts: ConnectParts,
  start: ConnectStart,
): Promise<string> {
  const { store, clock, random } = services;
  const { settings } = parts;
  const found = await parts.discovery.get();
  const client = await obtainClient(services, parts.tokenEndpoint, {
    settings,
    server: found.server,
    own: start.own,
  });
  const scope = chooseScope(settings, found, start.missingScope);
  const state = createIdentifier(random);
  const connect: ConnectRecord = {
    browserHash: hashSecret(start.browser),
    userId: start.userId,
    connectionId: settings.id,
    owner: ownerOf(settings, start.userId),
    upstreamOrigin: new URL(settings.upstream).origin,
    server: found.server,
    client,
    resource: found.resource,
    scope: scope === null ? null : [...scope],
    redirectUri: start.own.redirectUri,
    codeVerifier: createSecretToken("", random),
    pendingId: start.pendingId,
    returnTo: start.returnTo,
    origin: start.origin,
    expiresAt: clock.now() + start.ttlSeconds * 1000,
  };
  await store.write().set(connects, [hashSecret(state)], connect).commit();
  return await authorizationUrl(settings, connect, state);
}

/** The connect of an answer, if this browser and this user began it; it stays usable for them. */
export async function findConnect(
  services: Pick<Services, "store">,
  state: string,
  who: { readonly browser: string | undefined; readonly userId: string },
): Promise<Entry<ConnectRecord> | null> {
  const entry = await services.store.get(connects, hashSecret(state));
  if (entry === null || who.browser === undefined || entry.value.browserHash !== hashSecret(who.browser)) {
    return null;
  }
  return entry.value.userId === who.userId ? entry : null;
}

/**
 * Checks the answer, uses the connect up, claims the connection for it, notes the issuer of a configured client, and exchanges the code. `null`: it was used up a moment ago.
 * @throws {UpstreamError} @throws {TokenRefusedError}
 */
export async function redeemConnect(
  services: Pick<Services, "store" | "clock" | "random" | "events">,
  parts: Pick<ConnectParts, "settings" | "tokenEndpoint">,
  entry: Entry<ConnectRecord>,
  params: URLSearchParams,
): Promise<UpstreamTokens | null> {
  const usingUp = () => services.store.write().check(entry).delete(connects, ...entry.id);
  let response: URLSearchParams;
  try {
    response = checkAuthorizationResponse(params, entry.value, params.get("state") ?? "");
  } catch (error) {
    // The server's own refusal ends this connect; a forged answer must not.
    if (error instanceof UpstreamError && error.kind !== "forged") await usingUp().commit();
    throw error;
  }
  const { owner, connectionId } = entry.value;
  const claim = { owner, connectionId, holder: entry.id[0] };
  if (!await claimConnection(services, usingUp(), claim).commit()) return null;
  const { server, client, redirectUri } = entry.value;
  const about = { settings: parts.settings, server, client };
  if (parts.settings.clientRegistration.mode === "manual") {
    await noteIssuer(services, { ...about, redirectUri });
  }
  const exchange = () => exchangeCode(parts.tokenEndpoint, entry.value, response);
  return await askAsClient(services, parts.tokenEndpoint, about, exchange);
}

async function authorizationUrl(
  settings: ConnectionSettings,
  connect: ConnectRecord,
  state: string,
): Promise<string> {
  const url = new URL(connect.server.authorizationEndpoint);
  const set = (name: string, value: string | null) => value === null || url.searchParams.set(name, value);
  set("response_type", "code");
  set("client_id", connect.client.clientId);
  set("redirect_uri", connect.redirectUri);
  set("state", state);
  set("code_challenge", await oauth.calculatePKCECodeChallenge(connect.codeVerifier));
  set("code_challenge_method", "S256");
  set("scope", connect.scope === null ? null : connect.scope.join(settings.scopeDelimiter));
  set("resource", connect.resource);
  const offline = connect.scope?.includes("offline_access") ?? false;
  set(
    "prompt",
    settings.prompt === null
      ? (offline ? "consent" : null)
      : settings.prompt === false
      ? null
      : settings.prompt,
  );
  return url.href;
}

/** Configured, else the challenge's, else the resource's, else none; with what a call was missing, and refresh where it is offered. */
export function chooseScope(
  settings: ConnectionSettings,
  found: Discovered,
  missing: readonly string[] | null,
): readonly string[] | null {
  const configured = settings.scopes.length > 0 ? settings.scopes : null;
  const said = found.challengeScope ?? found.resourceScopes;
  if (configured === null && said === null && missing === null) return null;
  if (configured !== null) return [...new Set([...configured, ...boundedScopes(missing ?? [])])];
  const offline = found.server.offersOfflineAccess ? ["offline_access"] : [];
  return [...new Set([...boundedScopes([...said ?? [], ...missing ?? []]), ...offline])];
}
