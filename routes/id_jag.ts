/** The token endpoint's JWT bearer grant: composes the verified assertion, the user it stands for, and the token. */
import type { Context } from "@hono/hono";
import type { Client } from "../lib/authorization_server/client.ts";
import {
  idJagTarget,
  type IdJagVerifier,
  redeemIdJag,
  type VerifiedIdJag,
} from "../lib/authorization_server/id_jag_grant.ts";
import type { TokenPair } from "../lib/authorization_server/token_pair.ts";
import { userIdOf } from "../lib/login/identity.ts";
import { findUserByEmail } from "../lib/login/user.ts";
import { OAuthError } from "../lib/oauth/errors.ts";
import type { Deployment, Env } from "./context.ts";
import { targetOf } from "./targets.ts";

/** Redeems the assertion of the form. @throws {OAuthError} */
export async function redeemAssertion(
  c: Context<Env>,
  deployment: Deployment,
  request: {
    readonly form: URLSearchParams;
    readonly client: Client;
    readonly proven: boolean;
    readonly verifier: IdJagVerifier;
  },
): Promise<TokenPair> {
  const { form, client, verifier } = request;
  const { services, gateway } = deployment;
  if (!request.proven) {
    throw new OAuthError("unauthorized_client", "This grant needs a client that authenticates itself.", {
      reason: "id_jag_public_client",
    });
  }
  const { origin } = c.env;
  const verified = await verifier.verify(form.get("assertion"), {
    client,
    audience: origin,
    now: services.clock.now(),
  });
  const { claims } = verified;
  const target = idJagTarget(
    claims,
    form.getAll("resource"),
    gateway.routes.map((route) => targetOf(origin, route)),
  );
  const userId = await userOf(deployment, verified);
  return await redeemIdJag(services, gateway.oauth.tokens, {
    claims,
    client,
    userId,
    target,
    scope: form.get("scope"),
  });
}

/** By issuer and subject the trusted issuer vouches for the user; by e-mail somebody must have signed in with that address. */
async function userOf(deployment: Deployment, { claims, trusted }: VerifiedIdJag): Promise<string> {
  if (trusted.subjectMapping === "issuer-subject") return userIdOf(claims);
  const userId = claims.email === null ? null : await findUserByEmail(deployment.services, claims.email);
  if (userId !== null) return userId;
  throw new OAuthError("invalid_grant", "The identity assertion is for nobody who is known here.", {
    reason: "id_jag_subject_unknown",
  });
}
