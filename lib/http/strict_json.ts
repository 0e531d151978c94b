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

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACE = 0x7d;
const CLOSE_BRACKET = 0x5d;

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
  checkStructure(text, maxDepth);
  return value;
}

/** Walks text that is known to be JSON: only strings and brackets have to be told apart. */
function checkStructure(text: string, maxDepth: number): void {
  // For each open bracket the keys seen so far; an array has none.
  const open: (Set<string> | null)[] = [];
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case OPEN_BRACE:
      case OPEN_BRACKET:
        if (open.length === maxDepth) throw new StrictJsonError("json_too_deep");
        open.push(text.charCodeAt(at) === OPEN_BRACE ? new Set() : null);
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        open.pop();
        break;
      case QUOTE: {
        const end = endOfString(text, at);
        const keys = open.at(-1);
        if (keys && isKey(text, end)) addKey(keys, text.slice(at, end));
        at = end - 1;
      }
    }
  }
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

function addKey(keys: Set<string>, literal: string): void {
  // `"a"` and `"\u0061"` are the same key.
  const key = literal.includes("\\") ? String(JSON.parse(literal)) : literal.slice(1, -1);
  if (keys.has(key)) throw new StrictJsonError("json_duplicate_key");
  keys.add(key);
}
