/** The first phase of an MCP request that has policies: is it one too many? */
import type { Verdict } from "../lib/authorization_server/access_token.ts";
import type { RateLimit, Route } from "../lib/gateway/gateway.ts";
import { quotaKey } from "../lib/http/client_address.ts";
import { JSON_RPC_CODES, JsonRpcError } from "../lib/mcp/json_rpc.ts";
import { RateLimiter } from "../lib/observability/rate_limiter.ts";
import type { Clock } from "../lib/runtime/clock.ts";
import type { RequestContext } from "./context.ts";

/** Counts one admitted request. @throws {JsonRpcError} 429 with `Retry-After` */
export type RateCheck = (context: RequestContext, verdict: Verdict) => void;

/**
 * The narrowest first: what is refused to a user does not use up what the user's client or network may do, which others share.
 */
const ORDER: readonly RateLimit["by"][] = ["user", "client", "ip"];

const WHOSE: Readonly<Record<RateLimit["by"], string>> = {
  user: "you",
  client: "this app",
  ip: "this network address",
};

/** Counts for one route, in this process; `null` if nothing is limited there. */
export function rateCheckOf(route: Route, clock: Clock): RateCheck | null {
  const { rateLimits, operationId } = route;
  if (rateLimits.length === 0) return null;
  const limiters = rateLimits.toSorted((a, b) => ORDER.indexOf(a.by) - ORDER.indexOf(b.by)).map((limit) => ({
    ...limit,
    limiter: new RateLimiter({ clock, limit: limit.requests, windowSeconds: limit.windowSeconds }),
  }));
  return (context, verdict) => {
    for (const { by, requests, windowSeconds, limiter } of limiters) {
      const seconds = limiter.take(keyOf(by, context, verdict));
      if (seconds === 0) continue;
      throw new JsonRpcError(
        JSON_RPC_CODES.tooMany,
        `Too many requests: ${
          WHOSE[by]
        } may send ${requests} in ${windowSeconds} s to "${operationId}". Try again in ${seconds} s.`,
        {
          status: 429,
          reason: `rate_limit_${by}`,
          headers: { "Retry-After": String(seconds) },
        },
      );
    }
  };
}

function keyOf(by: RateLimit["by"], context: RequestContext, verdict: Verdict): string {
  switch (by) {
    case "user":
      return verdict.userId;
    case "client":
      return verdict.clientId;
    case "ip":
      return quotaKey(context.address);
  }
}
