/** The only place that turns an error into an answer: OAuth JSON, a redirect to the client, a page, or JSON-RPC. */
import type { Context } from "@hono/hono";
import { AuthorizationError } from "../lib/authorization_server/authorization_error.ts";
import { BodyTooLargeError } from "../lib/http/body.ts";
import { PageError, type PageErrorOptions } from "../lib/http/page_error.ts";
import { errorBody, JSON_RPC_CODES, JsonRpcError } from "../lib/mcp/json_rpc.ts";
import type { EventFields, EventName } from "../lib/observability/events.ts";
import { OAuthError } from "../lib/oauth/errors.ts";
import { RecordTooLargeError } from "../lib/store/store.ts";
import type { Deployment, Env } from "./context.ts";
import { errorPage } from "./views/error.ts";
import { pageHeaders } from "./views/page_headers.ts";

/** Which language an endpoint's callers speak: decides how a fault is told. */
export type Surface = "oauth" | "page" | "mcp";

const RETRY_AFTER_SECONDS = 5;

/** Answers the error in the language of the surface, and records why. */
export async function answerError(
  c: Context<Env>,
  deployment: Deployment,
  surface: Surface,
  error: unknown,
): Promise<Response> {
  if (error instanceof AuthorizationError) return redirectError(c, deployment, error);
  const known = translate(error, surface);
  if (known === null) return await unexpected(c, deployment, surface, error);
  if (known instanceof OAuthError) {
    if (surface === "page") return await answerPage(c, deployment, pageOf(known));
    record(c, deployment, oauthEventOf(c.req.path, known), known.reason, known.status);
    return oauthAnswer(c, known);
  }
  if (known instanceof PageError) return await answerPage(c, deployment, known.page);
  record(c, deployment, mcpEventOf(known), known.reason, known.status, known.fields);
  return jsonRpcAnswer(c, known);
}

/** Size faults mean the same everywhere, in another shape. */
function translate(error: unknown, surface: Surface): OAuthError | PageError | JsonRpcError | null {
  if (error instanceof OAuthError || error instanceof PageError || error instanceof JsonRpcError) {
    return error;
  }
  if (!(error instanceof BodyTooLargeError || error instanceof RecordTooLargeError)) return null;
  const reason = error instanceof BodyTooLargeError ? "body_too_large" : "record_too_large";
  if (surface === "mcp") {
    return new JsonRpcError(JSON_RPC_CODES.invalidRequest, "The request body is too large.", {
      status: 413,
      reason,
    });
  }
  return new OAuthError("invalid_request", "The request is too large.", { status: 413, reason });
}

function redirectError(c: Context<Env>, deployment: Deployment, error: AuthorizationError): Response {
  record(c, deployment, "mcp_auth_downstream_authorization_refused", error.reason, 303);
  const location = error.redirect.to({ error: error.code, error_description: error.message });
  return c.body(null, 303, {
    Location: location,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
  });
}

async function answerPage(
  c: Context<Env>,
  deployment: Deployment,
  page: PageErrorOptions,
): Promise<Response> {
  const event = page.status === 429 ? "http_rate_limited" : "mcp_auth_browser_request_refused";
  record(c, deployment, event, page.reason, page.status);
  const { status, title, happened, todo, action, retryAfterSeconds } = page;
  const { requestId } = c.env;
  const html = await errorPage({
    status,
    title,
    happened,
    todo,
    requestId,
    action: action ?? null,
    basePath: deployment.gateway.basePath,
  });
  return new Response(html, {
    status,
    headers: {
      ...pageHeaders({ formActionSelf: true }),
      "X-Request-Id": requestId,
      ...(retryAfterSeconds === undefined ? {} : { "Retry-After": String(retryAfterSeconds) }),
    },
  });
}

function pageOf(error: OAuthError): PageErrorOptions {
  return {
    status: error.status,
    title: "This request cannot be processed",
    happened: error.message,
    todo: "Go back to your app and start again from there.",
    reason: error.reason,
  };
}

/** The RFC 6749 §5.2 answer. */
function oauthAnswer(c: Context<Env>, error: OAuthError): Response {
  return Response.json({ error: error.code, error_description: error.message }, {
    status: error.status,
    headers: {
      "Cache-Control": "no-store",
      Pragma: "no-cache",
      "X-Request-Id": c.env.requestId,
      ...error.headers,
    },
  });
}

function jsonRpcAnswer(c: Context<Env>, error: JsonRpcError): Response {
  return new Response(errorBody(error), {
    status: error.status,
    headers: {
      "Content-Type": "application/json",
      "Cache-Control": "no-store",
      "X-Request-Id": c.env.requestId,
      ...error.headers,
    },
  });
}

/** A fault of ours or of the store: nothing of it is shown but the request id. */
async function unexpected(
  c: Context<Env>,
  deployment: Deployment,
  surface: Surface,
  error: unknown,
): Promise<Response> {
  const errorName = error instanceof Error ? error.name : typeof error;
  const { requestId } = c.env;
  deployment.services.events.emit("error", "gateway_fault", {
    requestId,
    errorName,
    method: c.req.method,
    path: c.req.path,
  });
  const headers = { "Retry-After": String(RETRY_AFTER_SECONDS) };
  const reason = "gateway_fault";
  const message =
    `The gateway could not process the request. Try again in a moment; if it stays, name request ${requestId} to its operator.`;
  switch (surface) {
    case "oauth":
      return oauthAnswer(c, new OAuthError("server_error", message, { reason, status: 503, headers }));
    case "mcp":
      return jsonRpcAnswer(
        c,
        new JsonRpcError(JSON_RPC_CODES.internalError, message, { reason, status: 503, headers }),
      );
    case "page":
      return await answerPage(c, deployment, {
        status: 503,
        title: "Something went wrong in the gateway",
        happened: "The gateway could not process this request. Nothing was lost.",
        todo: "Try again in a moment. If it stays, give the request id below to whoever runs this gateway.",
        reason,
        retryAfterSeconds: RETRY_AFTER_SECONDS,
      });
  }
}

function oauthEventOf(path: string, { status }: OAuthError): EventName {
  if (status === 429) return "http_rate_limited";
  return /\/(?:token|revoke|register)/.test(path)
    ? "mcp_auth_downstream_token_refused"
    : "http_request_refused";
}

/** What a refused MCP request is called in the log: by its status, which is all that they have in common. */
function mcpEventOf({ status }: JsonRpcError): EventName {
  if (status === 429) return "http_rate_limited";
  if (status === 404) return "mcp_session_refused";
  return status === 502 || status === 504 ? "mcp_upstream_unreachable" : "http_request_refused";
}

function record(
  c: Context<Env>,
  deployment: Deployment,
  event: EventName,
  reasonCode: string,
  status: number,
  fields: EventFields = {},
): void {
  const { requestId } = c.env;
  deployment.services.events.emit("warn", event, {
    ...fields,
    requestId,
    reasonCode,
    status,
    method: c.req.method,
    path: c.req.path,
  });
}
