/** Back from an upstream's authorization server: same browser, same user, same connection, or nothing happens. */
import type { Context } from "@hono/hono";
import { PageError } from "../lib/http/page_error.ts";
import { findConnect, redeemConnect } from "../lib/upstream/connect.ts";
import { browserCookie, currentSession, seeOther } from "./browser.ts";
import { closePendingConnect } from "../lib/upstream/pending_connect.ts";
import { accountAfter, explainUpstream, requireMayConnect, requireUpstream } from "./connect.ts";
import type { Deployment, Env } from "./context.ts";
import type { UpstreamConnection } from "./upstream_connections.ts";

/** GET: checks the answer, exchanges its code, stores the credential sealed. */
export function connectCallback(deployment: Deployment): (c: Context<Env>) => Promise<Response> {
  const { services } = deployment;
  return async (c) => {
    const upstream = requireUpstream(c, deployment);
    const params = new URL(c.req.url).searchParams;
    const [state, ...others] = params.getAll("state");
    const session = await currentSession(c, deployment);
    if (session === null || state === undefined || others.length > 0) {
      throw foreign("connect_without_session_or_state");
    }
    const entry = await findConnect(services, state, { browser: browserCookie(c), userId: session.userId });
    if (entry === null || entry.value.origin !== c.env.origin) throw foreign("connect_of_another_or_expired");
    if (entry.value.connectionId !== upstream.settings.id) {
      throw foreign("connect_of_another_connection", 400);
    }
    // Whoever was an administrator when the flow began need not be one by now.
    requireMayConnect(deployment, upstream, session);
    const about = {
      requestId: c.env.requestId,
      upstreamServerId: upstream.settings.id,
      subjectId: session.userId,
    };
    try {
      const tokens = await redeemConnect(services, upstream, entry, params);
      if (tokens === null) throw foreign("connect_already_finished", 400);
      if (!await upstream.connections.store(entry, tokens)) throw overtaken(upstream, entry.value.returnTo);
    } catch (error) {
      const told = explainUpstream(error, upstream, entry.value.returnTo);
      if (told instanceof PageError) {
        services.events.emit("warn", "mcp_auth_upstream_connection_refused", {
          ...about,
          reasonCode: told.page.reason,
        });
      }
      throw told;
    }
    const { pendingId, returnTo } = entry.value;
    if (pendingId !== null) await closePendingConnect(services, pendingId);
    services.events.emit("info", "mcp_auth_upstream_connection_established", about);
    return seeOther(c, pendingId === null ? returnTo : accountAfter(deployment, upstream));
  };
}

/** The later step counts: a disconnect, or a connect that was finished in another window. */
function overtaken({ settings }: UpstreamConnection, returnTo: string): PageError {
  const name = settings.displayName;
  return new PageError({
    status: 409,
    title: `${name} was connected or disconnected elsewhere`,
    happened:
      `While this connection was being finished, you disconnected ${name} or finished connecting it in another window. That counts, so this one was not kept.`,
    todo: "Go on to see how things stand.",
    reason: "connect_overtaken",
    action: { label: "Go on", href: returnTo },
  });
}

function foreign(reason: string, status: 400 | 403 = 403): PageError {
  return new PageError({
    status,
    title: "This connection was started elsewhere",
    happened:
      "The answer belongs to another browser, another user or another server, or it came too late. Nothing was connected.",
    todo: "Go back to your app and start again from there. If somebody sent you a link, do not use it.",
    reason,
  });
}
