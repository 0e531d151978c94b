/**
 * Starting upstream OAuth. A connect link only names what has to be connected: opening it needs a session of the very user it was made for,
 * and nothing happens before that user presses the button (corpus B14 211–222).
 */
import type { Context } from "@hono/hono";
import { PageError } from "../lib/http/page_error.ts";
import { connectPath, PATHS } from "../lib/oauth/paths.ts";
import type { SessionRecord } from "../lib/store/schema.ts";
import { RecordTooLargeError } from "../lib/store/store.ts";
import type { PendingConnectRecord } from "../lib/store/upstream_schema.ts";
import { beginConnect } from "../lib/upstream/connect.ts";
import { ownerOf } from "../lib/upstream/connection_settings.ts";
import { findPendingConnect } from "../lib/upstream/pending_connect.ts";
import { TokenRefusedError } from "../lib/upstream/token_endpoint.ts";
import { UpstreamError } from "../lib/upstream/upstream_error.ts";
import {
  checkSessionCsrfToken,
  currentSession,
  ensureBrowserCookie,
  refuseCrossSite,
  seeOther,
  sessionCsrfToken,
} from "./browser.ts";
import type { Deployment, Env } from "./context.ts";
import { readForm } from "./form.ts";
import { startLogin } from "./login.ts";
import { ownAddress, type UpstreamConnection } from "./upstream_connections.ts";
import { connectPage } from "./views/connect.ts";
import { pageHeaders } from "./views/page_headers.ts";

/** A login this young, in milliseconds, is the one that an ID-JAG connection asked for. */
const FRESH_LOGIN_MS = 60_000;

/** GET: what is to be connected, and the button. Nothing is consumed: link previews may look. */
export function connect(deployment: Deployment): (c: Context<Env>) => Promise<Response> {
  return async (c) => {
    const upstream = requireUpstream(c, deployment);
    const session = await currentSession(c, deployment);
    const pendingId = c.req.query("pending") ?? null;
    if (session === null) return await signInFirst(c, deployment, { upstream, pendingId });
    const pending = await requirePending(deployment, { upstream, pendingId, session });
    if (upstream.idJag !== null) return await signInAgain(c, deployment, { upstream, pendingId, session });
    requireMayConnect(deployment, upstream, session);
    const html = await connectPage({
      action: deployment.gateway.basePath + connectPath(upstream.settings.id),
      csrfToken: sessionCsrfToken(c, deployment),
      pendingId,
      displayName: upstream.settings.displayName,
      host: new URL(upstream.settings.upstream).host,
      shared: upstream.settings.authMode === "shared-oauth",
      addedScopes: (await neededScope(upstream, session, pending)).added,
      user: { name: session.name ?? session.email ?? session.subject, detail: session.email },
      basePath: deployment.gateway.basePath,
      requestId: c.env.requestId,
    });
    return new Response(html, { headers: pageHeaders({ formActionSelf: false }) });
  };
}

/** POST: off to the upstream's authorization server. */
export function connectDecision(deployment: Deployment): (c: Context<Env>) => Promise<Response> {
  return async (c) => {
    refuseCrossSite(c);
    const form = await readForm(deployment, c.req.raw);
    const upstream = requireUpstream(c, deployment);
    const session = await currentSession(c, deployment);
    const pendingId = form.get("pending") || null;
    if (session === null) return await signInFirst(c, deployment, { upstream, pendingId });
    checkSessionCsrfToken(c, deployment, form.get("csrf_token"));
    return await startConnect(c, deployment, {
      upstream,
      session,
      pending: await requirePending(deployment, { upstream, pendingId, session }),
      returnTo: deployment.gateway.basePath + PATHS.account,
    });
  };
}

/** Redirects to the upstream's authorization server. Its faults are a page. */
export async function startConnect(
  c: Context<Env>,
  deployment: Deployment,
  request: {
    readonly upstream: UpstreamConnection;
    readonly session: SessionRecord;
    /** What the link named that the user came by, if any. */
    readonly pending: Pending | null;
    /** A path of ours. */
    readonly returnTo: string;
  },
): Promise<Response> {
  const { services, gateway } = deployment;
  const { upstream, session, pending, returnTo } = request;
  requireMayConnect(deployment, upstream, session);
  if (upstream.idJag !== null) return seeOther(c, returnTo);
  const { former, added } = await neededScope(upstream, session, pending);
  try {
    const location = await beginConnect(services, upstream, {
      userId: session.userId,
      browser: ensureBrowserCookie(c, deployment),
      origin: c.env.origin,
      own: ownAddress(c.env.origin, gateway, upstream.settings),
      returnTo,
      missingScope: added.length === 0 ? null : [...former, ...added],
      pendingId: pending?.id ?? null,
      ttlSeconds: gateway.oauth.stateTtlSeconds,
    });
    services.events.emit("info", "mcp_auth_upstream_connect_started", {
      requestId: c.env.requestId,
      upstreamServerId: upstream.settings.id,
      subjectId: session.userId,
    });
    return seeOther(c, location);
  } catch (error) {
    upstream.discovery.forget();
    throw explainUpstream(error, upstream, returnTo);
  }
}

/** The connection that the path names. @throws {PageError} 404 */
export function requireUpstream(c: Context<Env>, { upstreams }: Deployment): UpstreamConnection {
  const upstream = upstreams.get(c.req.param("connection") ?? "");
  if (upstream !== undefined) return upstream;
  throw new PageError({
    status: 404,
    title: "There is no such connection",
    happened: "The address names a server that is not connected through this gateway.",
    todo: "Go back to your app and try again from there.",
    reason: "connection_unknown",
  });
}

/** A fault between us and the upstream, as the page that tells it; anything else as it is. */
export function explainUpstream(error: unknown, upstream: UpstreamConnection, returnTo: string): unknown {
  const tooLarge = error instanceof RecordTooLargeError;
  const kind = error instanceof UpstreamError
    ? error.kind
    : error instanceof TokenRefusedError || tooLarge
    ? "refused"
    : null;
  if (kind === null) return error;
  const name = upstream.settings.displayName;
  const texts = {
    unavailable: [
      502,
      `${name} does not answer`,
      `The gateway could not reach ${name}, or it is out of order.`,
      "Wait a moment and start again below.",
    ],
    refused: [
      502,
      `${name} cannot be connected`,
      `What ${name} answered is not what the gateway may accept, so nothing was connected.`,
      "Start again below. If it happens again, give the request id to whoever runs this gateway: its log says why.",
    ],
    denied: [
      403,
      `${name} was not connected`,
      `You, or ${name}, did not allow the connection.`,
      "Start again below if you want to connect it.",
    ],
    forged: [
      400,
      "This is not an answer that was asked for",
      "The answer did not come from where the gateway sent you.",
      "Start again below.",
    ],
  } as const;
  const [status, title, happened, todo] = texts[kind];
  const reason = error instanceof UpstreamError
    ? error.reason
    : tooLarge
    ? "upstream_answer_too_large"
    : `upstream_${error instanceof TokenRefusedError ? error.code : "refused"}`;
  return new PageError({
    status,
    title,
    happened,
    todo,
    reason: reason.slice(0, 64),
    action: { label: "Start again", href: returnTo },
    cause: error,
  });
}

/** Shared upstreams are connected by the operator's administrators only. @throws {PageError} 403 */
export function requireMayConnect(
  deployment: Deployment,
  upstream: UpstreamConnection,
  session: SessionRecord,
): void {
  if (upstream.settings.authMode !== "shared-oauth" || deployment.gateway.admins(session) === true) return;
  throw new PageError({
    status: 403,
    title: "An administrator has to connect this",
    happened:
      `${upstream.settings.displayName} is connected once for everybody, which is for an administrator to do.`,
    todo: "Ask whoever runs this gateway.",
    reason: "connect_not_admin",
  });
}

/** What a connect link named. */
interface Pending {
  readonly id: string;
  readonly record: PendingConnectRecord;
}

/** The pending operation, if the link names one: it has to be this user's. @throws {PageError} 403 */
async function requirePending(
  deployment: Deployment,
  request: {
    readonly upstream: UpstreamConnection;
    readonly pendingId: string | null;
    readonly session: SessionRecord;
  },
): Promise<Pending | null> {
  const { upstream, pendingId, session } = request;
  if (pendingId === null) return null;
  const record = await findPendingConnect(deployment.services, pendingId, {
    userId: session.userId,
    connectionId: upstream.settings.id,
  });
  if (record !== null) return { id: pendingId, record };
  throw new PageError({
    status: 403,
    title: "This link is not for you, or has ended",
    happened:
      "A connect link works for fifteen minutes, until you have connected by it, and only for the person whose app asked for it.",
    todo:
      "If you have connected just now, there is nothing left to do. Else go back to your app and try again from there. If somebody sent you this link, do not use it.",
    reason: "pending_of_another_or_ended",
  });
}

/** What the upstream was found to need: before, and for the call that the link is about. */
async function neededScope(
  { connections, settings }: UpstreamConnection,
  session: SessionRecord,
  pending: Pending | null,
): Promise<{ readonly former: readonly string[]; readonly added: readonly string[] }> {
  const standing = await connections.standing(ownerOf(settings, session.userId));
  const added = new Set([...standing?.missingScope ?? [], ...pending?.record.scope ?? []]);
  return { former: standing?.scope ?? [], added: [...added] };
}

/** An ID-JAG connection needs nothing but a fresh login; whoever comes back from it is done. */
async function signInAgain(
  c: Context<Env>,
  deployment: Deployment,
  request: {
    readonly upstream: UpstreamConnection;
    readonly pendingId: string | null;
    readonly session: SessionRecord;
  },
): Promise<Response> {
  const { services } = deployment;
  const fresh = services.clock.now() - request.session.signedInAt < FRESH_LOGIN_MS;
  if (!fresh) return await signInFirst(c, deployment, request, "login");
  return seeOther(c, accountAfter(deployment, request.upstream));
}

/** The account page for somebody who came by an app's link and is done: it says so, and sends them back to the app. */
export function accountAfter({ gateway }: Deployment, { settings }: UpstreamConnection): string {
  return `${gateway.basePath}${PATHS.account}?connected=${encodeURIComponent(settings.id)}`;
}

async function signInFirst(
  c: Context<Env>,
  deployment: Deployment,
  request: { readonly upstream: UpstreamConnection; readonly pendingId: string | null },
  prompt: string | null = null,
): Promise<Response> {
  const query = request.pendingId === null ? "" : `?pending=${encodeURIComponent(request.pendingId)}`;
  const returnTo = deployment.gateway.basePath + connectPath(request.upstream.settings.id) + query;
  const browser = ensureBrowserCookie(c, deployment);
  return await startLogin(c, deployment, { returnTo, loginHint: null, prompt, browser });
}
