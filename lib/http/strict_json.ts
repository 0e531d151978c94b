/**
 * JSON as everybody reads it alike: UTF-8 without repairs, no key twice in an object, no deeper than a limit. Two parsers that differ
 * on any of these would see two different messages in the same bytes (corpus B2 029, B13 200).
 */

/** The text is no JSON, or not unambiguous JSON. */
export class StrictJsonError extends Error {
  override readonly name = "StrictJsonError";
  /** A snake_case word for the event log. */
  readonly reason: "json_malformed" | "json_too_deep" | "json_duplicate_key";

  constructor(reason: StrictJsonError["reason"], options: { cause?: unknown } = {}) {
    super(reason, options);
    this.reason = reason;
  }
}

const BACKSLASH = 0x5c;
const COLON = 0x3a;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Parses a JSON text, or the bytes of one.
 * @throws {StrictJsonError}
 */
export function parseStrictJson(json: Uint8Array | string, maxDepth: number): unknown {
  let text: string;
  let value: unknown;
  try {
    text = typeof json === "string" ? json : decoder.decode(json);
    value = JSON.parse(text);
  } catch (cause) {
    throw new StrictJsonError("json_malformed", { cause });
  }
  if (countMembers(value, maxDepth) !== countKeys(text)) throw new StrictJsonError("json_duplicate_key");
  return value;
}

/**
 * How many members all objects have together. Of a key that stands twice `JSON.parse` keeps one, so that these are then fewer than the
 * text's keys: to count both costs a third of keeping a set of keys for each object.
 */
function countMembers(value: unknown, depthLeft: number): number {
  if (typeof value !== "object" || value === null) return 0;
  if (depthLeft === 0) throw new StrictJsonError("json_too_deep");
  let count = 0;
  if (Array.isArray(value)) {
    for (const element of value) count += countMembers(element, depthLeft - 1);
  } else {
    // Made by JSON.parse: all that an object has is its own.
    const members = value as Readonly<Record<string, unknown>>;
    for (const key in members) count += 1 + countMembers(members[key], depthLeft - 1);
  }
  return count;
}

/** How many strings of the text, which is known to be JSON, stand before a colon. */
function countKeys(text: string): number {
  let count = 0;
  let at = text.indexOf('"');
  while (at !== -1) {
    const end = endOfString(text, at);
    if (isKey(text, end)) count++;
    at = text.indexOf('"', end);
  }
  return count;
}

/** The index after the closing quote. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end + 1;
}

function isEscaped(text: string, quote: number): boolean {
  let backslashes = 0;
  while (text.charCodeAt(quote - 1 - backslashes) === BACKSLASH) backslashes++;
  return backslashes % 2 === 1;
}

/** In an object, a string before a colon is a key. */
function isKey(text: string, end: number): boolean {
  while (text.charCodeAt(end) <= 0x20) end++;
  return text.charCodeAt(end) === COLON;
}
