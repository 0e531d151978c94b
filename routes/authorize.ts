/** The authorization endpoint (RFC 6749 §3.1): checks the request, stores it, and sends the browser to sign in or to the setup page. */
import type { Context } from "@hono/hono";
import { AuthorizationError } from "../lib/authorization_server/authorization_error.ts";
import {
  signInPrompt,
  validateAuthorizationRequest,
} from "../lib/authorization_server/authorization_request.ts";
import { type Client, findClient } from "../lib/authorization_server/client.ts";
import { ClientDocumentError } from "../lib/authorization_server/client_id_metadata_document.ts";
import { ValidatedRedirect } from "../lib/authorization_server/validated_redirect.ts";
import { saveAuthorization } from "../lib/authorization_server/waiting_authorization.ts";
import type { Route } from "../lib/gateway/gateway.ts";
import { PageError } from "../lib/http/page_error.ts";
import { PATHS } from "../lib/oauth/paths.ts";
import { currentSession, ensureBrowserCookie, seeOther } from "./browser.ts";
import type { Deployment, Env } from "./context.ts";
import { startLogin } from "./login.ts";
import { redirectUriPolicy, targetOf } from "./targets.ts";

/** The endpoint for all routes, or, with `route`, for one: then the issuer is the route's URL. */
export function authorize(
  deployment: Deployment,
  route: Route | null,
): (c: Context<Env>) => Promise<Response> {
  const { services, gateway } = deployment;
  return async (c) => {
    const { origin } = c.env;
    const params = new URL(c.req.url).searchParams;
    const client = await requireClient(deployment, params);
    const routeTarget = route === null ? null : targetOf(origin, route);
    const { redirect, given } = ValidatedRedirect.validate(params, client, {
      issuer: routeTarget?.resource ?? origin,
      policy: redirectUriPolicy(gateway, origin),
    });
    if (!client.mayAuthorize) {
      throw new AuthorizationError(
        "unauthorized_client",
        "The client did not register the authorization code grant.",
        {
          redirect,
          reason: "grant_type_not_registered",
        },
      );
    }
    const targets = gateway.routes.map((each) => targetOf(origin, each));
    const request = validateAuthorizationRequest(params, { redirect, targets, origin, routeTarget });
    const session = await currentSession(c, deployment);
    if (request.prompt.has("none")) throw interactionRequired(redirect, session !== null);

    const browser = ensureBrowserCookie(c, deployment);
    const transactionId = await saveAuthorization(services, {
      client,
      redirect,
      redirectUriGiven: given,
      request,
      origin,
      browser,
      ttlSeconds: gateway.oauth.stateTtlSeconds,
    });
    services.events.emit("info", "mcp_auth_downstream_authorization_requested", {
      requestId: c.env.requestId,
      clientId: client.clientId,
      ...(request.target === null ? {} : { operationId: request.target.operationId }),
    });
    const returnTo = `${gateway.basePath}${PATHS.setup}?transaction=${transactionId}`;
    const prompt = signInPrompt(request.prompt);
    if (session !== null && prompt === null) {
      return seeOther(c, returnTo);
    }
    return await startLogin(c, deployment, {
      returnTo,
      loginHint: request.loginHint,
      browser,
      prompt,
    });
  };
}

async function requireClient(deployment: Deployment, params: URLSearchParams): Promise<Client> {
  const [clientId, ...others] = params.getAll("client_id");
  if (clientId === undefined || others.length > 0) {
    throw unusable(
      "client_id_missing_or_repeated",
      "The app's request does not say which app it is (client_id).",
    );
  }
  const client = await findClient(deployment.services, deployment.clientSources, clientId).catch(
    explainDocument,
  );
  if (client === null) {
    throw unusable(
      "client_unknown",
      "This gateway does not know the app, or has forgotten it because it was not used for a long time.",
    );
  }
  return client;
}

/** One text for every reason: whoever named the document must not learn from it what our network looks like. */
function explainDocument(error: unknown): never {
  if (!(error instanceof ClientDocumentError)) throw error;
  throw unusable(
    error.reason,
    "The app names itself by the address of a document (client_id) that this gateway could not fetch or accept.",
  );
}

/** Nothing is approved without a click, so a request that allows no page can only be told so. */
function interactionRequired(redirect: ValidatedRedirect, signedIn: boolean): AuthorizationError {
  return signedIn
    ? new AuthorizationError("consent_required", "The user has to approve the request on a page.", {
      redirect,
      reason: "prompt_none",
    })
    : new AuthorizationError("login_required", "The user has to sign in.", {
      redirect,
      reason: "prompt_none",
    });
}

function unusable(reason: string, happened: string): PageError {
  return new PageError({
    status: 400,
    title: "This app cannot be connected",
    happened,
    todo: "In the app, remove the server and add it again; the app then registers anew.",
    reason,
  });
}
