/** Authorization server metadata (RFC 8414), also under the OpenID Connect names that clients try. */
import type { Context } from "@hono/hono";
import type { Route } from "../lib/gateway/gateway.ts";
import { authorizationServerMetadata, GRANT_TYPES } from "../lib/oauth/authorization_server_metadata.ts";
import { CLIENT_AUTH_METHODS } from "../lib/authorization_server/client_authentication.ts";
import { resourceOf } from "../lib/oauth/resource_indicator.ts";
import type { Deployment, Env } from "./context.ts";
import { metadataAnswer, metadataNotFound, suffixOf } from "./metadata.ts";

/** The document at `wellKnown` for the origin as issuer, and at `wellKnown` + a route's path for the route as issuer. */
export function authorizationServerDocument(
  deployment: Deployment,
  wellKnown: string,
): (c: Context<Env>) => Response {
  return (c) => {
    const suffix = suffixOf(c, wellKnown);
    if (suffix === "") return documentFor(c, deployment, null);
    const route = deployment.gateway.routes.find((each) => each.path === suffix);
    return route === undefined ? metadataNotFound() : documentFor(c, deployment, route);
  };
}

/** The document of one route, for the form that appends the well-known name to the issuer. */
export function routeDocument(deployment: Deployment, route: Route): (c: Context<Env>) => Response {
  return (c) => documentFor(c, deployment, route);
}

function documentFor(c: Context<Env>, { gateway }: Deployment, route: Route | null): Response {
  const { origin } = c.env;
  return metadataAnswer(
    gateway,
    authorizationServerMetadata({
      issuer: route === null ? origin : resourceOf(origin, route.path),
      origin,
      basePath: gateway.basePath,
      routePath: route?.path ?? null,
      cimd: gateway.oauth.cimdEnabled,
      dcr: gateway.oauth.dcrEnabled,
      idJag: gateway.oauth.idJag !== null,
      authMethods: CLIENT_AUTH_METHODS,
      grantTypes: GRANT_TYPES,
    }),
  );
}
