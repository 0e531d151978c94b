/** Quotas of the public endpoints, per minute, for each address and in total: contract section 2.1, `limits`. */
import type { Context } from "@hono/hono";
import type { Gateway } from "../lib/gateway/gateway.ts";
import { quotaKey } from "../lib/http/client_address.ts";
import { PageError } from "../lib/http/page_error.ts";
import { OAuthError } from "../lib/oauth/errors.ts";
import { RateLimiter } from "../lib/observability/rate_limiter.ts";
import type { Clock } from "../lib/runtime/clock.ts";
import type { Env, Quota } from "./context.ts";

/**
 * How many addresses may use up their quotas at once before everybody has to wait. Only what leaves rows behind that nothing else bounds has such
 * a total: unfinished authorizations and logins. Registrations have their places, and a refused token request leaves nothing.
 */
const TOTAL_FACTOR = 20;

/** The quotas of one process. */
export interface Quotas {
  readonly registrations: Quota;
  readonly authorizations: Quota;
  readonly tokenRequests: Quota;
  readonly loginStarts: Quota;
}

/** Limiters as the configuration says. */
export function createQuotas(gateway: Gateway, clock: Clock): Quotas {
  const limiter = (limit: number) => new RateLimiter({ clock, limit, windowSeconds: 60 });
  const perAddress = (limit: number): Quota => ({ perAddress: limiter(limit), total: null });
  const perMinute = (limit: number): Quota => ({
    perAddress: limiter(limit),
    total: limiter(limit * TOTAL_FACTOR),
  });
  return {
    registrations: perAddress(gateway.limits.registrationsPerMinute),
    authorizations: perMinute(gateway.limits.authorizationsPerMinute),
    tokenRequests: perAddress(gateway.limits.tokenRequestsPerMinute),
    // Every authorization may begin a login; the account page and a setup page without a session begin them, too.
    loginStarts: perMinute(gateway.limits.authorizationsPerMinute),
  };
}

/** Counts a request of a client program. @throws {OAuthError} `temporarily_unavailable`, 429 with `Retry-After` */
export function spend(c: Context<Env>, quota: Quota): void {
  const seconds = take(c, quota);
  if (seconds === 0) return;
  throw new OAuthError(
    "temporarily_unavailable",
    `Too many requests from this address; try again in ${seconds} s.`,
    {
      reason: "quota_exceeded",
      status: 429,
      headers: { "Retry-After": String(seconds) },
    },
  );
}

/** Counts a request of a browser. @throws {PageError} 429 with `Retry-After` */
export function spendOnPage(c: Context<Env>, quota: Quota): void {
  const seconds = take(c, quota);
  if (seconds === 0) return;
  throw new PageError({
    status: 429,
    title: "Too many sign-in attempts",
    happened: "This network address has started very many sign-ins within a minute.",
    todo: `Wait ${seconds} seconds and try again from your app.`,
    reason: "quota_exceeded",
    retryAfterSeconds: seconds,
  });
}

/** Seconds to wait. The total counts only what its own address allows, so that one address cannot use it up. */
function take(c: Context<Env>, { perAddress, total }: Quota): number {
  return perAddress.take(quotaKey(c.env.address)) || (total?.take("") ?? 0);
}
