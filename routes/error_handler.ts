/** The only place that turns an error into an answer: OAuth JSON, a redirect to the client, a page, or JSON-RPC. */
import type { Context } from "@hono/hono";
import { AuthorizationError } from "../lib/authorization_server/authorization_error.ts";
import { BodyIncompleteError, BodyTimeoutError, BodyTooLargeError, NotUtf8Error } from "../lib/http/body.ts";
import { PageError, type PageErrorOptions } from "../lib/http/page_error.ts";
import { errorBody, JSON_RPC_CODES, JsonRpcError } from "../lib/mcp/json_rpc.ts";
import type { EventFields, EventName } from "../lib/observability/events.ts";
import { OAuthError } from "../lib/oauth/errors.ts";
import { RecordTooLargeError } from "../lib/store/store.ts";
import { seeOther } from "./browser.ts";
import type { Deployment, Env, RequestContext } from "./context.ts";
import { errorPage } from "./views/error.ts";
import { pageHeaders } from "./views/page_headers.ts";

/** Which language an endpoint's callers speak: decides how a fault is told. MCP routes have {@linkcode answerMcpError}. */
export type Surface = "oauth" | "page";

/** The request that failed, as far as its answer and its event tell of it: a Hono context, or the same of an MCP route. */
export interface FailedRequest {
  readonly req: { readonly method: string; readonly path: string };
  readonly env: Pick<RequestContext, "requestId">;
  /** What else its event says: whose request it was. */
  readonly fields?: EventFields;
}

const RETRY_AFTER_SECONDS = 5;

/** Answers the error in the language of the surface, and records why. */
export async function answerError(
  c: Context<Env>,
  deployment: Deployment,
  surface: Surface,
  error: unknown,
): Promise<Response> {
  if (error instanceof AuthorizationError) return redirectError(c, deployment, error);
  if (error instanceof PageError) return await answerPage(c, deployment, error.page);
  const known = error instanceof OAuthError ? error : oauthBodyError(error);
  if (known === null) return await unexpected(c, deployment, surface, error);
  if (surface === "page") return await answerPage(c, deployment, pageOf(known));
  record(c, deployment, oauthEventOf(c.req.path, known), known.reason, known.status);
  return oauthAnswer(c, known);
}

/** Answers an error of an MCP route as JSON-RPC, and records why. */
export function answerMcpError(failed: FailedRequest, deployment: Deployment, error: unknown): Response {
  const known = error instanceof JsonRpcError ? error : mcpBodyError(error);
  if (known === null) {
    const fault = recordUnexpected(failed, deployment, error);
    return jsonRpcAnswer(failed, new JsonRpcError(JSON_RPC_CODES.internalError, fault.message, fault));
  }
  record(failed, deployment, mcpEventOf(known), known.reason, known.status);
  return jsonRpcAnswer(failed, known);
}

/** What is wrong with a body, or with what would be stored of it: the same everywhere, told in two languages. */
interface BodyFault {
  readonly says: string;
  readonly status: number;
  readonly reason: string;
  readonly headers: Record<string, string>;
}

function bodyFault(error: unknown): BodyFault | null {
  // What was not read to its end must not be taken for the next request.
  const headers = { Connection: "close" };
  if (error instanceof BodyTooLargeError) {
    return {
      says: "The request body is too large. Send less at once.",
      status: 413,
      reason: "body_too_large",
      headers,
    };
  }
  if (error instanceof BodyTimeoutError) {
    const says = "The request body did not come in time. Try again.";
    return { says, status: 408, reason: "body_too_slow", headers };
  }
  if (error instanceof BodyIncompleteError) {
    return {
      says: "The request body broke off. Try again.",
      status: 400,
      reason: "body_incomplete",
      headers,
    };
  }
  return error instanceof RecordTooLargeError
    ? {
      says: "The request is too large. Send less at once.",
      status: 413,
      reason: "record_too_large",
      headers: {},
    }
    : null;
}

function oauthBodyError(error: unknown): OAuthError | null {
  const fault = bodyFault(error);
  return fault === null ? null : new OAuthError("invalid_request", fault.says, fault);
}

function mcpBodyError(error: unknown): JsonRpcError | null {
  if (error instanceof NotUtf8Error) {
    return new JsonRpcError(JSON_RPC_CODES.parseError, "Parse error: the body is not UTF-8.", {
      status: 400,
      reason: "body_not_json",
    });
  }
  const fault = bodyFault(error);
  return fault === null ? null : new JsonRpcError(JSON_RPC_CODES.invalidRequest, fault.says, fault);
}

function redirectError(c: Context<Env>, deployment: Deployment, error: AuthorizationError): Response {
  record(c, deployment, "mcp_auth_downstream_authorization_refused", error.reason, 303);
  return seeOther(c, error.redirect.to({ error: error.code, error_description: error.message }));
}

async function answerPage(
  c: FailedRequest,
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
function oauthAnswer(c: FailedRequest, error: OAuthError): Response {
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

function jsonRpcAnswer(c: FailedRequest, error: JsonRpcError): Response {
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

async function unexpected(
  c: FailedRequest,
  deployment: Deployment,
  surface: Surface,
  error: unknown,
): Promise<Response> {
  const fault = recordUnexpected(c, deployment, error);
  if (surface === "oauth") return oauthAnswer(c, new OAuthError("server_error", fault.message, fault));
  return await answerPage(c, deployment, {
    status: 503,
    title: "Something went wrong in the gateway",
    happened: "The gateway could not process this request. Nothing was lost.",
    todo: "Try again in a moment. If it stays, give the request id below to whoever runs this gateway.",
    reason: fault.reason,
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  });
}

/** A fault of ours or of the store: nothing of it is shown but the request id. */
function recordUnexpected({ req, env, fields }: FailedRequest, { services }: Deployment, error: unknown) {
  const errorName = error instanceof Error ? error.name : typeof error;
  const { requestId } = env;
  services.events.emit("error", "gateway_fault", {
    ...fields,
    requestId,
    errorName,
    method: req.method,
    path: req.path,
  });
  return {
    reason: "gateway_fault",
    status: 503,
    headers: { "Retry-After": String(RETRY_AFTER_SECONDS) },
    message:
      `The gateway could not process the request. Try again in a moment; if it stays, name request ${requestId} to its operator.`,
  };
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
  c: FailedRequest,
  deployment: Deployment,
  event: EventName,
  reasonCode: string,
  status: number,
): void {
  const { requestId } = c.env;
  deployment.services.events.emit("warn", event, {
    ...c.fields,
    requestId,
    reasonCode,
    status,
    method: c.req.method,
    path: c.req.path,
  });
}
