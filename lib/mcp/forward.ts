/** One request to the upstream and its answer, streamed back. Together with `outbound_fetch` the only place that calls `fetch`. */
import { abortable } from "../http/abortable.ts";
import type { Deadlines } from "../runtime/deadlines.ts";
import { USER_AGENT } from "./headers.ts";
import { JSON_RPC_CODES, JsonRpcError, type JsonRpcId } from "./json_rpc.ts";
import type { AddressFault, UpstreamAddress } from "./upstream_address.ts";

const MAX_REDIRECTS = 5;

/** An upstream, as far as a request needs to know it. */
export interface Upstream {
  /** Name of the route, for the error that a client may get. */
  readonly operationId: string;
  readonly url: string;
  /** `null`: it may be anywhere. */
  readonly address: UpstreamAddress | null;
  readonly followRedirects: boolean;
  /** Until the answer's headers, in milliseconds. */
  readonly responseMs: number;
  /** For mutual TLS; `null` for the shared connection pool. */
  readonly client: Deno.HttpClient | null;
}

/** What is sent. */
export interface UpstreamRequest {
  readonly method: string;
  /** Allow-listed headers and our own. */
  readonly headers: readonly (readonly [string, string])[];
  /** Headers that are for this upstream alone, its credential among them: they never follow a redirect to another origin. */
  readonly ownHeaders: readonly (readonly [string, string])[];
  /** With its question mark, or empty. */
  readonly search: string;
  readonly body: string | null;
  /** Of the JSON-RPC request, for errors. */
  readonly id: JsonRpcId;
  /** Cancels the upstream request: the client is gone, or its stream has to end. */
  readonly controller: AbortController;
}

/** The client went away before the upstream answered: nobody is left to tell. */
export class ClientGoneError extends Error {
  override readonly name = "ClientGoneError";
}

/**
 * Sends the request; the answer's body is not read.
 * @throws {JsonRpcError} 502 if the upstream cannot be reached, may not be, or redirects where it may not; 504 if it is late.
 * @throws {ClientGoneError}
 */
export async function forward(
  upstream: Upstream,
  request: UpstreamRequest,
  deadlines: Deadlines,
): Promise<Response> {
  const { controller } = request;
  let late = false;
  const stop = deadlines.start(upstream.responseMs, () => {
    late = true;
    controller.abort();
  });
  try {
    return await send(upstream, request);
  } catch (error) {
    if (error instanceof JsonRpcError) throw error;
    if (late) throw unavailable(upstream, request, FAULTS.upstream_timeout);
    if (controller.signal.aborted) throw new ClientGoneError();
    throw unavailable(upstream, request, FAULTS.upstream_unreachable, error);
  } finally {
    stop();
  }
}

async function send(upstream: Upstream, request: UpstreamRequest): Promise<Response> {
  const { address, client } = upstream;
  let url = upstream.url +
    (request.search === "" ? "" : (upstream.url.includes("?") ? "&" : "?") + request.search.slice(1));
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const judged = hop === 0 ? address?.judge() : address?.judgeTarget(new URL(url));
    const fault = judged instanceof Promise ? await abortable(judged, request.controller.signal) : judged;
    if (fault) throw unavailable(upstream, request, FAULTS[fault]);
    const atHome = hop === 0 || new URL(url).origin === new URL(upstream.url).origin;
    const init: RequestInit & { client?: Deno.HttpClient } = {
      method: request.method,
      headers: [...request.headers, ...(atHome ? request.ownHeaders : [USER_AGENT])] as [string, string][], // fetch only reads them
      body: request.body,
      redirect: "manual",
      signal: request.controller.signal,
    };
    // The certificate is a credential, too.
    if (client !== null && atHome) init.client = client;
    const response = await fetch(url, init);
    const location = redirectTarget(response, url, request.method);
    if (location === null) return response;
    await response.body?.cancel();
    if (!upstream.followRedirects || location === "refused") break;
    url = location;
  }
  throw unavailable(upstream, request, FAULTS.upstream_redirected);
}

/** Where the answer redirects to; `refused` for a redirect that would change a request with a body into another one. */
function redirectTarget(response: Response, url: string, method: string): string | "refused" | null {
  if (response.status < 300 || response.status > 399 || response.status === 304) return null;
  const location = response.headers.get("location");
  const target = location === null ? null : URL.parse(location, url);
  const keepsMethod = response.status === 307 || response.status === 308 || method === "GET";
  const usable = target !== null && keepsMethod && target.username === "" && target.password === "" &&
    (target.protocol === "https:" || target.protocol === new URL(url).protocol);
  return usable ? target.href : "refused";
}

type ForwardFault = AddressFault | "upstream_timeout" | "upstream_unreachable" | "upstream_redirected";

interface FaultText {
  readonly status: number;
  readonly reason: ForwardFault;
  /** What the client is told: what happened, and what to do. */
  readonly says: string;
}

const OPERATOR = "Whoever runs the gateway finds the reason in its log";

/** Nothing in them tells where the upstream is. */
const FAULTS: Readonly<Record<ForwardFault, FaultText>> = {
  upstream_timeout: {
    status: 504,
    reason: "upstream_timeout",
    says: "did not answer in time. Try again later.",
  },
  upstream_unreachable: {
    status: 502,
    reason: "upstream_unreachable",
    says: `could not be reached. Try again later. ${OPERATOR}.`,
  },
  upstream_redirected: {
    status: 502,
    reason: "upstream_redirected",
    says: `redirected, which is not followed. ${OPERATOR}.`,
  },
  upstream_address_private: {
    status: 502,
    reason: "upstream_address_private",
    says: `is at an address that the gateway may not use. ${OPERATOR}.`,
  },
  upstream_name_unresolved: {
    status: 502,
    reason: "upstream_name_unresolved",
    says: `could not be found. Try again later. ${OPERATOR}.`,
  },
};

function unavailable(
  upstream: Upstream,
  request: UpstreamRequest,
  fault: FaultText,
  cause?: unknown,
): JsonRpcError {
  const { status, reason, says } = fault;
  const message = `The upstream MCP server of "${upstream.operationId}" ${says}`;
  return new JsonRpcError(JSON_RPC_CODES.upstreamUnavailable, message, {
    status,
    reason,
    cause,
    id: request.id,
    fields: { operationId: upstream.operationId },
  });
}
