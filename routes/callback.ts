/** Back from the identity provider: only in the browser that left, only once, only with an answer that is to be believed. */
import type { Context } from "@hono/hono";
import { PageError } from "../lib/http/page_error.ts";
import type { IdentityProvider } from "../lib/login/identity_provider.ts";
import { LoginError, type LoginFailureKind } from "../lib/login/login_error.ts";
import { findLogin, finishLogin, hasLogin } from "../lib/login/login.ts";
import type { LoginRecord } from "../lib/store/schema.ts";
import type { Entry } from "../lib/store/store.ts";
import { browserCookie } from "./browser.ts";
import type { Deployment, Env } from "./context.ts";
import { callbackUri, completeLogin } from "./login.ts";

/** GET: checks the answer, exchanges its code, opens the session. */
export function callback(
  deployment: Deployment,
  provider: IdentityProvider,
): (c: Context<Env>) => Promise<Response> {
  const { services } = deployment;
  return async (c) => {
    const params = new URL(c.req.url).searchParams;
    const entry = await requireLogin(c, deployment, params.getAll("state"));
    const { returnTo } = entry.value;
    try {
      const response = await provider.checkResponse(params, entry.value.loginId);
      // From here on the login is used up, whatever the provider says: a code is exchanged once at most.
      if (!await finishLogin(services, entry)) throw expired("login_already_finished");
      const signedIn = await provider.signIn(
        response,
        entry.value,
        callbackUri(entry.value.origin, deployment),
      );
      const { identity, claims, refreshToken } = signedIn;
      const idToken = signedIn.idToken === null
        ? null
        : { value: signedIn.idToken, expiresAt: signedIn.expiresAt };
      return await completeLogin(c, deployment, {
        outcome: { identity, claims, idToken, refreshToken },
        returnTo,
      });
    } catch (error) {
      if (!(error instanceof LoginError)) throw error;
      // The provider's no is an answer as well, and there is one to a login. What is forged leaves it to the right answer.
      if (error.kind !== "forged") await finishLogin(services, entry);
      services.events.emit("warn", "mcp_auth_login_refused", {
        requestId: c.env.requestId,
        reasonCode: error.reason,
      });
      throw failed(error, returnTo);
    }
  };
}

/** The login that this browser began; another browser's callback leaves it usable for the right one. */
async function requireLogin(
  c: Context<Env>,
  deployment: Deployment,
  states: readonly string[],
): Promise<Entry<LoginRecord>> {
  const [state, ...others] = states;
  if (state === undefined || others.length > 0) throw expired("state_missing_or_repeated");
  if (!await hasLogin(deployment.services, state)) throw expired("state_unknown");
  const entry = await findLogin(deployment.services, state, browserCookie(c));
  if (entry === null || entry.value.origin !== c.env.origin) {
    throw new PageError({
      status: 403,
      title: "This sign-in belongs to another browser",
      happened: "The sign-in was started somewhere else than it ended. Nobody was signed in.",
      todo:
        "Go back to your app and start again from there. If you followed a link that somebody sent you, do not use it.",
      reason: "callback_in_another_browser",
    });
  }
  return entry;
}

const FAILURES: Readonly<
  Record<LoginFailureKind, { status: number; title: string; happened: string; todo: string }>
> = {
  denied: {
    status: 403,
    title: "You were not signed in",
    happened:
      "The identity provider did not sign you in: it was cancelled there, or your account may not use this gateway.",
    todo: "Start again below. If your account should be allowed, ask whoever runs the identity provider.",
  },
  unavailable: {
    status: 502,
    title: "The sign-in service does not answer",
    happened:
      "The gateway could not reach your identity provider, or the provider is out of order. Apps that are already connected keep working.",
    todo: "Wait a moment and start again below.",
  },
  forged: {
    status: 400,
    title: "This is not the sign-in's answer",
    happened: "What came back is not what your identity provider was asked for. Nobody was signed in.",
    todo: "Start again below. If you followed a link that somebody sent you, do not use it.",
  },
  refused: {
    status: 502,
    title: "The sign-in could not be verified",
    happened:
      "The identity provider's answer was not what the gateway is configured for, so nobody was signed in.",
    todo:
      "Start again below. If it happens again, give the request id to whoever runs this gateway: its log says what did not match.",
  },
};

function failed(error: LoginError, returnTo: string): PageError {
  return new PageError({
    ...FAILURES[error.kind],
    reason: error.reason,
    action: { label: "Start again", href: returnTo },
    cause: error,
  });
}

function expired(reason: string): PageError {
  return new PageError({
    status: 400,
    title: "This sign-in has expired",
    happened: "The sign-in is already finished, took too long, or was not started here.",
    todo: "Go back to your app and start again from there.",
    reason,
  });
}
