/** The setup page: who asks, for what, in whose name; and the user's decision about it. */
import type { Context } from "@hono/hono";
import { AuthorizationError } from "../lib/authorization_server/authorization_error.ts";
import { type Client, findClient } from "../lib/authorization_server/client.ts";
import { approve } from "../lib/authorization_server/consent.ts";
import { ValidatedRedirect } from "../lib/authorization_server/validated_redirect.ts";
import {
  bindUser,
  findAuthorization,
  hasAuthorization,
} from "../lib/authorization_server/waiting_authorization.ts";
import type { Route } from "../lib/gateway/gateway.ts";
import { PageError } from "../lib/http/page_error.ts";
import { closeSession } from "../lib/login/session.ts";
import { PATHS } from "../lib/oauth/paths.ts";
import { isLoopbackRedirect, redirectHost, redirectUriMatches } from "../lib/oauth/redirect_uri.ts";
import { type AuthorizationRecord, authorizations, type SessionRecord } from "../lib/store/schema.ts";
import type { Entry } from "../lib/store/store.ts";
import {
  browserCookie,
  checkCsrfToken,
  clearSessionCookie,
  currentSession,
  refuseCrossSite,
  seeOther,
  sessionCookie,
} from "./browser.ts";
import { startConnect } from "./connect.ts";
import type { Deployment, Env } from "./context.ts";
import { readForm } from "./form.ts";
import { startLogin } from "./login.ts";
import { connectionFor } from "./own_connections.ts";
import { targetOf } from "./targets.ts";
import { pageHeaders } from "./views/page_headers.ts";
import { setupPage } from "./views/setup.ts";

const SCOPE_MEANINGS: Readonly<Record<string, string>> = {
  "mcp:tools": "Use the tools, prompts and resources of this server as you",
};

/** A waiting request together with the user whose decision it is. */
interface Waiting {
  readonly entry: Entry<AuthorizationRecord>;
  readonly session: SessionRecord;
  readonly client: Client;
}

/** GET: shows the request. */
export function setup(deployment: Deployment): (c: Context<Env>) => Promise<Response> {
  return async (c) => {
    const entry = await requireAuthorization(c, deployment, c.req.query("transaction"));
    const session = await currentSession(c, deployment);
    if (session === null || predates(session, entry.value)) {
      return await signInFirst(c, deployment, entry, entry.value.prompt);
    }
    const bound = entry.value.userId === null
      ? await bindUser(deployment.services, entry, session.userId)
      : entry;
    if (bound === null) throw expired("transaction_changed");
    return await render(c, deployment, {
      entry: bound,
      session,
      client: await requireSameUser(deployment, bound, session),
    }, null);
  };
}

/** POST: the decision. */
export function setupDecision(deployment: Deployment): (c: Context<Env>) => Promise<Response> {
  return async (c) => {
    refuseCrossSite(c);
    const form = await readForm(deployment, c.req.raw);
    const entry = await requireAuthorization(c, deployment, form.get("transaction") ?? undefined);
    checkCsrfToken(form.get("csrf_token"), entry.value.csrfToken);
    const session = await currentSession(c, deployment);
    if (session === null) return await signInFirst(c, deployment, entry);
    const waiting: Waiting = { entry, session, client: await requireSameUser(deployment, entry, session) };
    switch (form.get("decision")) {
      case "approve":
        return await decideApprove(c, deployment, waiting, form.get("operation_id"));
      case "connect":
        return await decideConnect(c, deployment, waiting);
      case "cancel":
        return await decideCancel(deployment, waiting);
      case "switch":
        return await decideSwitch(c, deployment, waiting);
      default:
        return await render(c, deployment, waiting, "Choose one of the buttons below.");
    }
  };
}

/** Off to the upstream's own sign-in; it leads back to this page. */
async function decideConnect(
  c: Context<Env>,
  deployment: Deployment,
  { entry, session }: Waiting,
): Promise<Response> {
  const { gateway } = deployment;
  const route = gateway.routes.find((each) => each.operationId === entry.value.operationId);
  const own = await connectionFor(deployment, route, session);
  const returnTo = `${gateway.basePath}${PATHS.setup}?transaction=${entry.value.transactionId}`;
  if (own === null) return seeOther(c, returnTo);
  return await startConnect(c, deployment, { upstream: own.upstream, session, pending: null, returnTo });
}

async function decideApprove(
  c: Context<Env>,
  deployment: Deployment,
  waiting: Waiting,
  chosen: string | null,
): Promise<Response> {
  const { services, gateway } = deployment;
  const { entry, session, client } = waiting;
  const operationId = entry.value.operationId ?? chosen;
  const route = gateway.routes.find((each) => each.operationId === operationId);
  if (route === undefined) {
    return await render(c, deployment, waiting, "Choose which server the app may use.");
  }
  // A metadata document may have changed while the page was open; a code goes only where the client still wants it.
  if (!client.redirectUris.some((registered) => redirectUriMatches(registered, entry.value.redirectUri))) {
    throw expired("redirect_uri_withdrawn");
  }
  const approved = await approve(services, entry, {
    userId: session.userId,
    client,
    target: targetOf(entry.value.origin, route),
    grantTtlSeconds: gateway.oauth.tokens.grantTtlSeconds,
  });
  if (approved === null) throw expired("transaction_changed");
  if (client.source === "document") await deployment.clientSources.documents?.keep(client.clientId);
  services.events.emit("info", "mcp_auth_downstream_consent_granted", {
    requestId: c.env.requestId,
    clientId: client.clientId,
    subjectId: session.userId,
    operationId: route.operationId,
    grantId: approved.grant.grantId,
  });
  return seeOther(c, ValidatedRedirect.restore(entry.value).to({ code: approved.code }));
}

async function decideCancel(deployment: Deployment, { entry, session, client }: Waiting): Promise<Response> {
  const { services } = deployment;
  if (!await services.store.write().check(entry).delete(authorizations, ...entry.id).commit()) {
    throw expired("transaction_changed");
  }
  services.events.emit("info", "mcp_auth_downstream_consent_denied", {
    clientId: client.clientId,
    subjectId: session.userId,
  });
  throw new AuthorizationError("access_denied", "The user did not approve the request.", {
    redirect: ValidatedRedirect.restore(entry.value),
    reason: "user_cancelled",
  });
}

async function decideSwitch(c: Context<Env>, deployment: Deployment, { entry }: Waiting): Promise<Response> {
  if (await bindUser(deployment.services, entry, null) === null) throw expired("transaction_changed");
  await closeSession(deployment.services, sessionCookie(c));
  clearSessionCookie(c);
  // `login` is what every provider understands; `select_account` is not.
  return await signInFirst(c, deployment, entry, "login");
}

async function signInFirst(
  c: Context<Env>,
  deployment: Deployment,
  entry: Entry<AuthorizationRecord>,
  prompt: string | null = null,
): Promise<Response> {
  const returnTo = `${deployment.gateway.basePath}${PATHS.setup}?transaction=${entry.value.transactionId}`;
  return await startLogin(c, deployment, {
    returnTo,
    loginHint: null,
    prompt,
    browser: browserCookie(c) ?? "",
  });
}

async function requireAuthorization(
  c: Context<Env>,
  deployment: Deployment,
  transactionId: string | undefined,
): Promise<Entry<AuthorizationRecord>> {
  const { services } = deployment;
  if (transactionId === undefined) throw expired("transaction_unknown");
  const entry = await findAuthorization(services, transactionId, browserCookie(c));
  if (entry?.value.origin === c.env.origin) return entry;
  // Looked up last: a request that is decided between two reads has expired, and belongs to no other browser.
  throw await hasAuthorization(services, transactionId) ? otherBrowser() : expired("transaction_unknown");
}

/** Whether the client asked for a sign-in of its own and this session is of an earlier one. */
function predates(session: SessionRecord, { prompt, requestedAt, userId }: AuthorizationRecord): boolean {
  return prompt !== null && userId === null && session.signedInAt < requestedAt;
}

/** The request's client, once it is certain that the decision is this user's. */
async function requireSameUser(
  deployment: Deployment,
  entry: Entry<AuthorizationRecord>,
  session: SessionRecord,
): Promise<Client> {
  if (entry.value.userId !== session.userId) {
    throw new PageError({
      status: 403,
      title: "Somebody else started this",
      happened:
        "This page was opened for another user than the one who is signed in now. Nothing was approved.",
      todo: "Go back to your app and start again from there.",
      reason: "transaction_of_another_user",
    });
  }
  const client = await findClient(deployment.services, deployment.clientSources, entry.value.clientId, {
    connected: true,
  });
  if (client === null) throw expired("client_unknown");
  return client;
}

async function render(
  c: Context<Env>,
  deployment: Deployment,
  waiting: Waiting,
  error: string | null,
): Promise<Response> {
  const { gateway } = deployment;
  const { entry, session, client } = waiting;
  const { origin, operationId, redirectUri, csrfToken, scope } = entry.value;
  const describe = (route: Route) => ({
    operationId: route.operationId,
    title: route.title,
    url: targetOf(origin, route).resource,
    description: route.description,
  });
  const route = gateway.routes.find((each) => each.operationId === operationId);
  const own = await connectionFor(deployment, route, session);
  const html = await setupPage({
    action: gateway.basePath + PATHS.setup,
    transactionId: entry.value.transactionId,
    csrfToken,
    client: {
      name: client.name,
      id: client.clientId,
      host: client.uri === null ? null : new URL(client.uri).host,
      configured: client.source === "configuration",
      registeredAt: client.registeredAt === null ? null : new Date(client.registeredAt).toISOString(),
    },
    redirectHost: redirectHost(redirectUri),
    loopbackOnly: client.redirectUris.every(isLoopbackRedirect),
    user: { name: session.name ?? session.email ?? session.subject, detail: session.email },
    route: route === undefined ? null : describe(route),
    routeChoices: operationId === null ? gateway.routes.map(describe) : [],
    upstream: own === null ? null : {
      displayName: own.upstream.settings.displayName,
      state: own.standing?.state ?? "none",
      account: null,
      addedScopes: own.standing?.missingScope ?? [],
    },
    scopes: scope.map((name) => ({ name, meaning: SCOPE_MEANINGS[name] ?? name })),
    error,
    basePath: gateway.basePath,
    requestId: c.env.requestId,
  });
  return new Response(html, {
    status: error === null ? 200 : 400,
    headers: pageHeaders({ formActionSelf: false }),
  });
}

function expired(reason: string): PageError {
  return new PageError({
    status: 400,
    title: "This authorization has expired",
    happened: "The request is already decided, took too long, or was not started here.",
    todo: "Go back to your app and start again from there.",
    reason,
  });
}

function otherBrowser(): PageError {
  return new PageError({
    status: 403,
    title: "This request belongs to another browser",
    happened:
      "The app's request was started in another browser, or before you signed out of this one. Nothing was approved.",
    todo:
      "Go back to your app and start again from there. If you followed a link that somebody sent you, do not use it.",
    reason: "transaction_in_another_browser",
  });
}
