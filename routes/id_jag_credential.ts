/** The credential of an ID-JAG connection: composes the assertion kept from the login and the exchanges. */
import { identityAssertion } from "../lib/login/identity_assertion.ts";
import { LoginError } from "../lib/login/login_error.ts";
import type { Credential } from "../lib/upstream/credential.ts";
import type { IdJagTokens } from "../lib/upstream/id_jag.ts";
import { UpstreamError } from "../lib/upstream/upstream_error.ts";
import type { Deployment } from "./context.ts";

/** The user's access token, other than the `rejected` one: one that is known, else a new one; `absent`: the user has to sign in again. @throws {UpstreamError} */
export async function idJagCredential(
  deployment: Deployment,
  tokens: IdJagTokens,
  who: { readonly userId: string; readonly rejected: string | null },
): Promise<Credential> {
  const known = knownCredential(tokens, who);
  if (known !== null) return known;
  const assertion = await assertionOf(deployment, who.userId);
  if (assertion === null) return { kind: "absent" };
  try {
    // Somebody else may have obtained one while the assertion was renewed.
    return knownCredential(tokens, who) ??
      { kind: "ready", accessToken: await tokens.obtain(who.userId, assertion), refreshed: true };
  } catch (error) {
    if (error instanceof UpstreamError && error.kind === "denied") return { kind: "absent" };
    throw error;
  }
}

function knownCredential(
  tokens: IdJagTokens,
  { userId, rejected }: { readonly userId: string; readonly rejected: string | null },
): Credential | null {
  const accessToken = tokens.known(userId, rejected);
  return accessToken === null ? null : { kind: "ready", accessToken, refreshed: false };
}

async function assertionOf(
  { services, gateway, identityProvider: provider }: Deployment,
  userId: string,
): Promise<string | null> {
  const { grantTtlSeconds: ttlSeconds } = gateway.oauth.tokens;
  try {
    return await identityAssertion(services, { userId, provider, ttlSeconds });
  } catch (error) {
    if (!(error instanceof LoginError)) throw error;
    throw new UpstreamError("unavailable", error.reason, { cause: error });
  }
}
