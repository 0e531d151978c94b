/** Protected resource metadata (RFC 9728), one document a route. */
import type { Context } from "@hono/hono";
import { WELL_KNOWN } from "../lib/oauth/paths.ts";
import { protectedResourceMetadata } from "../lib/oauth/protected_resource_metadata.ts";
import { resourceOf } from "../lib/oauth/resource_indicator.ts";
import type { Deployment, Env } from "./context.ts";
import { metadataAnswer, metadataNotFound, suffixOf } from "./metadata.ts";

/** The document of the route that the path names; at the root only if there is exactly one route. */
export function protectedResourceDocument(deployment: Deployment): (c: Context<Env>) => Response {
  const { gateway } = deployment;
  const [only, ...others] = gateway.routes;
  return (c) => {
    const suffix = suffixOf(c, WELL_KNOWN.protectedResource);
    // A root document that named one of several routes would break clients that compare it with the URL they were given.
    const route = suffix === ""
      ? (others.length === 0 ? only : undefined)
      : gateway.routes.find((each) => each.path === suffix);
    if (route === undefined) return metadataNotFound();
    const { origin } = c.env;
    const resource = resourceOf(origin, route.path);
    return metadataAnswer(
      gateway,
      protectedResourceMetadata({ resource, name: route.title, issuer: origin }),
    );
  };
}
