/** Tells a client that its user has to act, and takes back what an earlier such answer gave out. */
import type { Verdict } from "../lib/authorization_server/access_token.ts";
import {
  carriesOwnState,
  type ConnectAudience,
  type ConnectRequired,
  connectRequiredAnswer,
  withoutOwnState,
} from "../lib/mcp/connect_required.ts";
import { JSON_RPC_CODES, JsonRpcError, type McpMessage } from "../lib/mcp/json_rpc.ts";
import { sessionElicitsUrls } from "../lib/mcp/session_id.ts";
import type { Deployment } from "./context.ts";

/** The request at hand, as far as the answer depends on it. */
interface Asked {
  readonly request: Request;
  readonly verdict: Verdict;
}

/** The answer in the dialect of the client: contract section 5. */
export function userMustAct(
  { deployment }: { readonly deployment: Deployment },
  asked: Asked,
  about: {
    readonly required: ConnectRequired;
    readonly message: McpMessage | null;
    readonly body: string | null;
  },
): Response {
  const { required, message, body } = about;
  // A stream cannot be opened before the user has acted, and there is no session to delete.
  if (message === null || body === null) {
    return new Response(null, {
      status: asked.request.method === "GET" ? 405 : 202,
      headers: { "Cache-Control": "no-store" },
    });
  }
  const answer = connectRequiredAnswer(required, message, audienceOf(deployment, asked, body));
  const headers = { "Cache-Control": "no-store" };
  return answer.body === null
    ? new Response(null, { status: answer.status, headers })
    : Response.json(answer.body, { status: answer.status, headers });
}

/** The body as it goes upstream: without our own state. @throws {JsonRpcError} -32602 for a state that is not this request's. */
export function ownBody(
  { deployment }: { readonly deployment: Deployment },
  asked: Asked,
  { body, message }: { readonly body: string | null; readonly message: McpMessage | null },
): string | null {
  if (body === null || message === null || !carriesOwnState(message)) return body;
  const stripped = withoutOwnState(message, audienceOf(deployment, asked, body));
  if (stripped !== null) return stripped;
  throw new JsonRpcError(
    JSON_RPC_CODES.invalidParams,
    "Invalid params: requestState is not valid for this request.",
    {
      status: 400,
      reason: "request_state_refused",
      id: message.id,
    },
  );
}

function audienceOf({ services }: Deployment, { request, verdict }: Asked, body: string): ConnectAudience {
  const { keyRing, clock } = services;
  return {
    userId: verdict.userId,
    sessionElicitsUrls: sessionElicitsUrls(request.headers.get("mcp-session-id")),
    body,
    keyRing,
    clock,
  };
}
