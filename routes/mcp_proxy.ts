/** The MCP endpoint of a route: bearer check, one request to the upstream, its answer streamed back (MCP Streamable HTTP). */
import type { Context } from "@hono/hono";
import type { Verdict } from "../lib/authorization_server/access_token.ts";
import type { Route } from "../lib/gateway/gateway.ts";
import { NotUtf8Error, readText } from "../lib/http/body.ts";
import { endable } from "../lib/mcp/event_stream.ts";
import { ClientGoneError, forward, type Upstream } from "../lib/mcp/forward.ts";
import { accepts, isJson } from "../lib/mcp/content_negotiation.ts";
import { requestHeaders, responseHeaders } from "../lib/mcp/headers.ts";
import { JSON_RPC_CODES, JsonRpcError, type McpMessage, parseMessage } from "../lib/mcp/json_rpc.ts";
import { bindSessionId, openSessionId } from "../lib/mcp/session_id.ts";
import type { StreamRegistry } from "../lib/mcp/stream_registry.ts";
import type { Deadlines } from "../lib/runtime/deadlines.ts";
import { challenge, checkBearer } from "./bearer.ts";
import type { Deployment, Env, RequestContext } from "./context.ts";
import { isAllowedOrigin, mcpPreflight } from "./cors.ts";
import { requestTarget } from "./edge.ts";
import { type Invocation, startInvocation } from "./invocation.ts";
import { ownHeadersOf, upstreamOf } from "./upstream.ts";

const METHODS = "GET, POST, DELETE, OPTIONS";

/** What all routes of a process share. */
export interface ProxyParts {
  readonly streams: StreamRegistry;
  readonly deadlines: Deadlines;
}

/** A route with all that does not change from request to request. */
interface Endpoint {
  readonly deployment: Deployment;
  readonly parts: ProxyParts;
  readonly route: Route;
  readonly upstream: Upstream;
  readonly ownHeaders: readonly (readonly [string, string])[];
}

/** A request that passed the gate. */
interface Admitted {
  readonly request: Request;
  readonly context: RequestContext;
  readonly verdict: Verdict;
  readonly search: string;
}

/** The handler of one route, for every method. Errors are thrown, for `error_handler.ts` to answer. */
export function mcpEndpoint(
  deployment: Deployment,
  parts: ProxyParts,
  route: Route,
): (c: Context<Env>) => Promise<Response> {
  const endpoint: Endpoint = {
    deployment,
    parts,
    route,
    upstream: upstreamOf(route),
    ownHeaders: ownHeadersOf(route),
  };
  return async function mcp(c) {
    const request = c.req.raw;
    const origin = request.headers.get("origin");
    if (origin !== null && !isAllowedOrigin(deployment.gateway, c.env.origin, origin)) throw originRefused();
    if (request.method === "OPTIONS") return mcpPreflight(request, origin);
    return await admit(endpoint, request, c.env);
  };
}

async function admit(endpoint: Endpoint, request: Request, context: RequestContext): Promise<Response> {
  const { search } = requestTarget(request.url);
  const verdict = await judge(endpoint, { request, context, search });
  if (verdict instanceof Response) return verdict;
  const admitted: Admitted = { request, context, verdict, search };
  switch (request.method) {
    case "POST":
      return await post(endpoint, admitted);
    case "GET":
      return await openStream(endpoint, admitted);
    case "DELETE":
      return await relay(endpoint, admitted, null, null);
    default:
      throw new JsonRpcError(JSON_RPC_CODES.invalidRequest, `Method ${request.method} is not allowed.`, {
        status: 405,
        reason: "method_not_allowed",
        headers: { Allow: METHODS },
      });
  }
}

/** The verdict on the request's token, or the challenge that refuses it. */
async function judge(
  { deployment, route }: Endpoint,
  { request, context, search }: Omit<Admitted, "verdict">,
): Promise<Verdict | Response> {
  const authorization = request.headers.get("authorization");
  const verdict = await checkBearer(deployment, { authorization, search }, route, context.origin);
  if (!("reason" in verdict)) return verdict;
  deployment.services.events.emit(
    verdict.error === null ? "debug" : "warn",
    "mcp_auth_downstream_bearer_refused",
    { requestId: context.requestId, operationId: route.operationId, reasonCode: verdict.reason },
  );
  return challenge(context, route, verdict);
}

async function post(endpoint: Endpoint, admitted: Admitted): Promise<Response> {
  const { headers } = admitted.request;
  if (!isJson(headers.get("content-type")) || headers.get("content-encoding") !== null) {
    throw refused(415, "content_type_unsupported", "Send application/json in UTF-8, not encoded further.");
  }
  if (!accepts(headers.get("accept"), ["application/json", "text/event-stream"])) {
    throw refused(406, "accept_unsupported", "Accept must list application/json and text/event-stream.");
  }
  const { bodyBytes, jsonDepth } = endpoint.deployment.gateway.limits;
  const body = await readMessage(admitted.request, bodyBytes);
  return await relay(endpoint, admitted, body, parseMessage(body, jsonDepth));
}

async function readMessage(request: Request, limit: number): Promise<string> {
  try {
    return await readText(request, limit);
  } catch (error) {
    if (!(error instanceof NotUtf8Error)) throw error;
    throw new JsonRpcError(JSON_RPC_CODES.parseError, "Parse error: the body is not UTF-8.", {
      status: 400,
      reason: "body_not_json",
    });
  }
}

async function openStream(endpoint: Endpoint, admitted: Admitted): Promise<Response> {
  if (admitted.request.headers.has("upgrade")) {
    throw refused(400, "upgrade_unsupported", "Connections are not upgraded here: there is no WebSocket.");
  }
  if (!accepts(admitted.request.headers.get("accept"), ["text/event-stream"])) {
    throw refused(406, "accept_unsupported", "Accept must list text/event-stream.");
  }
  return await relay(endpoint, admitted, null, null);
}

async function relay(
  endpoint: Endpoint,
  admitted: Admitted,
  body: string | null,
  message: McpMessage | null,
): Promise<Response> {
  const { request, context, verdict, search } = admitted;
  const { route, parts, deployment } = endpoint;
  const headers = requestHeaders(request.headers);
  const sessionId = upstreamSessionId(endpoint, admitted, message);
  if (sessionId !== null) headers.push(["mcp-session-id", sessionId]);
  const controller = new AbortController();
  request.signal.addEventListener("abort", () => controller.abort(), { once: true });
  const invocation = startInvocation(deployment.services, { context, route, verdict, message });
  try {
    const answer = await forward(endpoint.upstream, {
      method: request.method,
      headers,
      ownHeaders: endpoint.ownHeaders,
      search: route.forwardSearch ? search : "",
      body,
      id: message?.id ?? null,
      controller,
    }, parts.deadlines);
    invocation.upstreamAnswered(answer.status);
    return await handOver(endpoint, admitted, { answer, message, controller, invocation });
  } catch (error) {
    invocation.failed(error);
    if (error instanceof ClientGoneError) return new Response(null, { status: 499 });
    throw error;
  }
}

/** The session id of the request, as the upstream knows it. Whoever did not open the session gets 404. */
function upstreamSessionId(
  endpoint: Endpoint,
  { request, verdict }: Admitted,
  message: McpMessage | null,
): string | null {
  const given = request.headers.get("mcp-session-id");
  if (given === null) return null;
  const upstreamId = openSessionId(endpoint.deployment.services.keyRing, given, verdict);
  if (upstreamId !== null) return upstreamId;
  throw new JsonRpcError(JSON_RPC_CODES.sessionNotFound, "Session not found.", {
    status: 404,
    reason: "session_of_another_or_unknown",
    id: message?.id ?? null,
  });
}

interface Answered {
  readonly answer: Response;
  readonly message: McpMessage | null;
  readonly controller: AbortController;
  readonly invocation: Invocation;
}

async function handOver(endpoint: Endpoint, admitted: Admitted, answered: Answered): Promise<Response> {
  const { answer, message, invocation } = answered;
  if (answer.status === 401 || answer.status === 403) {
    await answer.body?.cancel();
    // Never the upstream's own challenge: the client would sign in to the wrong server and drop its good token (RS-13).
    throw new JsonRpcError(JSON_RPC_CODES.upstreamUnavailable, refusedCredential(endpoint.route), {
      status: 502,
      reason: "upstream_refused_credential",
      id: message?.id ?? null,
    });
  }
  const headers = responseHeaders(answer.headers);
  const upstreamId = answer.headers.get("mcp-session-id");
  if (upstreamId !== null) {
    const sessionId = bindSessionId(endpoint.deployment.services.keyRing, upstreamId, admitted.verdict);
    if (sessionId !== null) headers.push(["mcp-session-id", sessionId]);
  }
  const type = answer.headers.get("content-type")?.toLowerCase();
  if (answer.body === null || !type?.startsWith("text/event-stream")) {
    invocation.completed();
    return new Response(answer.body, { status: answer.status, headers });
  }
  headers.push(["x-accel-buffering", "no"]);
  const stream = await watchStream(endpoint, admitted, answered, answer.body);
  return stream instanceof Response ? stream : new Response(stream, { status: answer.status, headers });
}

/** Registers the stream and returns it, or answers why it may not open. */
async function watchStream(
  endpoint: Endpoint,
  admitted: Admitted,
  { message, invocation }: Answered,
  upstreamBody: ReadableStream<Uint8Array<ArrayBuffer>>,
): Promise<Response | ReadableStream<Uint8Array<ArrayBuffer>>> {
  const { streams } = endpoint.parts;
  const { verdict, context } = admitted;
  const { body, end } = endable(upstreamBody);
  if (!streams.hasRoomFor(verdict.userId)) {
    end();
    throw new JsonRpcError(
      JSON_RPC_CODES.upstreamUnavailable,
      "Too many streams are open; close one and try again.",
      {
        status: 429,
        reason: "too_many_streams",
        id: message?.id ?? null,
        headers: { "Retry-After": "5" },
      },
    );
  }
  const { completed } = context.delivery;
  streams.add({ ...verdict, abort: end }, completed);
  completed.then(end, end);
  // The upstream may have taken its time. From here on a revocation ends the stream; one that came before would be missed.
  const refusal = await judge(endpoint, admitted);
  if (refusal instanceof Response) {
    end();
    invocation.completed("cancelled");
    return refusal;
  }
  completed.then(() => invocation.completed(), () => invocation.completed("cancelled"));
  return body;
}

function refusedCredential(route: Route): string {
  return `The upstream MCP server of "${route.operationId}" refused the gateway's credential. The gateway's operator has to mend it.`;
}

function originRefused(): JsonRpcError {
  return refused(403, "origin_not_allowed", "Pages of this origin may not call this server.");
}

function refused(status: number, reason: string, message: string): JsonRpcError {
  return new JsonRpcError(JSON_RPC_CODES.invalidRequest, message, { status, reason });
}
