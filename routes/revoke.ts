/** The revocation endpoint (RFC 7009). */
import type { Context } from "@hono/hono";
import { revokeToken } from "../lib/authorization_server/revocation.ts";
import { OAuthError } from "../lib/oauth/errors.ts";
import { authenticate } from "./client_credentials.ts";
import type { Deployment, Env } from "./context.ts";
import { readForm } from "./form.ts";

/** POST: ends a token. The answer is the same for a known and an unknown one; the hint is not needed. */
export function revoke(deployment: Deployment): (c: Context<Env>) => Promise<Response> {
  const { services } = deployment;
  return async (c) => {
    const form = await readForm(deployment, c.req.raw);
    const client = await authenticate(c, deployment, form);
    const given = form.get("token");
    if (given === null) {
      throw new OAuthError("invalid_request", "token is required.", { reason: "token_missing" });
    }
    await revokeToken(services, client, given);
    return c.body(null, 200, { "Cache-Control": "no-store" });
  };
}
