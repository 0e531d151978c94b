/** The filter phase of an MCP request: what is hidden is refused before anything else happens, and taken out of what comes back. */
import type { CapabilityFilter, CapabilityRule } from "../lib/mcp/capability_settings.ts";
import type { Route } from "../lib/gateway/gateway.ts";
import type { Verdict } from "../lib/authorization_server/access_token.ts";
import { type Allowance, NOTHING } from "../lib/mcp/capabilities.ts";
import { AccessDecisionError, AllowanceBook } from "../lib/mcp/capability_access.ts";
import {
  isAmbiguous,
  type Need,
  needOf,
  type RefusedRequest,
  refusedRequests,
  type Use,
  usesOf,
} from "../lib/mcp/capability_use.ts";
import { JSON_RPC_CODES, JsonRpcError, type McpMessage } from "../lib/mcp/json_rpc.ts";
import { ListCache } from "../lib/mcp/list_cache.ts";
import type { UserRecord } from "../lib/store/schema.ts";
import { AnswerFilter } from "./answer_filter.ts";
import type { Deployment, RequestContext } from "./context.ts";

/** How long a configured rule may take, in milliseconds. */
const RULE_MS = 5_000;

/** The request at hand, as far as the filter looks at it. */
export interface FilteredRequest {
  readonly request: Request;
  readonly context: RequestContext;
  readonly verdict: Verdict;
  /** `null` for a request without a body. */
  readonly message: McpMessage | null;
  /** The JSON that it was read from; `undefined` for none. */
  readonly value: unknown;
}

/** A refusal, or what has to be done to the answer; `null`: nothing. */
export type Admission = Response | AnswerFilter | null;

/** The filter of a route; `null` if it has none. */
export function routeCapabilities(
  deployment: Deployment,
  { operationId, capabilities }: Pick<Route, "operationId" | "capabilities">,
): RouteCapabilities | null {
  return capabilities === null ? null : new RouteCapabilities(deployment, { operationId, capabilities });
}

/** The filter of one route. */
export class RouteCapabilities {
  readonly #deployment: Deployment;
  readonly #operationId: string;
  readonly #filter: CapabilityFilter;
  readonly #book: AllowanceBook;
  readonly #cache = new ListCache();
  readonly #byUser = new WeakMap<UserRecord, Allowance>();

  constructor(
    deployment: Deployment,
    route: { readonly operationId: string; readonly capabilities: CapabilityFilter },
  ) {
    this.#deployment = deployment;
    this.#operationId = route.operationId;
    this.#filter = route.capabilities;
    this.#book = new AllowanceBook(route.capabilities.lists);
  }

  /**
   * A refusal, or what has to be done to the answer; `null`: nothing, and it is not even read. At once where nothing has to be waited for.
   * @throws {JsonRpcError} -32600 for a message that two readers could understand in two ways; 400.
   */
  admit(asked: FilteredRequest): Admission | Promise<Admission> {
    const { request, message, value } = asked;
    if (request.method === "DELETE") return null;
    const uses = value === undefined ? [] : usesOf(value);
    if (uses.some(isAmbiguous)) throw ambiguous(message);
    const need = value === undefined ? A_STREAM : needOf(uses, {
      perUser: this.#filter.access.kind !== "allPublic",
      modern: message !== null && message.modern !== null,
    });
    // A stream that is resumed replays whatever it was opened for.
    const lists = need.lists || resumes(asked);
    if (!need.judging && !lists && !(need.notifications && this.#mayLimitResources)) return null;
    const decide = (allowance: Allowance) =>
      this.#admission(asked, { allowance, uses, lists, notifications: need.notifications });
    const allowance = this.#immediate(asked);
    return allowance === null ? this.#allowance(asked).then(decide) : decide(allowance);
  }

  #admission(
    asked: FilteredRequest,
    what: {
      readonly allowance: Allowance;
      readonly uses: readonly Use[];
      readonly lists: boolean;
      readonly notifications: boolean;
    },
  ): Admission {
    const { allowance, uses, lists, notifications } = what;
    const refused = refusedRequests(allowance, uses);
    if (refused !== null) return this.#refusal(asked, refused);
    if (!lists && !(notifications && allowance.limitsResources)) return null;
    // A stream may live for long: nothing of the request is held for it but what an event would tell.
    const { context, verdict, message } = asked;
    const { events } = this.#deployment.services;
    return new AnswerFilter({
      allowance,
      cache: this.#cache,
      id: message?.id ?? null,
      lists,
      report: (reasonCode) => {
        const fields = this.#fields({ context, verdict, message });
        events.emit("warn", "mcp_capability_answer_withheld", { ...fields, reasonCode });
      },
    });
  }

  get #mayLimitResources(): boolean {
    const { lists, access } = this.#filter;
    return lists.resources !== null || lists.resourceTemplates !== null || access.kind === "rule";
  }

  /** What is known without waiting. */
  #immediate({ verdict }: FilteredRequest): Allowance | null {
    const { access } = this.#filter;
    if (access.kind === "allPublic") return this.#book.everybody;
    if (access.kind === "rule") return null;
    const user = this.#deployment.users.peek(verdict.userId);
    return user === undefined ? null : this.#ofUser(user, access);
  }

  async #allowance(asked: FilteredRequest): Promise<Allowance> {
    const { access } = this.#filter;
    if (access.kind === "allPublic") return this.#book.everybody;
    const user = await this.#deployment.users.find(asked.verdict.userId);
    return access.kind === "rule"
      ? await this.#decided(asked, user, access.rule)
      : this.#ofUser(user, access);
  }

  #ofUser(
    user: UserRecord | null,
    names: { readonly roleClaim: string; readonly groupClaim: string },
  ): Allowance {
    if (user === null) return this.#book.ofClaims(null, names);
    const known = this.#byUser.get(user);
    if (known !== undefined) return known;
    const allowance = this.#book.ofClaims(user.claims, names);
    this.#byUser.set(user, allowance);
    return allowance;
  }

  /** What the rule leaves; nothing, if it does not come to a decision. */
  async #decided(asked: FilteredRequest, user: UserRecord | null, rule: CapabilityRule): Promise<Allowance> {
    if (user === null) return this.#failed(asked, "user_unknown");
    const { issuer, subject, name, email, emailVerified, claims } = user;
    const { verdict, message, request } = asked;
    const late = Promise.withResolvers<typeof LATE>();
    const deadline = this.#deployment.deadlines.start(RULE_MS, () => late.resolve(LATE));
    try {
      const decision = await Promise.race([
        rule(Object.freeze({ issuer, subject, name, email, emailVerified, claims }), {
          operationId: this.#operationId,
          clientId: verdict.clientId,
          method: message?.method ?? null,
          capability: message?.capability ?? null,
          headers: withoutCredentials(request.headers),
        }),
        late.promise,
      ]);
      return decision === LATE ? this.#failed(asked, "access_rule_too_slow") : this.#book.narrowed(decision);
    } catch (error) {
      const reason = error instanceof AccessDecisionError ? "access_rule_no_decision" : "access_rule_failed";
      return this.#failed(asked, reason, error);
    } finally {
      deadline.stop();
    }
  }

  #failed(asked: FilteredRequest, reasonCode: string, error?: unknown): Allowance {
    this.#deployment.services.events.emit("error", "mcp_capability_access_failed", {
      ...this.#fields(asked),
      reasonCode,
      ...(error === undefined ? {} : { errorName: error instanceof Error ? error.name : typeof error }),
    });
    return NOTHING;
  }

  #refusal(asked: FilteredRequest, refused: readonly RefusedRequest[]): Response {
    this.#deployment.services.events.emit("info", "mcp_capability_refused", {
      ...this.#fields(asked),
      reasonCode: "capability_hidden",
    });
    const headers = { "Cache-Control": "no-store", "X-Request-Id": asked.context.requestId };
    const { message } = asked;
    const errors = refused.map(({ id, hidden }) => {
      const error = hidden
        ? { code: JSON_RPC_CODES.methodNotFound, message: NOT_OFFERED }
        : { code: JSON_RPC_CODES.invalidRequest, message: NOT_PROCESSED };
      return { jsonrpc: "2.0", id, error };
    });
    // Nobody waits for an answer to notifications.
    if (errors.length === 0) {
      return new Response(null, { status: 202, headers: { "Cache-Control": "no-store" } });
    }
    if (message?.kind === "batch") return Response.json(errors, { headers });
    // 2026-07-28: what is not there is 404 (TR-14). Older revisions would take that for the end of their session.
    return Response.json(errors[0], { status: message?.modern ? 404 : 200, headers });
  }

  #fields({ context, verdict, message }: Pick<FilteredRequest, "context" | "verdict" | "message">) {
    return {
      requestId: context.requestId,
      operationId: this.#operationId,
      subjectId: verdict.userId,
      clientId: verdict.clientId,
      ...(message?.method ? { mcpMethod: message.method } : {}),
      ...(message?.capability ? { capability: message.capability } : {}),
    };
  }
}

/** A header says so; some servers also take it from the query, by a name such as `lastEventId`. */
function resumes({ request, context }: FilteredRequest): boolean {
  if (request.headers.has("last-event-id")) return true;
  const { search } = context.target;
  return search !== "" && [...new URLSearchParams(search).keys()].some((name) => /event/i.test(name));
}

/** A stream without a request of its own: a list comes in it only if it is resumed (2025-11-25, transports: "MUST NOT send a response"). */
const A_STREAM: Need = { judging: false, lists: false, notifications: true };

const LATE = Symbol("late");
/** The same for what is hidden and for what does not exist. */
const NOT_OFFERED = "Method not found: this server offers nothing of that name.";
const NOT_PROCESSED =
  "Invalid Request: not processed, because the batch also asks for what this server does not offer.";

function ambiguous(message: McpMessage | null): JsonRpcError {
  return new JsonRpcError(
    JSON_RPC_CODES.invalidRequest,
    "Invalid Request: a member is there in another spelling, so that readers could disagree about it.",
    { status: 400, reason: "member_ambiguous", id: message?.id ?? null },
  );
}

function withoutCredentials(headers: Headers): Headers {
  const copy = new Headers(headers);
  for (const name of ["authorization", "proxy-authorization", "cookie", "mcp-session-id"]) copy.delete(name);
  return copy;
}
