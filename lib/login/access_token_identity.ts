/**
 * Who signed in at a provider that sends no ID token: its access token is a JWT under keys of this client's own, and says who it is for.
 * It has no nonce; PKCE and `state` bind the code to the browser.
 */
import type { JWTVerifyGetKey } from "jose";
import { z } from "zod";
import type { Clock } from "../runtime/clock.ts";
import { identityOf, IdTokenError, type VerifiedIdToken, verifySignedClaims } from "./id_token.ts";

/** The profile beside the token, as far as it is used. */
const profile = z.object({
  id: z.string(),
  email: z.string().nullish().catch(null),
  email_verified: z.boolean().nullish().catch(null),
  first_name: z.string().nullish().catch(null),
  last_name: z.string().nullish().catch(null),
});

/**
 * Verifies the token and takes name and address from the profile that came with it.
 * @throws {IdTokenError} if the answer is not to be believed, or somebody else acts as the user.
 * @throws other errors if the keys cannot be fetched.
 */
export async function verifyAccessTokenIdentity(
  answer: Readonly<Record<string, unknown>>,
  keys: JWTVerifyGetKey,
  expected: { readonly issuer: string; readonly issuers: readonly string[]; readonly clock: Clock },
): Promise<VerifiedIdToken> {
  if (typeof answer.access_token !== "string") throw new IdTokenError("access_token_missing");
  const { issuers: issuer, clock } = expected;
  const { claims, subject, expiresAt } = await verifySignedClaims(answer.access_token, keys, {
    issuer,
    clock,
  });
  const user = profile.safeParse(answer.user);
  if (!user.success || user.data.id !== subject) throw new IdTokenError("access_token_profile_differs");
  if (claims.act !== undefined || (answer.impersonator ?? null) !== null) {
    throw new IdTokenError("access_token_impersonated");
  }
  const { email, email_verified, first_name, last_name } = user.data;
  const name = [first_name, last_name].filter(Boolean).join(" ");
  const described = { ...claims, name, email: email ?? undefined, email_verified: email_verified ?? false };
  return { identity: identityOf(expected.issuer, subject, described), claims: described, expiresAt };
}
