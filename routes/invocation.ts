/** The events of one MCP request: invoked and completed, with the time split between gateway and upstream. */
import type { Verdict } from "../lib/authorization_server/access_token.ts";
import type { Route } from "../lib/gateway/gateway.ts";
import { ClientGoneError } from "../lib/mcp/forward.ts";
import { JsonRpcError, type McpMessage } from "../lib/mcp/json_rpc.ts";
import { type EventLevel, type Events, member, type WrittenFields } from "../lib/observability/events.ts";
import type { Services } from "../lib/services.ts";
import type { RequestContext } from "./context.ts";

/** Methods that use a capability; the others are bookkeeping and told at `debug` only. */
function usesCapability(method: string | null): boolean {
  return method === "tools/call" || method === "prompts/get" || method === "resources/read";
}

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

/** The two events of one message. It keeps nothing of the request but the words of what both events say: events are written later. */
class OneInvocation implements Invocation {
  readonly #events: Events;
  readonly #level: EventLevel;
  readonly #subject: Subject;
  readonly #startedAt = performance.now();
  #upstreamLatencyMs = 0;
  #status = 0;

  constructor(events: Events, { context, route, verdict, message }: About) {
    const method = message?.method ?? null;
    this.#events = events;
    this.#level = usesCapability(method) ? "info" : "debug";
    this.#subject = new Subject(callerOf(verdict, route), {
      requestId: context.requestId,
      method,
      capability: message?.capability ?? null,
    });
    events.emit(this.#level, "mcp_capability_invoked", this.#subject);
  }

  upstreamAnswered(status: number): void {
    this.#upstreamLatencyMs = performance.now() - this.#startedAt;
    this.#status = status;
  }

  completed(outcome?: "cancelled"): void {
    const status = this.#status;
    // 0: cancelled before there was an answer.
    this.#finish(
      outcome ?? (status < 400 ? "ok" : "error"),
      status === 0 ? {} : { status, upstreamLatencyMs: this.#upstreamLatencyMs },
    );
  }

  failed(error: unknown): void {
    if (error instanceof ClientGoneError) return this.#finish("cancelled", {});
    this.#finish(
      "error",
      error instanceof JsonRpcError
        ? { status: error.status, reasonCode: error.reason }
        : { reasonCode: "gateway_fault" },
    );
  }

  #finish(outcome: Result["outcome"], how: Omit<Result, "outcome" | "latencyMs">): void {
    const latencyMs = performance.now() - this.#startedAt;
    const level = outcome === "error" ? "warn" : this.#level;
    this.#events.emit(
      level,
      "mcp_capability_completed",
      new Completion(this.#subject, { ...how, outcome, latencyMs }),
    );
  }
}

/** What both events of a message say; put into words once, for the first of them. */
class Subject implements WrittenFields {
  #members: string | null = null;

  constructor(
    readonly caller: string,
    readonly call: {
      readonly requestId: string;
      readonly method: string | null;
      readonly capability: string | null;
    },
  ) {}

  get members(): string {
    return this.#members ??= this.#written();
  }

  #written(): string {
    const { requestId, method, capability } = this.call;
    return this.caller + member("requestId", requestId) +
      (method === null ? "" : member("mcpMethod", method)) +
      (method === null || !capability ? "" : member("capability", withoutQuery(method, capability)));
  }
}

/** How it ended. */
interface Result {
  readonly status?: number;
  readonly upstreamLatencyMs?: number;
  readonly reasonCode?: string;
  readonly outcome: "ok" | "error" | "cancelled";
  readonly latencyMs: number;
}

/** What the second event says. */
class Completion implements WrittenFields {
  constructor(readonly subject: Subject, readonly result: Result) {}

  get members(): string {
    const { status, upstreamLatencyMs, reasonCode, outcome, latencyMs } = this.result;
    return this.subject.members +
      (status === undefined ? "" : member("status", status)) +
      (upstreamLatencyMs === undefined ? "" : member("upstreamLatencyMs", rounded(upstreamLatencyMs))) +
      (reasonCode === undefined ? "" : member("reasonCode", reasonCode)) +
      member("outcome", outcome) + member("latencyMs", rounded(latencyMs));
  }
}

const callers = new WeakMap<Verdict, string>();

/** The same for all calls with one token, which is good for one route. */
function callerOf(verdict: Verdict, { operationId }: Route): string {
  let caller = callers.get(verdict);
  if (caller === undefined) {
    caller = member("operationId", operationId) + member("subjectId", verdict.userId) +
      member("clientId", verdict.clientId);
    callers.set(verdict, caller);
  }
  return caller;
}

/** The name of a tool or a prompt; of a resource its URI up to the query, which may hold anything and is never logged. */
function withoutQuery(method: string, capability: string): string {
  return method === "tools/call" || method === "prompts/get"
    ? capability
    : capability.split(/[?#]/, 1)[0] ?? "";
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 100) / 100;
}
