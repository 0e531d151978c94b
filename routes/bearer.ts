/** The resource server's gate (RFC 6750, RFC 9728): who may pass to a route, and the challenge for everybody else. */
import type { Verdict } from "../lib/authorization_server/access_token.ts";
import type { Route } from "../lib/gateway/gateway.ts";
import { protectedResourceMetadataUrl } from "../lib/oauth/protected_resource_metadata.ts";
import { isResourceOf } from "../lib/oauth/resource_indicator.ts";
import { SCOPE } from "../lib/oauth/scope.ts";
import { bearerChallenge } from "../lib/oauth/www_authenticate.ts";
import type { Deployment, RequestContext } from "./context.ts";

/** A request that may not pass, and why. */
export interface Refused {
  readonly reason: string;
  readonly error: "invalid_token" | "invalid_request" | null;
}

/** The verdict on the request's token, or why it is refused: at once where it is cached. Only the `Authorization` header counts. */
export function checkBearer(
  deployment: Pick<Deployment, "verifier">,
  request: { readonly authorization: string | null; readonly search: string },
  route: Route,
  origin: string,
): Verdict | Refused | Promise<Verdict | Refused> {
  const { authorization, search } = request;
  if (authorization === null) return { reason: "token_missing", error: null };
  if (search !== "" && new URLSearchParams(search).has("access_token")) {
    return { reason: "token_in_query", error: "invalid_request" };
  }
  const known = authorization.startsWith(BEARER)
    ? deployment.verifier.peek(authorization.slice(BEARER.length))
    : undefined;
  // A token that is known was well-formed when it came first.
  if (known !== undefined) return atRoute(known, route, origin);
  const token = bearerToken(authorization);
  if (token === null) return { reason: "authorization_malformed", error: "invalid_token" };
  return deployment.verifier.verify(token).then((verdict) => atRoute(verdict, route, origin));
}

/** The scheme as clients write it; the others are understood, too, only not as fast. */
const BEARER = "Bearer ";

function atRoute(verdict: Verdict | null, route: Route, origin: string): Verdict | Refused {
  if (verdict === null) return { reason: "token_unknown_or_expired", error: "invalid_token" };
  if (
    verdict.operationId !== route.operationId || !isResourceOf(verdict.resource, { origin, path: route.path })
  ) {
    return { reason: "token_for_another_route", error: "invalid_token" };
  }
  return verdict;
}

/** The refusal with its challenge: 401, or 400 where the token is right but stands in two places (RFC 6750 §3.1). */
export function challenge(context: RequestContext, route: Route, refused: Refused): Response {
  const header = bearerChallenge({
    resourceMetadata: protectedResourceMetadataUrl(context.origin, route.path),
    scope: SCOPE,
    ...(refused.error === null ? {} : { error: refused.error, description: DESCRIPTIONS[refused.error] }),
  });
  const detail = refused.error === null
    ? "Sign in: this server needs an access token."
    : DESCRIPTIONS[refused.error];
  const status = refused.error === "invalid_request" ? 400 : 401;
  return Response.json({
    title: status === 400 ? "Bad Request" : "Unauthorized",
    status,
    detail,
    ...(refused.error === null ? {} : { error: refused.error }),
  }, {
    status,
    headers: {
      "Content-Type": "application/problem+json",
      "WWW-Authenticate": header,
      "Cache-Control": "no-store",
      "X-Request-Id": context.requestId,
    },
  });
}

const DESCRIPTIONS: Readonly<Record<"invalid_token" | "invalid_request", string>> = {
  invalid_token: "The access token is missing, malformed, expired, revoked, or for another server.",
  invalid_request: "Send the access token in the Authorization header, and only there.",
};

/** The token of a Bearer header (RFC 6750 §2.1), scheme in any case. */
function bearerToken(authorization: string): string | null {
  if (authorization.slice(0, 7).toLowerCase() !== "bearer ") return null;
  const token = authorization.slice(7).trim();
  return /^[A-Za-z0-9._~+/-]+=*$/.test(token) ? token : null;
}
