/** The token endpoint (RFC 6749 §3.2). */
import type { Context } from "@hono/hono";
import { redeemCode } from "../lib/authorization_server/authorization_code.ts";
import { renewClient } from "../lib/authorization_server/client.ts";
import { refresh } from "../lib/authorization_server/refresh_token.ts";
import { tokenResponse } from "../lib/authorization_server/token_pair.ts";
import { GRANT_TYPES } from "../lib/oauth/authorization_server_metadata.ts";
import { OAuthError } from "../lib/oauth/errors.ts";
import { authenticate } from "./client_credentials.ts";
import type { Deployment, Env } from "./context.ts";
import { readForm } from "./form.ts";

/** POST: a grant for tokens. Cookies are ignored. */
export function token(deployment: Deployment): (c: Context<Env>) => Promise<Response> {
  const { services, gateway } = deployment;
  const { tokens } = gateway.oauth;
  return async (c) => {
    const form = await readForm(c.req.raw);
    const grantType = form.get("grant_type");
    if (grantType === null) {
      throw new OAuthError("invalid_request", "grant_type is required.", { reason: "grant_type_missing" });
    }
    if (!GRANT_TYPES.includes(grantType)) {
      throw new OAuthError("unsupported_grant_type", `Supported are: ${GRANT_TYPES.join(", ")}.`, {
        reason: "grant_type_unsupported",
      });
    }
    const client = await authenticate(c, deployment, form);
    const shared = { client, resource: form.getAll("resource"), scope: form.get("scope") };
    const isCode = grantType === "authorization_code";
    const pair = isCode
      ? await redeemCode(services, tokens, {
        ...shared,
        code: form.get("code"),
        redirectUri: form.get("redirect_uri"),
        codeVerifier: form.get("code_verifier"),
      })
      : await refresh(services, tokens, { ...shared, refreshToken: form.get("refresh_token") });
    await renewClient(services, client);
    services.events.emit(
      "info",
      isCode ? "mcp_auth_downstream_token_issued" : "mcp_auth_downstream_token_refreshed",
      {
        requestId: c.env.requestId,
        clientId: client.clientId,
        subjectId: pair.userId,
        operationId: pair.operationId,
        grantId: pair.grantId,
      },
    );
    return Response.json(tokenResponse(pair, services.clock.now()), {
      headers: { "Cache-Control": "no-store", Pragma: "no-cache" },
    });
  };
}
