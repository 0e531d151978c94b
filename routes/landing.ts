/** The landing page: the routes, and how to add each to a client. */
import type { Context } from "@hono/hono";
import { PATHS } from "../lib/oauth/paths.ts";
import { resourceOf } from "../lib/oauth/resource_indicator.ts";
import { currentSession } from "./browser.ts";
import type { Deployment, Env } from "./context.ts";
import { landingPage } from "./views/landing.ts";
import { pageHeaders } from "./views/page_headers.ts";

/** GET `/`. */
export function landing(deployment: Deployment): (c: Context<Env>) => Promise<Response> {
  const { gateway } = deployment;
  return async (c) => {
    const session = await currentSession(c, deployment);
    const html = await landingPage({
      routes: gateway.routes.map((route) => ({
        title: route.title,
        url: resourceOf(c.env.origin, route.path),
        description: route.description,
        operationId: route.operationId,
      })),
      development: gateway.mode === "development",
      signedIn: session === null ? null : { name: session.name ?? session.email ?? session.subject },
      accountPath: gateway.basePath + PATHS.account,
      basePath: gateway.basePath,
    });
    return new Response(html, { headers: pageHeaders({ formActionSelf: true, standalone: true }) });
  };
}
