/** The credential of an ID-JAG connection: composes the assertion kept from the login, its renewal, and the exchanges. */
import { LoginError } from "../lib/login/login_error.ts";
import { userIdOf } from "../lib/login/identity.ts";
import { rememberUser } from "../lib/login/user.ts";
import { type UserRecord, users } from "../lib/store/schema.ts";
import type { Credential } from "../lib/upstream/credential.ts";
import type { IdJagTokens } from "../lib/upstream/id_jag.ts";
import { UpstreamError } from "../lib/upstream/upstream_error.ts";
import type { Deployment } from "./context.ts";

/** An assertion is exchanged only while it has this much left, in milliseconds. */
const MARGIN_MS = 10_000;

/** The user's access token, other than the `rejected` one; `absent`: the user has to sign in again. @throws {UpstreamError} */
export async function idJagCredential(
  deployment: Deployment,
  tokens: IdJagTokens,
  who: { readonly userId: string; readonly rejected: string | null },
): Promise<Credential> {
  const known = tokens.known(who.userId, who.rejected);
  if (known !== null) return { kind: "ready", accessToken: known };
  const assertion = await assertionOf(deployment, who.userId);
  if (assertion === null) return { kind: "absent" };
  return { kind: "ready", accessToken: await tokens.obtain(who.userId, assertion) };
}

/** The identity assertion kept from the login, renewed with the provider's refresh token if it has expired and there is one. */
async function assertionOf(deployment: Deployment, userId: string): Promise<string | null> {
  const { store, clock } = deployment.services;
  const user = await store.get(users, userId);
  if (user === null) return null;
  const { idToken, idTokenExpiresAt } = user.value;
  if (idToken !== null && clock.now() < idTokenExpiresAt - MARGIN_MS) return idToken;
  return await renewed(deployment, user.value);
}

async function renewed(
  { services, gateway, identityProvider, users: known }: Deployment,
  user: UserRecord,
): Promise<string | null> {
  if (identityProvider === null || user.providerRefreshToken === null) return null;
  try {
    const { identity, claims, expiresAt, idToken, refreshToken } = await identityProvider.renew(
      user.providerRefreshToken,
      user.subject,
    );
    const kept = idToken === null ? null : { value: idToken, expiresAt };
    await rememberUser(
      services,
      { identity, claims, idToken: kept, refreshToken },
      gateway.oauth.tokens.grantTtlSeconds,
    );
    known.forget(userIdOf(identity));
    return idToken;
  } catch (error) {
    if (!(error instanceof LoginError)) throw error;
    // An outage may pass; everything else ends with the user signing in again.
    if (error.kind === "unavailable") throw new UpstreamError("unavailable", error.reason, { cause: error });
    return null;
  }
}
