/** The MCP endpoint of a route: bearer check, one request to the upstream, its answer streamed back (MCP Streamable HTTP). */
import type { Verdict } from "../lib/authorization_server/access_token.ts";
import { readText } from "../lib/http/body.ts";
import { Departure } from "../lib/mcp/departure.ts";
import { ClientGoneError, forward, type UpstreamRequest } from "../lib/mcp/forward.ts";
import { accepts, isJson } from "../lib/mcp/content_negotiation.ts";
import { checkEra } from "../lib/mcp/era_check.ts";
import { type HeaderRecord, requestHeaders } from "../lib/mcp/headers.ts";
import {
  isModern,
  JSON_RPC_CODES,
  JsonRpcError,
  type McpMessage,
  type ParsedMessage,
  parseMessage,
} from "../lib/mcp/json_rpc.ts";
import { nextStep } from "../lib/runtime/in_step.ts";
import { openSessionId } from "../lib/mcp/session_id.ts";
import { UpstreamEra } from "../lib/mcp/upstream_era.ts";
import { routeCapabilities } from "./capability_filter.ts";
import { type Act, type Caller, type Refused, RouteCredential } from "./credential.ts";
import type { Deployment, RequestContext } from "./context.ts";
import { isAllowedOrigin, makeReadable, mcpPreflight } from "./cors.ts";
import { answerMcpError } from "./error_handler.ts";
import { handOver } from "./hand_over.ts";
import { type Invocation, startInvocation } from "./invocation.ts";
import { type Admitted, type Endpoint, judge, type ProxyParts } from "./mcp_exchange.ts";
import { rateCheckOf } from "./rate_limit.ts";
import { ownBody, userMustAct } from "./user_must_act.ts";

const METHODS = "GET, POST, DELETE, OPTIONS";
const JSON_OR_STREAM = ["application/json", "text/event-stream"] as const;
const NO_MESSAGE = { message: null, value: undefined };
const STREAM = ["text/event-stream"] as const;

/** The handler of one route, for every method. It answers errors, too. */
export function mcpEndpoint(
  deployment: Deployment,
  parts: ProxyParts,
  { route, upstream }: Pick<Endpoint, "route" | "upstream">,
): (request: Request, context: RequestContext) => Response | Promise<Response> {
  const endpoint: Endpoint = {
    deployment,
    parts,
    route,
    upstream,
    credential: new RouteCredential(deployment, route),
    era: new UpstreamEra(),
    rateCheck: rateCheckOf(route, deployment.services.clock),
    capabilities: routeCapabilities(deployment, route),
  };
  return (request, context) => {
    const origin = request.headers.get("origin");
    const asked = { request, context };
    return origin === null ? admit(endpoint, asked, null) : answerPage(endpoint, asked, origin);
  };
}

/** A request that has not passed the gate yet. */
type Asked = Omit<Admitted, "verdict">;

/** The answer to a page in a browser, which may read it if it is of an origin that may call. */
async function answerPage(endpoint: Endpoint, asked: Asked, origin: string): Promise<Response> {
  if (!isAllowedOrigin(endpoint.deployment.gateway, asked.context.origin, origin)) {
    return failure(endpoint, asked, { caller: null, error: originRefused() });
  }
  const response = await admit(endpoint, asked, origin);
  makeReadable(response, origin);
  return response;
}

/** Through the gate. Most verdicts are known. */
function admit(endpoint: Endpoint, asked: Asked, origin: string | null): Response | Promise<Response> {
  const failed = (error: unknown) => failure(endpoint, asked, { caller: null, error });
  try {
    if (asked.request.method === "OPTIONS") return mcpPreflight(asked.request, origin);
    const judged = judge(endpoint, asked);
    return judged instanceof Promise
      ? judged.then((verdict) => proceed(endpoint, asked, verdict), failed)
      : nextStep.then(() => proceed(endpoint, asked, judged));
  } catch (error) {
    return failed(error);
  }
}

function proceed(
  endpoint: Endpoint,
  { request, context }: Asked,
  verdict: Verdict | Response,
): Response | Promise<Response> {
  if (verdict instanceof Response) return verdict;
  const admitted: Admitted = { request, context, verdict };
  try {
    return dispatch(endpoint, admitted);
  } catch (error) {
    return failure(endpoint, admitted, { caller: verdict, error });
  }
}

/** The answer to a request that failed; its event tells whose it was. */
function failure(
  { deployment, route }: Endpoint,
  { request, context }: Asked,
  { caller, error }: { readonly caller: Verdict | null; readonly error: unknown },
): Response {
  const { operationId } = route;
  const subject = caller === null ? {} : { subjectId: caller.userId, clientId: caller.clientId };
  const req = { method: request.method, path: context.target.path };
  return answerMcpError({ req, env: context, fields: { operationId, ...subject } }, deployment, error);
}

function dispatch(endpoint: Endpoint, admitted: Admitted): Promise<Response> {
  const { request, context, verdict } = admitted;
  // Before the body is read: what is one too many costs next to nothing.
  endpoint.rateCheck?.(context, verdict);
  switch (request.method) {
    case "POST":
      return relay(endpoint, admitted, startReading(endpoint, admitted));
    case "GET":
      checkStreamRequest(request);
      return relay(endpoint, admitted, null);
    case "DELETE":
      return relay(endpoint, admitted, null);
    default:
      throw new JsonRpcError(
        JSON_RPC_CODES.invalidRequest,
        `Method ${request.method} is not allowed. Send POST, GET or DELETE.`,
        { status: 405, reason: "method_not_allowed", headers: { Allow: METHODS } },
      );
  }
}

/** Begins to read the body of a POST. @throws {JsonRpcError} for what cannot be a message */
function startReading({ deployment }: Endpoint, { request }: Admitted): Promise<string> {
  const { headers } = request;
  if (!isJson(headers.get("content-type")) || headers.get("content-encoding") !== null) {
    throw refused(415, "content_type_unsupported", "Send application/json in UTF-8, not encoded further.");
  }
  if (!accepts(headers.get("accept"), JSON_OR_STREAM)) {
    throw refused(406, "accept_unsupported", "Accept must list application/json and text/event-stream.");
  }
  const { deadlines, gateway } = deployment;
  return readText(request, { maxBytes: gateway.limits.bodyBytes, deadlines });
}

/** The message of a POST. @throws {JsonRpcError} for what is no message, another one to other readers, or a batch that is too many */
function messageOf(
  { deployment, rateCheck }: Endpoint,
  { request, context, verdict }: Admitted,
  body: string,
): ParsedMessage {
  const parsed = parseMessage(body, deployment.gateway.limits.jsonDepth);
  const { message } = parsed;
  checkEra(request.headers, message);
  // The first was counted before it was read; a batch is no way to send a hundred for one.
  for (let more = 1; more < message.elements.length; more++) rateCheck?.(context, verdict);
  return parsed;
}

function checkStreamRequest({ headers }: Request): void {
  if (headers.has("upgrade")) {
    throw refused(400, "upgrade_unsupported", "Connections are not upgraded here: there is no WebSocket.");
  }
  if (!accepts(headers.get("accept"), STREAM)) {
    throw refused(406, "accept_unsupported", "Accept must list text/event-stream.");
  }
}

/**
 * Sends the request upstream and its answer back, in step with the calls that came together with it. One function for all that waits: each
 * further one costs every call a promise.
 */
async function relay(
  endpoint: Endpoint,
  admitted: Admitted,
  reading: Promise<string> | null,
): Promise<Response> {
  const { request, context, verdict } = admitted;
  const { deadlines, services } = endpoint.deployment;
  let departure: Departure | null = null;
  let invocation: Invocation | null = null;
  try {
    const body = reading === null ? null : await reading;
    const { message, value } = body === null ? NO_MESSAGE : messageOf(endpoint, admitted, body);
    await nextStep;
    const headers = requestHeaders(request.headers, message);
    addSession(headers, endpoint, admitted, message);
    const { capabilities } = endpoint;
    const admission = capabilities === null ? null : capabilities.admit({ ...admitted, message, value });
    const filter = admission instanceof Promise ? await admission : admission;
    if (filter instanceof Response) return filter;
    const id = message?.id ?? null;
    const credential = endpoint.credential.peek(verdict) ??
      await endpoint.credential.resolve({ verdict, context, id });
    if (credential.kind === "act") {
      return userMustAct(endpoint, admitted, { required: credential.required, message, body });
    }
    departure = new Departure(request, deadlines);
    const sent: UpstreamRequest = {
      method: request.method,
      headers: Object.assign(headers, credential.headers),
      ownHeaders: credential.headers,
      search: endpoint.route.forwardSearch ? context.target.search : "",
      body: ownBody(endpoint, admitted, { body, message }),
      id,
      controller: departure.controller,
    };
    invocation = startInvocation(services, { context, route: endpoint.route, verdict, message });
    await nextStep;
    const first = await forward(endpoint.upstream, sent, deadlines);
    const answer = isRefusal(first)
      ? await askAgain(endpoint, { verdict, context, id }, { sent, token: credential.token, refusal: first })
      : first;
    if (!(answer instanceof Response)) {
      invocation.completed("cancelled");
      return userMustAct(endpoint, admitted, { required: answer.required, message, body });
    }
    invocation.upstreamAnswered(answer.status);
    if (message !== null) endpoint.era.hear(message, answer.status);
    const handed = handOver(endpoint, admitted, { answer, message, invocation, filter });
    return handed instanceof Promise ? await handed : handed;
  } catch (error) {
    // Whoever leaves while an answer is read cuts it short.
    const cause = departure?.left ? new ClientGoneError() : error;
    invocation?.failed(cause);
    return cause instanceof ClientGoneError
      ? new Response(null, { status: 499 })
      : failure(endpoint, admitted, { caller: verdict, error: cause });
  } finally {
    departure?.over();
  }
}

function isRefusal({ status }: Response): boolean {
  return status === 401 || status === 403;
}

/** Where the upstream refuses the credential: its answer to another one, or what the user has to do. */
async function askAgain(
  { upstream, credential, deployment }: Endpoint,
  caller: Caller,
  { sent, token, refusal }: {
    readonly sent: UpstreamRequest;
    readonly token: string | null;
    readonly refusal: Response;
  },
): Promise<Response | Act> {
  let answer = refusal;
  // What was refreshed ahead of the call has not been refreshed for a refusal of it.
  let refused: Refused = { token, refreshed: false, sends: 1 };
  for (;;) {
    // Nobody reads it, whatever comes next; it may have broken already.
    await answer.body?.cancel().catch(() => {});
    // Which says, too, when there have been enough: the body is a text that can be sent again.
    const next = await credential.afterRefusal(caller, refused, answer);
    if (next === null) return answer;
    if (next.kind === "act") return next;
    const headers = { ...sent.headers, ...next.headers };
    answer = await forward(upstream, { ...sent, headers, ownHeaders: next.headers }, deployment.deadlines);
    if (!isRefusal(answer)) return answer;
    refused = { token: next.token, refreshed: next.refreshed, sends: refused.sends + 1 };
  }
}

/** Adds the session id as the upstream knows it. Whoever did not open the session gets 404; 2026-07-28 has no sessions. */
function addSession(
  headers: HeaderRecord,
  endpoint: Endpoint,
  { request, verdict }: Admitted,
  message: McpMessage | null,
): void {
  const given = request.headers.get("mcp-session-id");
  if (given === null || isModern(message)) return;
  const upstreamId = openSessionId(endpoint.deployment.services.keyRing, given, verdict);
  if (upstreamId === null) {
    throw new JsonRpcError(
      JSON_RPC_CODES.sessionNotFound,
      "Session not found. Start a new one with initialize.",
      { status: 404, reason: "session_of_another_or_unknown", id: message?.id ?? null },
    );
  }
  headers["mcp-session-id"] = upstreamId;
  // Without a session nothing says whose events they are: the upstream would replay a stranger's (TR-27).
  const lastEventId = request.headers.get("last-event-id");
  if (lastEventId !== null) headers["last-event-id"] = lastEventId;
}

function originRefused(): JsonRpcError {
  return refused(
    403,
    "origin_not_allowed",
    "Pages of this origin may not call this server. Its operator can list the origin in corsOrigins.",
  );
}

function refused(status: number, reason: string, message: string): JsonRpcError {
  return new JsonRpcError(JSON_RPC_CODES.invalidRequest, message, { status, reason });
}
