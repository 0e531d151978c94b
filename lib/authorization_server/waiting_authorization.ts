/** An authorization request while it waits for its user: stored, random, short-lived, bound to one browser and then to one user. */
import { createIdentifier, hashSecret } from "../crypto/secret_token.ts";
import type { Services } from "../services.ts";
import { type AuthorizationRecord, authorizations } from "../store/schema.ts";
import type { Entry } from "../store/store.ts";
import { type AuthorizationRequest, signInPrompt } from "./authorization_request.ts";
import type { Client } from "./client.ts";
import type { ValidatedRedirect } from "./validated_redirect.ts";

/** What is kept of a validated request. */
export interface WaitingAuthorization {
  readonly client: Client;
  readonly redirect: ValidatedRedirect;
  readonly redirectUriGiven: boolean;
  readonly request: AuthorizationRequest;
  readonly origin: string;
  /** Value of the browser cookie. */
  readonly browser: string;
  readonly ttlSeconds: number;
}

/** Stores the request and returns its transaction id, which names it and is no credential. */
export async function saveAuthorization(
  services: Pick<Services, "store" | "clock" | "random">,
  waiting: WaitingAuthorization,
): Promise<string> {
  const { store, clock, random } = services;
  const { redirect, request } = waiting;
  const transactionId = createIdentifier(random);
  await store.write().set(authorizations, [hashSecret(transactionId)], {
    transactionId,
    browserHash: hashSecret(waiting.browser),
    csrfToken: createIdentifier(random),
    userId: null,
    clientId: waiting.client.clientId,
    redirectUri: redirect.uri,
    redirectUriGiven: waiting.redirectUriGiven,
    state: redirect.state,
    codeChallenge: request.codeChallenge,
    origin: waiting.origin,
    issuer: redirect.issuer,
    operationId: request.target?.operationId ?? null,
    askedScope: [...request.askedScope],
    scope: [...request.scope],
    prompt: signInPrompt(request.prompt),
    requestedAt: clock.now(),
    expiresAt: clock.now() + waiting.ttlSeconds * 1000,
  }).commit();
  return transactionId;
}

/** Whether there is such a request, whoever brought it. */
export async function hasAuthorization(
  { store }: Pick<Services, "store">,
  transactionId: string,
): Promise<boolean> {
  return await store.get(authorizations, hashSecret(transactionId)) !== null;
}

/** The waiting request, if this browser brought it. */
export async function findAuthorization(
  services: Pick<Services, "store">,
  transactionId: string,
  browser: string | undefined,
): Promise<Entry<AuthorizationRecord> | null> {
  const entry = await services.store.get(authorizations, hashSecret(transactionId));
  return entry !== null && browser !== undefined && entry.value.browserHash === hashSecret(browser)
    ? entry
    : null;
}

/**
 * Binds the request to a user, or with `null` frees it for another one. `null` is returned if it was decided or bound to somebody
 * else meanwhile; a page that is loaded twice at once binds it twice to the same user, and both loads succeed.
 */
export async function bindUser(
  services: Pick<Services, "store">,
  entry: Entry<AuthorizationRecord>,
  userId: string | null,
): Promise<Entry<AuthorizationRecord> | null> {
  const value: AuthorizationRecord = { ...entry.value, userId };
  await services.store.write().check(entry).set(authorizations, entry.id, value).commit();
  const now = await services.store.get(authorizations, ...entry.id);
  return now !== null && now.value.userId === userId ? now : null;
}
