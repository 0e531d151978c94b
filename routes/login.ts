/** Sends a browser to sign in, and opens its session once somebody has vouched for the user. */
import type { Context } from "@hono/hono";
import { userIdOf } from "../lib/login/identity.ts";
import { beginLogin, type LoginStart } from "../lib/login/login.ts";
import { closeSession, openSession } from "../lib/login/session.ts";
import { type LoginOutcome, rememberUser } from "../lib/login/user.ts";
import { PATHS } from "../lib/oauth/paths.ts";
import { seeOther, sessionCookie, setSessionCookie } from "./browser.ts";
import type { Deployment, Env } from "./context.ts";
import { spendOnPage } from "./quota.ts";

/** Where the browser goes after the login, and what the client said about the user. */
export interface LoginRequest extends Pick<LoginStart, "returnTo" | "loginHint" | "browser"> {
  /** `login` or `select_account`, as the client asked; `null` leaves it to the provider. */
  readonly prompt: string | null;
}

/** Redirects to the identity provider, or to the local login page. */
export async function startLogin(
  c: Context<Env>,
  deployment: Deployment,
  request: LoginRequest,
): Promise<Response> {
  const { services, gateway, identityProvider } = deployment;
  const { returnTo, loginHint, browser, prompt } = request;
  spendOnPage(c, deployment.loginStarts);
  const login = await beginLogin(services, {
    returnTo,
    loginHint,
    browser,
    origin: c.env.origin,
    ttlSeconds: gateway.oauth.stateTtlSeconds,
  });
  services.events.emit("info", "mcp_auth_login_started", { requestId: c.env.requestId });
  const location = identityProvider === null
    ? `${gateway.basePath}${PATHS.devLogin}?login=${login.loginId}`
    : await identityProvider.authorizationUrl(login.record, {
      loginId: login.loginId,
      redirectUri: callbackUri(c.env.origin, deployment),
      prompt,
    });
  return seeOther(c, location);
}

/** Keeps what the login learned, ends the browser's old session, opens a new one, and goes on to where the login was for. */
export async function completeLogin(
  c: Context<Env>,
  deployment: Deployment,
  login: { readonly outcome: LoginOutcome; readonly returnTo: string },
): Promise<Response> {
  const { services, gateway } = deployment;
  const { identity } = login.outcome;
  const fits = await rememberUser(services, login.outcome, gateway.oauth.tokens.grantTtlSeconds);
  deployment.users.forget(userIdOf(identity));
  await closeSession(services, sessionCookie(c));
  const cookie = await openSession(services, identity, gateway.oauth.sessionTtlSeconds);
  setSessionCookie(c, cookie, gateway.oauth.sessionTtlSeconds);
  services.events.emit("info", "mcp_auth_login_completed", {
    requestId: c.env.requestId,
    subjectId: userIdOf(identity),
    ...(fits ? {} : { reasonCode: "claims_too_large_to_keep" }),
  });
  return seeOther(c, login.returnTo);
}

/** The redirect URI that is registered at the provider. */
export function callbackUri(origin: string, { gateway }: Pick<Deployment, "gateway">): string {
  return origin + gateway.basePath + PATHS.callback;
}
