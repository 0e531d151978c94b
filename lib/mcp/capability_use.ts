/** What a client's messages would use, and whether they may: judged by the body alone, before anything else happens (TR-23, TR-30). */
import type { Allowance } from "./capabilities.ts";
import type { JsonRpcId } from "./json_rpc.ts";

type Params = Readonly<Record<string, unknown>>;

type Judge = (allowance: Allowance, params: Params) => boolean;

/** Each method that names what it uses: whether it may. */
const JUDGES: ReadonlyMap<string, Judge> = new Map(Object.entries<Judge>({
  "tools/call": (allowance, { name }) => allowance.shows("tools", name),
  "prompts/get": (allowance, { name }) => allowance.shows("prompts", name),
  "resources/read": (allowance, { uri }) => allowance.allowsResource(uri),
  "resources/subscribe": (allowance, { uri }) => allowance.allowsResource(uri),
  "resources/unsubscribe": (allowance, { uri }) => allowance.allowsResource(uri),
  "completion/complete": (allowance, { ref }) => isObject(ref) && allowsReference(allowance, ref),
  "subscriptions/listen": (allowance, { notifications }) => allowsSubscriptions(allowance, notifications),
}));

/** What a method is to the filter. */
export interface Method {
  /** It names what it uses, so that this has to be judged. */
  readonly judged: boolean;
  /** What comes back may hold lists. */
  readonly lists: boolean;
  /** It shows nothing that is curated, neither by itself nor in what comes back. */
  readonly unconcerned: boolean;
}

const JUDGED: Method = { judged: true, lists: false, unconcerned: false };
const UNCONCERNED: Method = { judged: false, lists: false, unconcerned: true };
const WITHOUT_LISTS: Method = { judged: false, lists: false, unconcerned: false };
const LISTS: Method = { judged: false, lists: true, unconcerned: false };

/** Methods that are looked up as they are. Every other one may answer with a list. */
const METHODS: ReadonlyMap<string, Method> = new Map([
  ...JUDGES.keys().map((method) => [method, JUDGED] as const),
  ...["initialize", "ping", "server/discover", "logging/setLevel"].map((method) =>
    [method, UNCONCERNED] as const
  ),
  ...["tasks/list", "tasks/cancel", "tasks/update"].map((method) => [method, WITHOUT_LISTS] as const),
  ...["tools/list", "prompts/list", "resources/list", "resources/templates/list"].map((method) =>
    [method, LISTS] as const
  ),
]);

/** Members that decide; a reader that ignores case, as Go's `encoding/json` does, takes another spelling for the same member. */
const MESSAGE_MEMBERS: ReadonlyMap<string, string> = foldedMembers([
  "jsonrpc",
  "id",
  "method",
  "params",
  "result",
  "error",
]);
const PARAM_MEMBERS: ReadonlyMap<string, string> = foldedMembers(["name", "uri", "ref", "notifications"]);
const REFERENCE_MEMBERS: ReadonlyMap<string, string> = foldedMembers(["type", "name", "uri"]);
const SUBSCRIPTION_MEMBERS: ReadonlyMap<string, string> = foldedMembers(["resourceSubscriptions"])
  // The Python SDK's models are also read by the names of their fields.
  .set("resource_subscriptions", "resourceSubscriptions");

/** What has to be known and read for the messages of a request. */
export interface Need {
  /** Something is named that has to be judged. */
  readonly judging: boolean;
  /** What comes back may hold lists: all of it has to be read. */
  readonly lists: boolean;
  /** A stream may come back, and in it notifications about resources. */
  readonly notifications: boolean;
}

/** A message, and what its method says of it. */
export interface Use {
  readonly message: unknown;
  /** `null` for a client's answer to a request of the server, which names nothing. */
  readonly method: string | null;
  readonly is: Method;
}

/** The messages of a body: of one message or a batch, parsed from a text in which no key stands twice. */
export function usesOf(body: unknown): readonly Use[] {
  return Array.isArray(body) ? body.map(useOf) : [useOf(body)];
}

function useOf(message: unknown): Use {
  const method = isObject(message) ? own(message, "method") : undefined;
  return typeof method === "string"
    ? { message, method, is: METHODS.get(method) ?? unusual(method) }
    : { message, method: null, is: UNCONCERNED };
}

/** Methods as they are written: to fold and to trim them changes nothing. */
const PLAIN_METHOD = /^[a-z/]*$/;

function unusual(method: string): Method {
  if (!PLAIN_METHOD.test(method) && JUDGES.has(fold(method.trim()))) return JUDGED;
  return method.startsWith("notifications/") ? UNCONCERNED : LISTS;
}

/** What is needed; `perUser`: others may see something else. */
export function needOf(
  uses: readonly Use[],
  { perUser, modern }: { readonly perUser: boolean; readonly modern: boolean },
): Need {
  const need = { judging: false, lists: false, notifications: false };
  for (const { method, is } of uses) {
    if (is.unconcerned) continue;
    need.notifications = true;
    need.judging ||= is.judged;
    // What is read is not for everybody either, if not everybody may read it; only 2026-07-28 says so in the answer (TR-20).
    need.lists ||= is.lists || (perUser && modern && method === "resources/read");
  }
  return need;
}

/** Whether two readers could see two different things in the message. */
export function isAmbiguous({ message, is }: Use): boolean {
  if (!isObject(message) || hasVariant(message, MESSAGE_MEMBERS)) return true;
  const params = own(message, "params");
  if (!is.judged || !isObject(params)) return false;
  const [reference, notifications] = [own(params, "ref"), own(params, "notifications")];
  return hasVariant(params, PARAM_MEMBERS) ||
    (isObject(reference) && hasVariant(reference, REFERENCE_MEMBERS)) ||
    (isObject(notifications) && hasVariant(notifications, SUBSCRIPTION_MEMBERS));
}

/** What is answered to a request of a batch that does not go on. */
export interface RefusedRequest {
  readonly id: JsonRpcId;
  /** It is what is hidden; the others only stand beside it. */
  readonly hidden: boolean;
}

/** `null` if all messages may go on, else the requests among them, none of which does. */
export function refusedRequests(
  allowance: Allowance,
  uses: readonly Use[],
): readonly RefusedRequest[] | null {
  if (uses.every((use) => allows(allowance, use))) return null;
  return uses.flatMap((use) => {
    const { message, method } = use;
    const id = isObject(message) && method !== null ? own(message, "id") : undefined;
    return typeof id === "string" || typeof id === "number" ? [{ id, hidden: !allows(allowance, use) }] : [];
  });
}

function allows(allowance: Allowance, { message, method, is }: Use): boolean {
  if (!is.judged || method === null || !isObject(message)) return true;
  const params = own(message, "params");
  // A server that takes another spelling of a method for the method is not asked about it.
  const judge = JUDGES.get(method);
  return judge?.(allowance, isObject(params) ? Object.assign(Object.create(null), params) : {}) ?? false;
}

function allowsReference(allowance: Allowance, reference: object): boolean {
  switch (own(reference, "type")) {
    case "ref/prompt":
      return allowance.shows("prompts", own(reference, "name"));
    case "ref/resource":
      return allowance.allowsResourceReference(own(reference, "uri"));
    default:
      return false;
  }
}

function allowsSubscriptions(allowance: Allowance, notifications: unknown): boolean {
  const uris = isObject(notifications) ? own(notifications, "resourceSubscriptions") : undefined;
  if (uris === undefined || !allowance.limitsResources) return true;
  return Array.isArray(uris) && uris.every((uri) => allowance.allowsResource(uri));
}

/** Members by their folded names. */
function foldedMembers(members: readonly string[]): Map<string, string> {
  return new Map(members.map((member) => [fold(member), member]));
}

function hasVariant(value: object, members: ReadonlyMap<string, string>): boolean {
  for (const key of Object.keys(value)) {
    // Most keys are what they should be, and are not folded.
    if (members.get(key) === key) continue;
    const member = members.get(fold(key));
    if (member !== undefined && member !== key) return true;
  }
  return false;
}

/** Also joins the long s and the Kelvin sign with the letters that they are variants of. */
function fold(text: string): string {
  return text.toUpperCase().toLowerCase();
}

function own(value: object, member: string): unknown {
  return Object.hasOwn(value, member) ? Reflect.get(value, member) : undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
