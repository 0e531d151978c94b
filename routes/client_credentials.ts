/** Who asks at the token and revocation endpoints. */
import type { Context } from "@hono/hono";
import type { Client } from "../lib/authorization_server/client.ts";
import { authenticateClient } from "../lib/authorization_server/client_authentication.ts";
import { ALIASES, PATHS } from "../lib/oauth/paths.ts";
import type { Deployment, Env } from "./context.ts";
import { targetOf } from "./targets.ts";

/** The authenticated client of a request. @throws {OAuthError} as `authenticateClient` */
export async function authenticate(
  c: Context<Env>,
  deployment: Deployment,
  form: URLSearchParams,
): Promise<Client> {
  const { services, clientSources: sources, clientKeys: keys } = deployment;
  return await authenticateClient(services, { sources, keys, audiences: assertionAudiences(c, deployment) }, {
    authorization: c.req.header("authorization") ?? null,
    clientId: form.get("client_id"),
    clientSecret: form.get("client_secret"),
    assertionType: form.get("client_assertion_type"),
    assertion: form.get("client_assertion"),
  });
}

/** Every issuer form that we publish, and the token endpoint's URL under both of its names. */
function assertionAudiences(c: Context<Env>, { gateway }: Deployment): readonly string[] {
  const { origin } = c.env;
  return [
    origin,
    ...gateway.routes.map((route) => targetOf(origin, route).resource),
    origin + gateway.basePath + PATHS.token,
    origin + ALIASES.token,
  ];
}
