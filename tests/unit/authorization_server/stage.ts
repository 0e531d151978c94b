/** The way from a request to tokens in the fewest steps, for tests that bend one of them. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { redeemCode } from "../../../lib/authorization_server/authorization_code.ts";
import type {
  AuthorizationRequest,
  Target,
} from "../../../lib/authorization_server/authorization_request.ts";
import { type Client, findClient } from "../../../lib/authorization_server/client.ts";
import { registerClient } from "../../../lib/authorization_server/client_registration.ts";
import { approve } from "../../../lib/authorization_server/consent.ts";
import { refresh, type RefreshRequest } from "../../../lib/authorization_server/refresh_token.ts";
import type { TokenLifetimes, TokenPair } from "../../../lib/authorization_server/token_pair.ts";
import { ValidatedRedirect } from "../../../lib/authorization_server/validated_redirect.ts";
import {
  findAuthorization,
  saveAuthorization,
} from "../../../lib/authorization_server/waiting_authorization.ts";
import type { RedirectUriPolicy } from "../../../lib/oauth/redirect_uri.ts";
import { hashSecret, tokenId } from "../../../lib/crypto/secret_token.ts";
import type { Collection, Expiring } from "../../../lib/store/collection.ts";
import {
  accessTokens,
  authorizationCodes,
  type AuthorizationRecord,
  type GrantRecord,
  refreshTokens,
} from "../../../lib/store/schema.ts";
import type { Entry } from "../../../lib/store/store.ts";
import type { TestServices } from "../../support/services.ts";

export const ORIGIN = "https://gateway.example";
export const REDIRECT_URI = "https://client.example/callback";
export const BROWSER = "br_browser-of-the-user";
export const USER = "user-alice";
export const ALPHA: Target = { operationId: "alpha", resource: `${ORIGIN}/alpha` };
export const BETA: Target = { operationId: "beta", resource: `${ORIGIN}/beta` };
export const VERIFIER = "verifier-0123456789-0123456789-0123456789-abc";
export const CHALLENGE = createHash("sha256").update(VERIFIER).digest("base64url");
export const POLICY: RedirectUriPolicy = { schemes: new Set(["com.example.app"]), ownOrigins: [ORIGIN] };
export const LIFETIMES: TokenLifetimes = {
  accessTokenTtlSeconds: 900,
  refreshTokenTtlSeconds: 30 * 86_400,
  grantTtlSeconds: 90 * 86_400,
  refreshGraceSeconds: 120,
};

/** A client that registered: public, unless `metadata` says otherwise. */
export async function someClient(
  services: TestServices,
  metadata: Readonly<Record<string, unknown>> = {},
): Promise<Client & { readonly secret: string | null }> {
  const { clientId, answer } = await registerClient(services, {
    client_name: "Test client",
    redirect_uris: [REDIRECT_URI],
    grant_types: ["authorization_code", "refresh_token"],
    token_endpoint_auth_method: "none",
    ...metadata,
  }, POLICY);
  const client = await findClient(services, { configured: [], documents: null }, clientId);
  assert.ok(client);
  return { ...client, secret: typeof answer.client_secret === "string" ? answer.client_secret : null };
}

/** The redirect of a request that names the client's redirect URI. */
export function redirectOf(client: Client, state: string | null = "s"): ValidatedRedirect {
  const params = new URLSearchParams({ redirect_uri: client.redirectUris[0] ?? "" });
  if (state !== null) params.set("state", state);
  return ValidatedRedirect.validate(params, client, { issuer: ORIGIN, policy: POLICY }).redirect;
}

/** A validated request that waits for its user. */
export async function someWaiting(
  services: TestServices,
  client: Client,
  changes: Partial<AuthorizationRequest> & { readonly redirectUriGiven?: boolean } = {},
): Promise<Entry<AuthorizationRecord>> {
  const { redirectUriGiven = true, ...request } = changes;
  const id = await saveAuthorization(services, {
    client,
    redirect: redirectOf(client),
    redirectUriGiven,
    request: {
      codeChallenge: CHALLENGE,
      target: ALPHA,
      askedScope: ["mcp:tools"],
      scope: ["mcp:tools"],
      prompt: new Set(),
      loginHint: null,
      ...request,
    },
    origin: ORIGIN,
    browser: BROWSER,
    ttlSeconds: 900,
  });
  const entry = await findAuthorization(services, id, BROWSER);
  assert.ok(entry);
  return entry;
}

/** A code that its user approved. */
export async function someCode(
  services: TestServices,
  client: Client,
  changes: Parameters<typeof someWaiting>[2] = {},
): Promise<{ readonly code: string; readonly grant: GrantRecord }> {
  const approved = await approve(services, await someWaiting(services, client, changes), {
    userId: USER,
    client,
    target: changes.target ?? ALPHA,
    grantTtlSeconds: LIFETIMES.grantTtlSeconds,
  });
  assert.ok(approved);
  return approved;
}

/** A right redemption of a code, or one with changes. */
export function redeem(
  services: TestServices,
  client: Client,
  code: string | null,
  changes: Partial<Parameters<typeof redeemCode>[2]> = {},
): Promise<TokenPair> {
  return redeemCode(services, LIFETIMES, {
    client,
    code,
    redirectUri: client.redirectUris[0] ?? null,
    codeVerifier: VERIFIER,
    resource: [],
    scope: null,
    ...changes,
  });
}

/** Tokens of a new grant. */
export async function somePair(
  services: TestServices,
  client: Client,
  changes: Parameters<typeof someWaiting>[2] = {},
): Promise<TokenPair & { readonly refreshToken: string }> {
  const { code } = await someCode(services, client, changes);
  const pair = await redeem(services, client, code);
  return { ...pair, refreshToken: pair.refreshToken ?? "" };
}

/** A right refresh, or one with changes. */
export async function rotate(
  services: TestServices,
  client: Client,
  refreshToken: string | null,
  changes: Partial<RefreshRequest> & { readonly lifetimes?: Partial<TokenLifetimes> } = {},
): Promise<TokenPair & { readonly refreshToken: string }> {
  const { lifetimes, ...request } = changes;
  const pair = await refresh(services, { ...LIFETIMES, ...lifetimes }, {
    client,
    refreshToken,
    resource: [],
    scope: null,
    ...request,
  });
  return { ...pair, refreshToken: pair.refreshToken ?? "" };
}

/** A token as gateways issued it before tokens carried their time, in place of this one: its row's id is the hash alone. */
export async function olderForm(services: TestServices, token: string): Promise<string> {
  const older = token.slice(0, 3) + token.slice(-43);
  const kinds = { at_: accessTokens, rt_: refreshTokens, ac_: authorizationCodes };
  const kind: Collection<Expiring> | undefined = Object.entries(kinds).find(([prefix]) =>
    token.startsWith(prefix)
  )?.[1];
  assert.ok(kind);
  const { kv } = services;
  const row = await kv.get([kind.name, tokenId(token)]);
  assert.ok(row.versionstamp);
  await kv.atomic().delete(row.key).set([kind.name, hashSecret(older)], row.value).commit();
  return older;
}

/** Asserts that a step is refused with this code and this reason in the log. */
export async function refuses(step: () => Promise<unknown>, code: string, reason: string): Promise<void> {
  await assert.rejects(step, (error: Error) => {
    assert.ok("code" in error && "reason" in error, String(error));
    assert.deepEqual([error.code, error.reason], [code, reason]);
    return true;
  });
}
