/** The events of one MCP request: invoked and completed, with the time split between gateway and upstream. */
import type { Verdict } from "../lib/authorization_server/access_token.ts";
import type { Route } from "../lib/gateway/gateway.ts";
import { ClientGoneError } from "../lib/mcp/forward.ts";
import { JsonRpcError, type McpMessage } from "../lib/mcp/json_rpc.ts";
import { type EventLevel, type Events, WrittenFields } from "../lib/observability/events.ts";
import type { Services } from "../lib/services.ts";
import type { RequestContext } from "./context.ts";

/** Methods that use a capability; the others are bookkeeping and told at `debug` only. */
const CAPABILITY_METHODS = new Set(["tools/call", "prompts/get", "resources/read"]);

/** Takes what becomes known of a request; emits its events. */
export interface Invocation {
  /** The upstream's headers are here. */
  upstreamAnswered(status: number): void;
  /** The answer is on its way, or, for a stream, over. */
  completed(outcome?: "cancelled"): void;
  /** The request ended in an error of the gateway. */
  failed(error: unknown): void;
}

/** Whose request it is, and what it says. */
interface About {
  readonly context: RequestContext;
  readonly route: Route;
  readonly verdict: Verdict;
  readonly message: McpMessage | null;
}

/** Emits `mcp_capability_invoked` and returns what emits its end; of a batch, for each message. */
export function startInvocation(services: Pick<Services, "events">, about: About): Invocation {
  const elements = about.message?.elements ?? [];
  if (elements.length === 0) return new OneInvocation(services.events, about);
  const each = elements.map((message) => new OneInvocation(services.events, { ...about, message }));
  return {
    upstreamAnswered: (status) => each.forEach((one) => one.upstreamAnswered(status)),
    completed: (outcome) => each.forEach((one) => one.completed(outcome)),
    failed: (error) => each.forEach((one) => one.failed(error)),
  };
}

/** The two events of one message. */
class OneInvocation implements Invocation {
  readonly #events: Events;
  readonly #level: EventLevel;
  /** What both events say. */
  readonly #fields: WrittenFields;
  readonly #startedAt = performance.now();
  #upstreamLatencyMs = 0;
  #status = 0;

  constructor(events: Events, { context, route, verdict, message }: About) {
    this.#events = events;
    this.#level = message?.method && CAPABILITY_METHODS.has(message.method) ? "info" : "debug";
    this.#fields = new WrittenFields(callerOf(verdict, route)).add("requestId", context.requestId);
    if (message?.method) this.#fields.add("mcpMethod", message.method);
    if (message?.capability) this.#fields.add("capability", withoutQuery(message));
    events.emit(this.#level, "mcp_capability_invoked", this.#fields);
  }

  upstreamAnswered(status: number): void {
    this.#upstreamLatencyMs = rounded(performance.now() - this.#startedAt);
    this.#status = status;
  }

  completed(outcome?: "cancelled"): void {
    const fields = new WrittenFields(this.#fields);
    // 0: cancelled before there was an answer.
    if (this.#status !== 0) {
      fields.add("status", this.#status).add("upstreamLatencyMs", this.#upstreamLatencyMs);
    }
    this.#finish(outcome ?? (this.#status < 400 ? "ok" : "error"), fields);
  }

  failed(error: unknown): void {
    const fields = new WrittenFields(this.#fields);
    if (error instanceof ClientGoneError) return this.#finish("cancelled", fields);
    if (error instanceof JsonRpcError) fields.add("status", error.status).add("reasonCode", error.reason);
    else fields.add("reasonCode", "gateway_fault");
    this.#finish("error", fields);
  }

  #finish(outcome: "ok" | "error" | "cancelled", fields: WrittenFields): void {
    fields.add("outcome", outcome).add("latencyMs", rounded(performance.now() - this.#startedAt));
    this.#events.emit(outcome === "error" ? "warn" : this.#level, "mcp_capability_completed", fields);
  }
}

const callers = new WeakMap<Verdict, WrittenFields>();

/** The same for all calls with one token, which is good for one route. */
function callerOf(verdict: Verdict, { operationId }: Route): WrittenFields {
  let caller = callers.get(verdict);
  if (caller === undefined) {
    caller = new WrittenFields()
      .add("operationId", operationId)
      .add("subjectId", verdict.userId)
      .add("clientId", verdict.clientId);
    callers.set(verdict, caller);
  }
  return caller;
}

/** The name of a tool or a prompt; of a resource its URI up to the query, which may hold anything and is never logged. */
function withoutQuery({ method, capability }: McpMessage): string {
  const name = capability ?? "";
  return method === "tools/call" || method === "prompts/get" ? name : name.split(/[?#]/, 1)[0] ?? "";
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 100) / 100;
}
