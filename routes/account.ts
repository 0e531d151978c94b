/** The account page: my connections and my clients, and how to end them; sign out here and at the identity provider. */
import type { Context } from "@hono/hono";
import { revokeGrant } from "../lib/authorization_server/grant.ts";
import { closeSession } from "../lib/login/session.ts";
import { connectPath, PATHS } from "../lib/oauth/paths.ts";
import { type GrantRecord, grants, grantsByUser, type SessionRecord } from "../lib/store/schema.ts";
import {
  checkSessionCsrfToken,
  clearBrowserCookies,
  currentSession,
  ensureBrowserCookie,
  refuseCrossSite,
  seeOther,
  sessionCookie,
  sessionCsrfToken,
} from "./browser.ts";
import { startConnect } from "./connect.ts";
import type { Deployment, Env } from "./context.ts";
import { readForm } from "./form.ts";
import { startLogin } from "./login.ts";
import { connectionsOf, type OwnConnection } from "./own_connections.ts";
import { ownerOf } from "../lib/upstream/connection_settings.ts";
import { accountPage } from "./views/account.ts";
import { pageHeaders } from "./views/page_headers.ts";

const MAX_APPS = 200;
/** For how long a connection is a new one, in milliseconds. */
const RECENT_MS = 5 * 60_000;

/** GET: the page, for whoever is signed in. */
export function account(deployment: Deployment): (c: Context<Env>) => Promise<Response> {
  const { gateway } = deployment;
  return async (c) => {
    const session = await currentSession(c, deployment);
    if (session === null) return await signInFirst(c, deployment);
    const own = await connectionsOf(deployment, session);
    const html = await accountPage({
      action: gateway.basePath + PATHS.account,
      csrfToken: sessionCsrfToken(c, deployment),
      user: { name: session.name ?? session.email ?? session.subject, detail: session.email },
      done: doneWith(deployment, c.req.query("connected"), { own, session }),
      connections: own.map(({ upstream, standing }) => ({
        id: upstream.settings.id,
        name: upstream.settings.displayName,
        shared: upstream.settings.authMode === "shared-oauth",
        state: standing?.state ?? "none",
        connectedAt: standing === null ? null : new Date(standing.connectedAt).toISOString(),
      })),
      apps: (await approvedBy(deployment, session)).map((grant) => ({
        grantId: grant.grantId,
        name: grant.clientName,
        clientId: grant.clientId,
        route: gateway.routes.find((route) => route.operationId === grant.operationId)?.title ??
          grant.operationId,
        approvedAt: new Date(grant.approvedAt).toISOString(),
      })),
      basePath: gateway.basePath,
      requestId: c.env.requestId,
    });
    // No `form-action`: signing out may go on to the identity provider.
    return new Response(html, { headers: pageHeaders({ formActionSelf: false, standalone: true }) });
  };
}

/** POST: connect or disconnect one upstream, revoke one app, or sign out. */
export function accountDecision(deployment: Deployment): (c: Context<Env>) => Promise<Response> {
  const { services, gateway } = deployment;
  return async (c) => {
    refuseCrossSite(c);
    const form = await readForm(deployment, c.req.raw);
    const session = await currentSession(c, deployment);
    if (session === null) return await signInFirst(c, deployment);
    checkSessionCsrfToken(c, deployment, form.get("csrf_token"));
    const returnTo = gateway.basePath + PATHS.account;
    switch (form.get("action")) {
      case "sign_out":
        return await signOut(c, deployment);
      case "connect":
      case "disconnect": {
        const mine = await connectionsOf(deployment, session);
        const own = mine.find(({ upstream }) => upstream.settings.id === form.get("connection"));
        if (own === undefined) return seeOther(c, returnTo);
        if (form.get("action") === "connect") {
          // Its page lists what is asked for in addition; this one has no room for it.
          if (own.standing !== null && own.standing.missingScope.length > 0) {
            return seeOther(c, gateway.basePath + connectPath(own.upstream.settings.id));
          }
          return await startConnect(c, deployment, {
            upstream: own.upstream,
            session,
            pending: null,
            returnTo,
          });
        }
        await own.upstream.connections.disconnect(ownerOf(own.upstream.settings, session.userId));
        services.events.emit("info", "mcp_auth_upstream_disconnected", {
          requestId: c.env.requestId,
          upstreamServerId: own.upstream.settings.id,
          subjectId: session.userId,
        });
        return seeOther(c, returnTo);
      }
    }
    const grant = await services.store.get(grants, form.get("grant") ?? "");
    // Somebody else's grant, or one that is gone, is left alone: the page then shows how things are.
    if (form.get("action") === "revoke" && grant?.value.userId === session.userId) {
      await revokeGrant(services, grant.value, "revoked_by_user");
    }
    return seeOther(c, gateway.basePath + PATHS.account);
  };
}

/** Name of the server that the user has just connected, or signed in anew for, as an app had asked. The address alone makes nothing so. */
function doneWith(
  { upstreams, services }: Deployment,
  id: string | undefined,
  { own, session }: { readonly own: readonly OwnConnection[]; readonly session: SessionRecord },
): string | null {
  const upstream = upstreams.get(id ?? "");
  const since = upstream?.idJag
    ? session.signedInAt
    : own.find((each) => each.upstream === upstream && each.standing?.state === "works")?.standing
      ?.connectedAt;
  const isRecent = since !== undefined && services.clock.now() - since < RECENT_MS;
  return upstream !== undefined && isRecent ? upstream.settings.displayName : null;
}

async function signOut(c: Context<Env>, deployment: Deployment): Promise<Response> {
  const { services, gateway, identityProvider } = deployment;
  const home = gateway.basePath === "" ? PATHS.landing : gateway.basePath;
  await closeSession(services, sessionCookie(c));
  // The browser starts as a new one, so what it had begun before is dead, too.
  clearBrowserCookies(c);
  const atProvider = await identityProvider?.endSessionUrl(c.env.origin + home);
  return seeOther(c, atProvider ?? home);
}

async function approvedBy(deployment: Deployment, session: SessionRecord): Promise<GrantRecord[]> {
  const { store } = deployment.services;
  const found: GrantRecord[] = [];
  for await (const { id } of store.list(grantsByUser, session.userId)) {
    const grant = await store.get(grants, id[1] ?? "");
    if (grant !== null) found.push(grant.value);
    if (found.length === MAX_APPS) break;
  }
  return found.sort((a, b) => b.approvedAt - a.approvedAt);
}

async function signInFirst(c: Context<Env>, deployment: Deployment): Promise<Response> {
  const returnTo = deployment.gateway.basePath + PATHS.account;
  const browser = ensureBrowserCookie(c, deployment);
  return await startLogin(c, deployment, { returnTo, loginHint: null, prompt: null, browser });
}
