/** What browser endpoints share: our two cookies, the user who is signed in, the way on, and the refusal of cross-site posts. */
import { getCookie, setCookie } from "@hono/hono/cookie";
import type { Context } from "@hono/hono";
import { createSecretToken, equalSecrets, hashSecret } from "../lib/crypto/secret_token.ts";
import { PageError } from "../lib/http/page_error.ts";
import { findSession } from "../lib/login/session.ts";
import type { SessionRecord } from "../lib/store/schema.ts";
import type { Deployment, Env } from "./context.ts";

const SESSION_CSRF = "session-csrf";

/** The cookie that holds a session, without its prefix. */
const SESSION_COOKIE = "sallyport_session";
/** The cookie that tells one browser from another before anybody signs in. */
const BROWSER_COOKIE = "sallyport_browser";

/**
 * Sends the browser on with a GET. Neither the answer is kept, which may hold a code, nor does the next page hear from where it was reached
 * (RFC 9700 §4.2.4, §4.12).
 */
export function seeOther(c: Context<Env>, location: string): Response {
  return c.body(null, 303, {
    Location: location,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
  });
}

/** Value of the session cookie. */
export function sessionCookie(c: Context<Env>): string | undefined {
  return readCookie(c, SESSION_COOKIE);
}

/** Value of the browser cookie. */
export function browserCookie(c: Context<Env>): string | undefined {
  return readCookie(c, BROWSER_COOKIE);
}

/** The browser cookie's value, which from now on lives as long as a session; a browser without one gets it now. */
export function ensureBrowserCookie(c: Context<Env>, deployment: Deployment): string {
  const known = browserCookie(c);
  const value = known !== undefined && /^br_[A-Za-z0-9_-]{43}$/.test(known)
    ? known
    : createSecretToken("br_", deployment.services.random);
  // Written again each time: it must not end in the middle of what begins now.
  writeCookie(c, BROWSER_COOKIE, value, deployment.gateway.oauth.sessionTtlSeconds);
  return value;
}

/** Sets the session cookie for `ttlSeconds`. */
export function setSessionCookie(c: Context<Env>, value: string, ttlSeconds: number): void {
  writeCookie(c, SESSION_COOKIE, value, ttlSeconds);
}

/** Removes the session cookie. */
export function clearSessionCookie(c: Context<Env>): void {
  writeCookie(c, SESSION_COOKIE, "", 0);
}

/** Removes both cookies. */
export function clearBrowserCookies(c: Context<Env>): void {
  clearSessionCookie(c);
  writeCookie(c, BROWSER_COOKIE, "", 0);
}

/** The session of this browser, or `null`. */
export async function currentSession(c: Context<Env>, deployment: Deployment): Promise<SessionRecord | null> {
  return await findSession(deployment.services, sessionCookie(c));
}

/**
 * Refuses a post that another site caused. Our pages send no referrer, so browsers say `Origin: null` on our own posts; then
 * `Sec-Fetch-Site`, which no page can forge, has to vouch for them.
 * @throws {PageError} 403
 */
export function refuseCrossSite(c: Context<Env>): void {
  const origin = c.req.header("origin");
  const site = c.req.header("sec-fetch-site");
  const foreignSite = site !== undefined && site !== "same-origin" && site !== "none";
  const foreignOrigin = origin !== undefined && origin !== "null" && origin !== c.env.origin;
  if (foreignSite || foreignOrigin || (origin === "null" && site === undefined)) {
    throw new PageError({
      status: 403,
      title: "This request came from another site",
      happened: "A page of another site tried to send this form for you. Nothing was changed.",
      todo: "Go back to your app and start again from there.",
      reason: "cross_site_request",
    });
  }
}

/** A form token that fits this session only; nothing has to be stored for it. */
export function sessionCsrfToken(c: Context<Env>, { services }: Pick<Deployment, "services">): string {
  const { keyId, value } = services.keyRing.sign(SESSION_CSRF, hashSecret(sessionCookie(c) ?? ""));
  return `${keyId}.${value}`;
}

/** Checks a form's token of {@linkcode sessionCsrfToken}, also one that an older key of the ring has made. @throws {PageError} 403 */
export function checkSessionCsrfToken(
  c: Context<Env>,
  { services }: Pick<Deployment, "services">,
  given: string | null,
): void {
  const [keyId = "", value = ""] = given?.split(".") ?? [];
  if (services.keyRing.verify(SESSION_CSRF, hashSecret(sessionCookie(c) ?? ""), { keyId, value })) return;
  throw csrfTokenWrong();
}

/** Checks a form's token against the stored one. @throws {PageError} 403 */
export function checkCsrfToken(given: string | null, expected: string): void {
  if (given === null || !equalSecrets(given, expected)) throw csrfTokenWrong();
}

function csrfTokenWrong(): PageError {
  return new PageError({
    status: 403,
    title: "This form is no longer valid",
    happened: "The form did not carry the token that this page was given. Nothing was changed.",
    todo: "Go back to your app and start again from there.",
    reason: "csrf_token_wrong",
  });
}

/** On https the `__Host-` prefix keeps sibling domains from setting or reading it; loopback http cannot have it. */
function isSecure(c: Context<Env>): boolean {
  return c.env.origin.startsWith("https://");
}

function readCookie(c: Context<Env>, name: string): string | undefined {
  return (isSecure(c) ? getCookie(c, name, "host") : getCookie(c, name)) || undefined;
}

function writeCookie(c: Context<Env>, name: string, value: string, maxAge: number): void {
  const attributes = { path: "/", httpOnly: true, sameSite: "Lax", maxAge } as const;
  if (isSecure(c)) setCookie(c, name, value, { ...attributes, secure: true, prefix: "host" });
  else setCookie(c, name, value, attributes);
}
