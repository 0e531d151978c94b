/** Tells a client that its user has to act, and takes back what an earlier such answer gave out. */
import type { Verdict } from "../lib/authorization_server/access_token.ts";
import {
  type ConnectAudience,
  type ConnectRequired,
  connectRequiredAnswer,
} from "../lib/mcp/connect_required.ts";
import { JSON_RPC_CODES, JsonRpcError, type McpMessage } from "../lib/mcp/json_rpc.ts";
import { carriesOwnInput, openState, withoutOwnInput } from "../lib/mcp/request_state.ts";
import { sessionElicitsUrls } from "../lib/mcp/session_id.ts";
import { connectionAnnouncement, ownerOf } from "../lib/upstream/connection_settings.ts";
import type { RequestContext } from "./context.ts";
import type { Endpoint } from "./mcp_exchange.ts";

/** The request at hand, as far as the answer depends on it. */
interface Asked {
  readonly request: Request;
  readonly context: Pick<RequestContext, "requestId">;
  readonly verdict: Verdict;
}

/**
 * The answer in the dialect of the client: contract section 5.
 * @throws {JsonRpcError} -32602 for a `requestState` of ours that is not this request's.
 */
export function userMustAct(
  endpoint: Pick<Endpoint, "deployment" | "parts" | "era">,
  asked: Asked,
  about: {
    readonly required: ConnectRequired;
    readonly message: McpMessage | null;
    readonly body: string | null;
  },
): Response {
  const { deployment, parts } = endpoint;
  const { required, message, body } = about;
  // Which no answer of an upstream can carry: whoever acts on a link can tell whose it is (corpus B13 209).
  const headers = {
    "Cache-Control": "no-store",
    "Sallyport-Connect": required.upstreamServerId,
    "X-Request-Id": asked.context.requestId,
  };
  // A stream cannot be opened before the user has acted, and there is no session to delete.
  if (message === null || body === null) {
    return asked.request.method === "GET"
      ? new Response(null, { status: 405, headers: { ...headers, Allow: "POST" } })
      : new Response(null, { status: 202, headers });
  }
  const audience = audienceOf(endpoint, asked, body);
  if (openState(message, audience) === "foreign") throw stateRefused(message);
  const answer = connectRequiredAnswer(required, message, audience);
  const sessionId = asked.request.headers.get("mcp-session-id");
  const upstream = deployment.upstreams.get(required.upstreamServerId);
  if (answer.elicits === true && sessionId !== null && upstream !== undefined) {
    const owner = ownerOf(upstream.settings, asked.verdict.userId);
    const completedBy = connectionAnnouncement("made", { connectionId: required.upstreamServerId, owner });
    parts.elicitations.note(sessionId, { elicitationId: required.elicitationId, completedBy });
  }
  return answer.body === null
    ? new Response(null, { status: answer.status, headers })
    : Response.json(answer.body, { status: answer.status, headers });
}

/** The body as it goes upstream: without our own input. @throws {JsonRpcError} -32602 for a state that is not this request's. */
export function ownBody(
  endpoint: Pick<Endpoint, "deployment" | "era">,
  asked: Asked,
  { body, message }: { readonly body: string | null; readonly message: McpMessage | null },
): string | null {
  if (body === null || message === null || !carriesOwnInput(message)) return body;
  const audience = audienceOf(endpoint, asked, body);
  const state = openState(message, audience);
  if (state === "foreign" || (state !== "none" && state.expired)) throw stateRefused(message);
  return withoutOwnInput(message, audience);
}

function stateRefused({ id }: McpMessage): JsonRpcError {
  return new JsonRpcError(
    JSON_RPC_CODES.invalidParams,
    "Invalid params: requestState is not valid for this request.",
    { status: 400, reason: "request_state_refused", id },
  );
}

function audienceOf(
  { deployment, era }: Pick<Endpoint, "deployment" | "era">,
  { request, verdict }: Asked,
  body: string,
): ConnectAudience {
  const { gateway, services: { keyRing, clock } } = deployment;
  return {
    holder: verdict,
    sessionElicitsUrls: sessionElicitsUrls(request.headers.get("mcp-session-id")),
    upstreamIsLegacy: era.isLegacy,
    enterpriseManaged: gateway.oauth.idJag !== null,
    body,
    keyRing,
    clock,
  };
}
