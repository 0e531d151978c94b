/** One request to the upstream and its answer, streamed back. Together with `outbound_fetch` the only place that calls `fetch`. */
import { abortable } from "../http/abortable.ts";
import type { Deadlines } from "../runtime/deadlines.ts";
import { type HeaderRecord, USER_AGENT } from "./headers.ts";
import { JSON_RPC_CODES, JsonRpcError, type JsonRpcId } from "./json_rpc.ts";
import { targetUrl } from "./target_url.ts";
import type { AddressFault, UpstreamAddress } from "./upstream_address.ts";

const MAX_REDIRECTS = 5;

/** An upstream, as far as a request needs to know it. */
export interface Upstream {
  /** Name of the route, for the error that a client may get. */
  readonly operationId: string;
  readonly url: string;
  /** A request to `url` with nothing in it: filling it in is cheaper than having the URL parsed for each call. */
  readonly blank: Request;
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
  readonly headers: Readonly<HeaderRecord>;
  /** Those of them that are for this upstream alone, its credential among them: they never follow a redirect to another origin. */
  readonly ownHeaders: Readonly<HeaderRecord>;
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
 * @throws {JsonRpcError} 502 if the upstream cannot be reached, may not be, redirects where it may not, or answers what is no use; 504 if it
 * is late.
 * @throws {ClientGoneError}
 */
export async function forward(
  upstream: Upstream,
  request: UpstreamRequest,
  deadlines: Deadlines,
): Promise<Response> {
  const { controller } = request;
  let late = false;
  const deadline = deadlines.start(upstream.responseMs, () => {
    late = true;
    controller.abort();
  });
  try {
    const judged = upstream.address?.judge();
    const fault = judged instanceof Promise ? await abortable(judged, controller.signal) : judged;
    if (fault) throw unavailable(upstream, request, FAULTS[fault]);
    const url = targetUrl(upstream.url, request.search);
    const target = url === upstream.url ? upstream.blank : url;
    const response = await send(upstream, request, { target, atHome: true });
    const answer = isRedirect(response) ? await follow(upstream, request, { response, url }) : response;
    const unusable = unusableAnswer(answer);
    if (unusable === null) return answer;
    await answer.body?.cancel();
    throw unavailable(upstream, request, FAULTS[unusable]);
  } catch (error) {
    if (error instanceof JsonRpcError) throw error;
    if (late) throw unavailable(upstream, request, FAULTS.upstream_timeout);
    if (controller.signal.aborted) throw new ClientGoneError();
    throw unavailable(upstream, request, FAULTS.upstream_unreachable, error);
  } finally {
    deadline.stop();
  }
}

function send(
  { client }: Upstream,
  request: UpstreamRequest,
  { target, atHome }: { readonly target: string | Request; readonly atHome: boolean },
): Promise<Response> {
  const init: RequestInit & { client?: Deno.HttpClient } = {
    method: request.method,
    headers: atHome ? request.headers : headersAbroad(request),
    body: request.body,
    redirect: "manual",
    signal: request.controller.signal,
  };
  // The certificate is a credential, too.
  if (client !== null && atHome) init.client = client;
  return fetch(target, init);
}

/** A session, and where its stream was left, are between the client and the upstream: no other origin has them to know, either. */
function headersAbroad({ headers, ownHeaders }: UpstreamRequest): HeaderRecord {
  const ofUpstream = new Set([...Object.keys(ownHeaders), "mcp-session-id", "last-event-id"]);
  const others = Object.entries(headers).filter(([name]) => !ofUpstream.has(name));
  return { ...Object.fromEntries(others), ...USER_AGENT };
}

function isRedirect({ status }: Response): boolean {
  return status >= 300 && status <= 399 && status !== 304;
}

/**
 * Why an answer can neither be read nor handed on. Packed bytes are what we have asked not to get: a filter could not read them, and
 * clients have not asked for them either.
 */
function unusableAnswer(
  { status, headers }: Response,
): "upstream_status_unknown" | "upstream_answer_packed" | null {
  if (status > 599) return "upstream_status_unknown";
  const coding = headers.get("content-encoding");
  return coding === null || coding.toLowerCase() === "identity" ? null : "upstream_answer_packed";
}

/** What comes of an answer that redirects. */
async function follow(
  upstream: Upstream,
  request: UpstreamRequest,
  from: { readonly response: Response; readonly url: string },
): Promise<Response> {
  let { response, url } = from;
  for (let hop = 0; hop < MAX_REDIRECTS; hop++) {
    const location = redirectTarget(response, url, request.method);
    await response.body?.cancel();
    if (!upstream.followRedirects || location === "refused") break;
    url = location;
    const target = new URL(url);
    const judged = upstream.address?.judgeTarget(target);
    const fault = judged && await abortable(judged, request.controller.signal);
    if (fault) throw unavailable(upstream, request, FAULTS[fault]);
    const atHome = target.origin === new URL(upstream.url).origin;
    response = await send(upstream, request, { target: url, atHome });
    if (!isRedirect(response)) return response;
  }
  await response.body?.cancel();
  throw unavailable(upstream, request, FAULTS.upstream_redirected);
}

/** Where the answer redirects to; `refused` for a redirect that would change a request with a body into another one. */
function redirectTarget(response: Response, url: string, method: string): string | "refused" {
  const location = response.headers.get("location");
  const target = location === null ? null : URL.parse(location, url);
  const keepsMethod = response.status === 307 || response.status === 308 || method === "GET";
  const usable = target !== null && keepsMethod && target.username === "" && target.password === "" &&
    (target.protocol === "https:" || target.protocol === new URL(url).protocol);
  return usable ? target.href : "refused";
}

type ForwardFault =
  | AddressFault
  | "upstream_timeout"
  | "upstream_unreachable"
  | "upstream_redirected"
  | "upstream_status_unknown"
  | "upstream_answer_packed";

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
  upstream_status_unknown: {
    status: 502,
    reason: "upstream_status_unknown",
    says: `answered with a status that HTTP does not have. ${OPERATOR}.`,
  },
  upstream_answer_packed: {
    status: 502,
    reason: "upstream_answer_packed",
    says: `answered in a compressed form, which it was asked not to do. ${OPERATOR}.`,
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
  });
}
