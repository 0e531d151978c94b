/** Takes what a caller may not see out of a server's messages. What stays keeps its bytes; what is no JSON does not pass. */
import {
  type Allowance,
  type AllowedEntries,
  CAPABILITY_KINDS,
  type CapabilityKind,
  IDENTIFIER,
  type Projection,
} from "./capabilities.ts";
import { elementsOf, firstValue, kindAt, type Member, membersOf, type Span, stringIn } from "./json_text.ts";

/** The answer cannot be told apart from one that shows what is hidden. */
export class UnreadableAnswerError extends Error {
  override readonly name = "UnreadableAnswerError";
}

/** A message, or a batch of them, without what is hidden. */
export interface FilteredText {
  /** `null`: nothing is left of it. The very text that was given, where nothing had to be taken out. */
  readonly text: string | null;
  /** Where the `id` of a single answer stands, in the given and in the filtered text. */
  readonly id: { readonly given: Span; readonly filtered: Span } | null;
  /** There was a list in it that is curated, or what a resource holds. */
  readonly curated: boolean;
}

/** A part of the text that is replaced. */
interface Edit extends Span {
  readonly by: string;
}

const UPDATED = "notifications/resources/updated";

/**
 * Filters the text of a JSON-RPC message or batch: lists in results, notifications about resources.
 * @throws {UnreadableAnswerError} for what is no JSON
 */
export function filterText(text: string, allowance: Allowance): FilteredText {
  try {
    JSON.parse(text);
    return filtered(text, allowance);
  } catch (cause) {
    // A RangeError: what has to be merged nests deeper than it can be written again.
    if (!(cause instanceof SyntaxError || cause instanceof RangeError)) throw cause;
    throw new UnreadableAnswerError("no JSON, or none that can be read", { cause });
  }
}

function filtered(text: string, allowance: Allowance): FilteredText {
  const start = firstValue(text);
  if (kindAt(text, start) === "array") {
    return { text: filteredBatch(text, start, allowance), id: null, curated: true };
  }
  const message = filteredMessage(text, start, allowance);
  if (message === null) return { text: null, id: null, curated: true };
  const { edits, ids, curated } = message;
  const [given] = ids;
  if (given === undefined || ids.length > 1) return { text: applied(text, edits), id: null, curated };
  const shift = edits.filter(({ end }) => end <= given.start)
    .reduce((sum, { start, end, by }) => sum + by.length - (end - start), 0);
  return {
    text: applied(text, edits),
    id: { given, filtered: { start: given.start + shift, end: given.end + shift } },
    curated,
  };
}

function filteredBatch(text: string, start: number, allowance: Allowance): string | null {
  const elements = elementsOf(text, start);
  const kept = elements.flatMap((element) => {
    const kind = kindAt(text, element.start);
    // JSON-RPC has no batch in a batch; a reader that flattens them would find messages in it.
    if (kind === "array") throw new UnreadableAnswerError("a batch in a batch");
    if (kind !== "object") return [text.slice(element.start, element.end)];
    const message = filteredMessage(text, element.start, allowance);
    if (message === null) return [];
    const edits = message.edits.map((edit) => ({
      ...edit,
      start: edit.start - element.start,
      end: edit.end - element.start,
    }));
    return [applied(text.slice(element.start, element.end), edits)];
  });
  if (kept.length === 0 && elements.length > 0) return null;
  const same = kept.length === elements.length &&
    kept.every((each, index) => each === text.slice(elements[index]?.start, elements[index]?.end));
  return same ? text : `[${kept.join(",")}]`;
}

/** What to change in a result, and whether it held anything that is curated. */
interface ResultEdits {
  readonly edits: readonly Edit[];
  readonly curated: boolean;
}

/** What to change in the message at `start`; `null`: it does not pass at all. */
function filteredMessage(
  text: string,
  start: number,
  allowance: Allowance,
): ResultEdits & { readonly ids: readonly Span[] } | null {
  if (kindAt(text, start) !== "object") return { edits: [], ids: [], curated: false };
  const members = membersOf(text, start);
  const named = (key: string) => members.filter((member) => member.key === key).map(({ value }) => value);
  if (allowance.limitsResources && named("method").some((value) => holds(text, value, UPDATED))) {
    const params = named("params").flatMap((value) => objectMembers(text, value));
    const uris = params.filter(({ key }) => key === "uri").map(({ value }) => value);
    const visible = uris.length > 0 && uris.every((value) => allowance.allowsResource(stringAt(text, value)));
    if (!visible) return null;
  }
  const results = named("result").map((value) => editsOfResult(text, value, { allowance, nested: false }));
  return {
    edits: results.flatMap(({ edits }) => edits),
    curated: results.some(({ curated }) => curated),
    ids: named("id"),
  };
}

function editsOfResult(
  text: string,
  result: Span,
  { allowance, nested }: { readonly allowance: Allowance; readonly nested: boolean },
): ResultEdits {
  const members = objectMembers(text, result);
  const edits: Edit[] = [];
  let curated = false;
  for (const { key, value } of members) {
    const kind = CAPABILITY_KINDS.find((each) => each === key);
    if (kind !== undefined) {
      const entries = allowance.lists[kind];
      if (entries === null) continue;
      curated = true;
      edits.push(...editsOfList(text, value, { kind, entries }));
    } else if (key === "result" && !nested) {
      // What a task has come to, inside of what is told about the task.
      const inner = editsOfResult(text, value, { allowance, nested: true });
      edits.push(...inner.edits);
      curated ||= inner.curated;
    } else if (key === "contents" && allowance.limitsResources) {
      curated = true;
    }
  }
  if (curated && allowance.perUser) edits.push(...editsOfScope(text, members));
  return { edits, curated };
}

/** Checklist TR-20: what depends on the user is not for everybody. */
function editsOfScope(text: string, members: readonly Member[]): Edit[] {
  return members.filter(({ key, value }) => key === "cacheScope" && stringAt(text, value) !== "private")
    .map(({ value }) => ({ ...value, by: '"private"' }));
}

function editsOfList(
  text: string,
  list: Span,
  { kind, entries }: { readonly kind: CapabilityKind; readonly entries: NonNullable<AllowedEntries> },
): Edit[] {
  if (kindAt(text, list.start) !== "array") return [{ ...list, by: "[]" }];
  const elements = elementsOf(text, list.start);
  const kept = elements.flatMap((element) => {
    const members = objectMembers(text, element);
    const names = members.filter(({ key }) => key === IDENTIFIER[kind]);
    const [name] = names;
    const identifier = name === undefined ? null : stringAt(text, name.value);
    // Two names are one too many: which of them counts depends on who reads.
    if (names.length !== 1 || identifier === null) return [];
    const projection = entries.get(identifier);
    if (projection === undefined) return [];
    return [
      projection === null ? text.slice(element.start, element.end) : projected(text, element, projection),
    ];
  });
  const unchanged = kept.length === elements.length &&
    kept.every((each, index) => each === text.slice(elements[index]?.start, elements[index]?.end));
  return unchanged ? [] : [{ ...list, by: `[${kept.join(",")}]` }];
}

function projected(text: string, element: Span, projection: NonNullable<Projection>): string {
  const members = objectMembers(text, element);
  const edits = members.filter(({ key }) => Object.hasOwn(projection, key)).map(({ key, value }) => ({
    ...value,
    by: JSON.stringify(merged(JSON.parse(text.slice(value.start, value.end)), projection[key])),
  }));
  const added = Object.entries(projection)
    .filter(([key]) => !members.some((member) => member.key === key))
    .map(([key, value]) => `,${JSON.stringify(key)}:${JSON.stringify(value)}`);
  const end = element.end - 1;
  return applied(text, [...edits, { start: end, end, by: added.join("") }], element);
}

/** Objects are merged member by member; of everything else the second counts. */
function merged(upstream: unknown, own: unknown): unknown {
  if (!isObject(upstream) || !isObject(own)) return own;
  const both = new Map(Object.entries(upstream));
  for (const [key, value] of Object.entries(own)) {
    both.set(key, both.has(key) ? merged(both.get(key), value) : value);
  }
  // Not by assignment: a member may be called `__proto__`.
  return Object.fromEntries(both);
}

function applied(
  text: string,
  edits: readonly Edit[],
  within: Span = { start: 0, end: text.length },
): string {
  if (edits.length === 0 && within.start === 0 && within.end === text.length) return text;
  let result = "";
  let at = within.start;
  for (const { start, end, by } of edits.toSorted((a, b) => a.start - b.start)) {
    result += text.slice(at, start) + by;
    at = end;
  }
  return result + text.slice(at, within.end);
}

function objectMembers(text: string, { start }: Span): Member[] {
  return kindAt(text, start) === "object" ? membersOf(text, start) : [];
}

function stringAt(text: string, span: Span): string | null {
  return kindAt(text, span.start) === "string" ? stringIn(text, span) : null;
}

function holds(text: string, span: Span, expected: string): boolean {
  return stringAt(text, span) === expected;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
