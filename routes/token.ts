/** The token endpoint (RFC 6749 §3.2). */
import type { Context } from "@hono/hono";
import { redeemCode } from "../lib/authorization_server/authorization_code.ts";
import { type Client, renewClient } from "../lib/authorization_server/client.ts";
import { IdJagVerifier } from "../lib/authorization_server/id_jag_grant.ts";
import { refresh } from "../lib/authorization_server/refresh_token.ts";
import { type TokenPair, tokenResponse } from "../lib/authorization_server/token_pair.ts";
import { fetchConfigured } from "../lib/http/outbound_fetch.ts";
import type { EventName } from "../lib/observability/events.ts";
import { JWT_BEARER_GRANT_TYPE } from "../lib/oauth/authorization_server_metadata.ts";
import { OAuthError } from "../lib/oauth/errors.ts";
import { authenticate } from "./client_credentials.ts";
import type { Deployment, Env } from "./context.ts";
import { readForm } from "./form.ts";
import { redeemAssertion } from "./id_jag.ts";

/** For the keys of an ID-JAG issuer. */
const KEY_LIMITS = { timeoutMs: 10_000, maxBytes: 262_144 };

/** What a grant type is given to make tokens from. */
interface TokenRequest {
  readonly c: Context<Env>;
  readonly form: URLSearchParams;
  readonly client: Client;
}

/** One grant type: what it makes tokens from, and the event that tells. */
interface Grant {
  readonly event: EventName;
  readonly issue: (request: TokenRequest) => Promise<TokenPair>;
}

/** POST: a grant for tokens. Cookies are ignored. */
export function token(deployment: Deployment): (c: Context<Env>) => Promise<Response> {
  const { services } = deployment;
  const grants = grantsOf(deployment);
  return async (c) => {
    const form = await readForm(deployment, c.req.raw);
    const grant = chooseGrant(grants, form.get("grant_type"));
    const client = await authenticate(c, deployment, form);
    const pair = await grant.issue({ c, form, client });
    await renewClient(services, client);
    services.events.emit("info", grant.event, {
      requestId: c.env.requestId,
      clientId: client.clientId,
      subjectId: pair.userId,
      operationId: pair.operationId,
      grantId: pair.grantId,
    });
    return Response.json(tokenResponse(pair, services.clock.now()), {
      headers: { "Cache-Control": "no-store", Pragma: "no-cache" },
    });
  };
}

/** The grant types of this gateway: those that metadata lists, and no other. */
function grantsOf(deployment: Deployment): ReadonlyMap<string, Grant> {
  const { services, gateway } = deployment;
  const { tokens, idJag } = gateway.oauth;
  const code: Grant = {
    event: "mcp_auth_downstream_token_issued",
    issue: ({ form, client }) =>
      redeemCode(services, tokens, {
        client,
        resource: form.getAll("resource"),
        scope: form.get("scope"),
        code: form.get("code"),
        redirectUri: form.get("redirect_uri"),
        codeVerifier: form.get("code_verifier"),
      }),
  };
  const refreshToken: Grant = {
    event: "mcp_auth_downstream_token_refreshed",
    issue: ({ form, client }) =>
      refresh(services, tokens, {
        client,
        resource: form.getAll("resource"),
        scope: form.get("scope"),
        refreshToken: form.get("refresh_token"),
      }),
  };
  const grants = new Map([["authorization_code", code], ["refresh_token", refreshToken]]);
  if (idJag !== null) {
    const verifier = new IdJagVerifier(idJag.trustedIssuers, fetchConfigured(KEY_LIMITS));
    grants.set(JWT_BEARER_GRANT_TYPE, {
      event: "mcp_auth_downstream_token_issued",
      issue: ({ c, form, client }) =>
        redeemAssertion(c, deployment, { form, client, proven: isProven(c, form), verifier }),
    });
  }
  return grants;
}

function chooseGrant(grants: ReadonlyMap<string, Grant>, type: string | null): Grant {
  if (type === null) {
    throw new OAuthError("invalid_request", "grant_type is required.", { reason: "grant_type_missing" });
  }
  const grant = grants.get(type);
  if (grant !== undefined) return grant;
  const known = [...grants.keys()];
  throw new OAuthError("unsupported_grant_type", `Supported are: ${known.join(", ")}.`, {
    reason: "grant_type_unsupported",
  });
}

/** Whether the client, which has been authenticated, showed a credential: a public client cannot. */
function isProven(c: Context<Env>, form: URLSearchParams): boolean {
  return c.req.header("authorization") !== undefined || Boolean(form.get("client_secret")) ||
    form.has("client_assertion");
}
