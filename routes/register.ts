/** Dynamic client registration (RFC 7591), and reading and deleting a registration (RFC 7592). */
import type { Context } from "@hono/hono";
import {
  deleteRegistration,
  readRegistration,
  registerClient,
} from "../lib/authorization_server/client_registration.ts";
import { readBody } from "../lib/http/body.ts";
import { parseStrictJson } from "../lib/http/strict_json.ts";
import { OAuthError } from "../lib/oauth/errors.ts";
import { PATHS } from "../lib/oauth/paths.ts";
import type { Deployment, Env } from "./context.ts";
import { redirectUriPolicy } from "./targets.ts";

const MAX_BODY_BYTES = 65_536;
const MAX_JSON_DEPTH = 16;

/** POST: registers a client. */
export function register(deployment: Deployment): (c: Context<Env>) => Promise<Response> {
  const { services, gateway } = deployment;
  return async (c) => {
    const body = await readJson(deployment, c.req.raw);
    const context = { ...redirectUriPolicy(gateway, c.env.origin), address: c.env.address };
    const { clientId, answer } = await registerClient(services, body, context);
    services.events.emit("info", "mcp_auth_downstream_client_registered", {
      requestId: c.env.requestId,
      clientId,
    });
    const managed = "registration_access_token" in answer;
    const management = managed ? { registration_client_uri: registrationUri(c, deployment, clientId) } : {};
    return Response.json({ ...answer, ...management }, {
      status: 201,
      headers: { "Cache-Control": "no-store", Pragma: "no-cache" },
    });
  };
}

/** GET at the registration's URI: the current metadata. */
export function registration(deployment: Deployment): (c: Context<Env>) => Promise<Response> {
  return async (c) => {
    const clientId = c.req.param("clientId") ?? "";
    const answer = await readRegistration(deployment.services, clientId, bearerOf(c));
    return Response.json({ ...answer, registration_client_uri: registrationUri(c, deployment, clientId) }, {
      headers: { "Cache-Control": "no-store", Pragma: "no-cache" },
    });
  };
}

/** DELETE at the registration's URI: the client is gone. */
export function unregister(deployment: Deployment): (c: Context<Env>) => Promise<Response> {
  return async (c) => {
    const clientId = c.req.param("clientId") ?? "";
    await deleteRegistration(deployment.services, clientId, bearerOf(c));
    deployment.services.events.emit("info", "mcp_auth_downstream_client_deleted", {
      requestId: c.env.requestId,
      clientId,
    });
    return c.body(null, 204, { "Cache-Control": "no-store" });
  };
}

async function readJson({ deadlines }: Deployment, request: Request): Promise<unknown> {
  const type = request.headers.get("content-type")?.split(";", 1)[0]?.trim().toLowerCase();
  if (type !== "application/json") {
    throw new OAuthError("invalid_client_metadata", "Send the metadata as application/json.", {
      reason: "content_type_unsupported",
    });
  }
  const body = await readBody(request, { maxBytes: MAX_BODY_BYTES, deadlines });
  try {
    return parseStrictJson(body, MAX_JSON_DEPTH);
  } catch {
    throw new OAuthError("invalid_client_metadata", "The body is not unambiguous JSON in UTF-8.", {
      reason: "body_not_json",
    });
  }
}

function registrationUri(c: Context<Env>, deployment: Deployment, clientId: string): string {
  return `${c.env.origin}${deployment.gateway.basePath}${PATHS.register}/${encodeURIComponent(clientId)}`;
}

function bearerOf(c: Context<Env>): string | null {
  return /^bearer +(\S+)$/i.exec(c.req.header("authorization") ?? "")?.[1] ?? null;
}
