/** Sends a browser to sign in, and opens its session once somebody has vouched for the user. */
import type { Context } from "@hono/hono";
import { type Identity, userIdOf } from "../lib/login/identity.ts";
import { beginLogin } from "../lib/login/login.ts";
import { closeSession, openSession } from "../lib/login/session.ts";
import { PATHS } from "../lib/oauth/paths.ts";
import { sessionCookie, setSessionCookie } from "./browser.ts";
import type { Deployment, Env } from "./context.ts";

/** Where the browser goes after the login, and what the client said about the user. */
export interface LoginRequest {
  /** A path of ours. */
  readonly returnTo: string;
  readonly loginHint: string | null;
  /** Value of the browser cookie. */
  readonly browser: string;
}

/** Redirects to the login page. */
export async function startLogin(
  c: Context<Env>,
  deployment: Deployment,
  request: LoginRequest,
): Promise<Response> {
  const { services, gateway } = deployment;
  const loginId = await beginLogin(services, {
    ...request,
    origin: c.env.origin,
    ttlSeconds: gateway.oauth.stateTtlSeconds,
  });
  services.events.emit("info", "mcp_auth_login_started", { requestId: c.env.requestId });
  return c.body(null, 303, {
    Location: `${gateway.basePath}${PATHS.devLogin}?login=${loginId}`,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
  });
}

/** Opens a new session for the identity, ends the browser's old one, and goes on to where the login was for. */
export async function completeLogin(
  c: Context<Env>,
  deployment: Deployment,
  login: { readonly identity: Identity; readonly returnTo: string },
): Promise<Response> {
  const { services, gateway } = deployment;
  await closeSession(services, sessionCookie(c));
  const cookie = await openSession(services, login.identity, gateway.oauth.sessionTtlSeconds);
  setSessionCookie(c, cookie, gateway.oauth.sessionTtlSeconds);
  services.events.emit("info", "mcp_auth_login_completed", {
    requestId: c.env.requestId,
    subjectId: userIdOf(login.identity),
  });
  return c.body(null, 303, {
    Location: login.returnTo,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
  });
}
