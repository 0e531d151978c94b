/** The local login page of `mcpDevOAuth`: no provider, no password, and therefore for this machine only. */
import type { Context } from "@hono/hono";
import { isLoopbackAddress } from "../lib/http/client_address.ts";
import { PageError } from "../lib/http/page_error.ts";
import { isLoopbackHostname } from "../lib/http/public_url.ts";
import { type Identity, LOCAL_ISSUER } from "../lib/login/identity.ts";
import { findLogin, finishLogin } from "../lib/login/login.ts";
import { PATHS } from "../lib/oauth/paths.ts";
import type { LoginRecord } from "../lib/store/schema.ts";
import type { Entry } from "../lib/store/store.ts";
import { browserCookie, checkCsrfToken, refuseCrossSite } from "./browser.ts";
import type { Deployment, Env } from "./context.ts";
import { readForm } from "./form.ts";
import { completeLogin } from "./login.ts";
import { devLoginPage } from "./views/dev_login.ts";
import { pageHeaders } from "./views/page_headers.ts";

/** GET: one user signs in at once, several are offered. */
export function devLogin(
  deployment: Deployment,
  users: readonly string[],
): (c: Context<Env>) => Promise<Response> {
  return async (c) => {
    refuseOtherMachines(c);
    const entry = await requireLogin(c, deployment, c.req.query("login"));
    const [only, ...others] = users;
    if (only !== undefined && others.length === 0) return await signIn(c, deployment, entry, only);
    const html = await devLoginPage({
      action: deployment.gateway.basePath + PATHS.devLogin,
      loginId: entry.value.loginId,
      csrfToken: entry.value.csrfToken,
      users,
      preselected: entry.value.loginHint,
      error: null,
      basePath: deployment.gateway.basePath,
      requestId: c.env.requestId,
    });
    // The form's answer leads to the setup page and no further, but a popup's opener must survive it.
    return new Response(html, { headers: pageHeaders({ formActionSelf: true }) });
  };
}

/** POST: the chosen user signs in. */
export function devLoginDecision(
  deployment: Deployment,
  users: readonly string[],
): (c: Context<Env>) => Promise<Response> {
  return async (c) => {
    refuseOtherMachines(c);
    refuseCrossSite(c);
    const form = await readForm(deployment, c.req.raw);
    const entry = await requireLogin(c, deployment, form.get("login") ?? undefined);
    checkCsrfToken(form.get("csrf_token"), entry.value.csrfToken);
    const user = users.find((candidate) => candidate === form.get("user"));
    if (user === undefined) throw expired("dev_user_unknown");
    return await signIn(c, deployment, entry, user);
  };
}

async function signIn(
  c: Context<Env>,
  deployment: Deployment,
  entry: Entry<LoginRecord>,
  user: string,
): Promise<Response> {
  if (!await finishLogin(deployment.services, entry)) throw expired("login_already_finished");
  const identity: Identity = {
    issuer: LOCAL_ISSUER,
    subject: user,
    name: user,
    email: null,
    emailVerified: false,
  };
  const outcome = { identity, claims: {}, idToken: null, refreshToken: null };
  return await completeLogin(c, deployment, { outcome, returnTo: entry.value.returnTo });
}

async function requireLogin(
  c: Context<Env>,
  deployment: Deployment,
  loginId: string | undefined,
): Promise<Entry<LoginRecord>> {
  const entry = loginId === undefined
    ? null
    : await findLogin(deployment.services, loginId, browserCookie(c));
  if (entry === null) throw expired("login_unknown");
  return entry;
}

/** Whatever `Host` says, both the peer and our own name have to be this machine. */
function refuseOtherMachines(c: Context<Env>): void {
  if (
    isLoopbackAddress(c.env.peer) && c.env.address === c.env.peer &&
    isLoopbackHostname(new URL(c.env.origin).hostname)
  ) return;
  throw new PageError({
    status: 403,
    title: "The local login is for this machine only",
    happened:
      "The development login signs people in without a password, so it answers only on the machine that the gateway runs on.",
    todo: "Open the gateway at its loopback address, or configure an identity provider in gateway.config.ts.",
    reason: "dev_login_not_loopback",
  });
}

function expired(reason: string): PageError {
  return new PageError({
    status: 400,
    title: "This sign-in has expired",
    happened: "The sign-in was started in another browser, is already finished, or took too long.",
    todo: "Go back to your app and start again from there.",
    reason,
  });
}
