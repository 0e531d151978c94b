/** The way back: the upstream's answer becomes the client's, and a stream is watched until it ends. */
import type { Route } from "../lib/gateway/gateway.ts";
import { endable, type EventStream, relay, startingWith } from "../lib/mcp/event_stream.ts";
import { responseHeaders } from "../lib/mcp/headers.ts";
import { limitIdle } from "../lib/mcp/idle_limit.ts";
import { isModern, JSON_RPC_CODES, JsonRpcError, type McpMessage } from "../lib/mcp/json_rpc.ts";
import { bindSessionId, sessionElicitsUrls, standsFor } from "../lib/mcp/session_id.ts";
import type { OpenStream } from "../lib/mcp/stream_registry.ts";
import { connectionAnnouncement, ownerOf } from "../lib/upstream/connection_settings.ts";
import type { AnswerFilter } from "./answer_filter.ts";
import type { Invocation } from "./invocation.ts";
import { type Admitted, type Endpoint, judge } from "./mcp_exchange.ts";

/** The upstream's answer and what it answers. */
export interface Answered {
  readonly answer: Response;
  readonly message: McpMessage | null;
  readonly invocation: Invocation;
  /** `null`: nothing has to be taken out of the answer. */
  readonly filter: AnswerFilter | null;
}

/** Turns the upstream's answer into ours: headers by allow-list, the body unread. @throws {JsonRpcError} */
export function handOver(
  endpoint: Endpoint,
  admitted: Admitted,
  answered: Answered,
): Response | Promise<Response> {
  const { answer, message, invocation, filter } = answered;
  if (answer.status === 401 || answer.status === 403) return refuseCredential(endpoint.route, answered);
  const headers = responseHeaders(answer.headers);
  const upstreamId = answer.headers.get("mcp-session-id");
  // 2026-07-28 has no sessions, whatever the upstream says.
  if (upstreamId !== null && !isModern(message)) {
    const given = admitted.request.headers.get("mcp-session-id");
    // Many servers repeat the id in every answer. The client keeps its own, and with it what it has said of itself at `initialize`.
    const sessionId = standsFor(given, upstreamId) ? given : bindSessionId(
      endpoint.deployment.services.keyRing,
      upstreamId,
      admitted.verdict,
      message?.sessionElicitsUrls ?? sessionElicitsUrls(given),
    );
    if (sessionId !== null) headers["mcp-session-id"] = sessionId;
  }
  // RFC 9110 §15.5.6: a 405 says what is allowed.
  if (answer.status === 405) headers["allow"] = answer.headers.get("allow") ?? "POST";
  const type = headers["content-type"]?.toLowerCase();
  if (answer.body === null || !type?.startsWith("text/event-stream")) {
    const { idleMs } = endpoint.route.timeouts;
    const source = answer.body === null || idleMs === 0
      ? answer
      : new Response(watched(endpoint, admitted, answer.body).body, answer);
    const answerWith = (body: BodyInit | null) => {
      const response = new Response(body, { status: answer.status, headers });
      invocation.completed();
      return response;
    };
    return filter?.readsAnswers ? filter.apply(source, answerWith) : answerWith(source.body);
  }
  headers["x-accel-buffering"] = "no";
  return watchStream(endpoint, admitted, answered, answer.body).then((stream) =>
    stream instanceof Response ? stream : new Response(stream, { status: answer.status, headers })
  );
}

/** Never the upstream's own challenge: the client would sign in to the wrong server and drop its good token (RS-13). */
async function refuseCredential(route: Route, { answer, message }: Answered): Promise<never> {
  await answer.body?.cancel();
  throw new JsonRpcError(JSON_RPC_CODES.upstreamUnavailable, refusedCredential(route), {
    status: 502,
    reason: "upstream_refused_credential",
    id: message?.id ?? null,
  });
}

/** Registers the stream and returns it, or answers why it may not open. */
async function watchStream(
  endpoint: Endpoint,
  admitted: Admitted,
  { message, invocation, filter }: Answered,
  upstreamBody: ReadableStream<Uint8Array<ArrayBuffer>>,
): Promise<Response | ReadableStream<Uint8Array<ArrayBuffer>>> {
  const { streams } = endpoint.parts;
  const { verdict, context } = admitted;
  if (!streams.hasRoomFor(verdict.userId)) {
    // It may have broken already, which changes nothing.
    await upstreamBody.cancel().catch(() => {});
    throw tooManyStreams(message);
  }
  let idle = false;
  const source = endpoint.route.timeouts.idleMs === 0
    ? null
    : watched(endpoint, admitted, upstreamBody, () => idle = true);
  const standing = isStanding(admitted, message) ? standingStream(endpoint, admitted) : null;
  const first = standing?.first ?? null;
  const stream = filter?.stream(source?.body ?? upstreamBody) ?? source ??
    (first === null ? endable(upstreamBody) : relay(upstreamBody));
  const { body, end } = first === null ? stream : startingWith(first, stream);
  const { completed } = context.delivery;
  streams.add({ ...verdict, ...standing?.ends, abort: end }, completed);
  completed.then(end, end);
  // The upstream may have taken its time. From here on a revocation ends the stream; one that came before would be missed.
  const refusal = await judge(endpoint, admitted);
  if (refusal instanceof Response) {
    end();
    if (outlivedItsToken(endpoint, admitted, message)) throw answerDropped(endpoint.route, message);
    invocation.completed("cancelled");
    return refusal;
  }
  completed.then(
    () => invocation.completed(idle ? "cancelled" : undefined),
    () => invocation.completed("cancelled"),
  );
  return body;
}

/** Whether the upstream has carried something out by now, so that to repeat it would do it twice. */
function isCall(message: McpMessage | null): boolean {
  return message !== null && (message.kind === "request" || message.kind === "batch") &&
    message.method !== "subscriptions/listen";
}

const PERHAPS_DONE = "The call may have been carried out: look before you repeat it.";

/** Whether this is a call whose token has expired while it was carried out. */
function outlivedItsToken(
  { deployment }: Endpoint,
  { verdict }: Admitted,
  message: McpMessage | null,
): boolean {
  return isCall(message) && deployment.services.clock.now() >= verdict.expiresAt;
}

/** No 401: clients renew their token on it and call once more, and what the call does would be done twice. */
function answerDropped({ operationId }: Route, message: McpMessage | null): JsonRpcError {
  const text =
    `The access token expired before the upstream MCP server of "${operationId}" answered, and its answer was dropped. ` +
    PERHAPS_DONE;
  return new JsonRpcError(JSON_RPC_CODES.upstreamUnavailable, text, {
    status: 504,
    reason: "token_expired_meanwhile",
    id: message?.id ?? null,
  });
}

/** Only the answer tells whether a request needs a stream, so a call has reached the upstream by then. */
function tooManyStreams(message: McpMessage | null): JsonRpcError {
  const text = "Too many streams are open; close one and try again.";
  return new JsonRpcError(JSON_RPC_CODES.tooMany, isCall(message) ? `${text} ${PERHAPS_DONE}` : text, {
    status: 429,
    reason: "too_many_streams",
    id: message?.id ?? null,
    headers: { "Retry-After": "5" },
  });
}

/** A session's own stream, or a subscription: open for as long as the client likes, while an answer ends with its result. */
function isStanding({ request }: Admitted, message: McpMessage | null): boolean {
  return request.method === "GET" || message?.method === "subscriptions/listen";
}

/**
 * What is special about a standing stream: it ends with the credential that it was opened with, since another one may be another
 * account's; and it begins with what the client is owed.
 */
function standingStream({ parts, route }: Endpoint, { request, verdict }: Admitted): {
  readonly first: Uint8Array<ArrayBuffer> | null;
  readonly ends: Pick<OpenStream, "endedBy">;
} {
  if (route.credential.kind !== "tokenExchange") return { first: null, ends: {} };
  const { connection } = route.credential;
  const of = { connectionId: connection.id, owner: ownerOf(connection, verdict.userId) };
  // 2026-07-28 has no sessions, and so nobody has looked whose id a subscription bears.
  const sessionId = request.method === "GET" ? request.headers.get("mcp-session-id") : null;
  return {
    first: sessionId === null ? null : parts.elicitations.take(sessionId),
    ends: { endedBy: [connectionAnnouncement("made", of), connectionAnnouncement("ended", of)] },
  };
}

/** For a route with `timeouts.idleMs`: an answer that is cut off, and logged, when its upstream falls silent. */
function watched(
  { deployment, route }: Endpoint,
  { context, verdict }: Admitted,
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  onIdle: () => void = () => {},
): EventStream {
  return limitIdle(body, {
    idleMs: route.timeouts.idleMs,
    deadlines: deployment.deadlines,
    onIdle() {
      onIdle();
      deployment.services.events.emit("warn", "mcp_upstream_unreachable", {
        requestId: context.requestId,
        operationId: route.operationId,
        subjectId: verdict.userId,
        clientId: verdict.clientId,
        reasonCode: "upstream_idle",
      });
    },
  });
}

function refusedCredential(route: Route): string {
  return `The upstream MCP server of "${route.operationId}" refused the gateway's credential. The gateway's operator has to mend it.`;
}
