/**
 * Walks the text of a JSON value without building it. What a filter lets through keeps its very bytes: numbers that no double holds,
 * the order of members, escapes. The text has to be JSON; whoever is not sure lets `JSON.parse` look at it first.
 */

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** A value's place in the text; `end` is behind its last character. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A member of an object. */
export interface Member {
  /** Unescaped. */
  readonly key: string;
  readonly value: Span;
}

/** What a value is, by its first character. */
export function kindAt(text: string, start: number): "object" | "array" | "string" | "other" {
  switch (text.charCodeAt(start)) {
    case OPEN_BRACE:
      return "object";
    case OPEN_BRACKET:
      return "array";
    case QUOTE:
      return "string";
    default:
      return "other";
  }
}

/** Where the text's one value begins. */
export function firstValue(text: string): number {
  return skipSpace(text, 0);
}

/** The members of the object that begins at `start`, in their order, also those whose key comes twice. */
export function membersOf(text: string, start: number): Member[] {
  const members: Member[] = [];
  let at = skipSpace(text, start + 1);
  while (text.charCodeAt(at) === QUOTE) {
    const keyEnd = endOfString(text, at);
    const key = stringIn(text, { start: at, end: keyEnd });
    // Behind the colon.
    const value = valueAt(text, skipSpace(text, skipSpace(text, keyEnd) + 1));
    members.push({ key, value });
    at = next(text, value.end);
  }
  return members;
}

/** The elements of the array that begins at `start`. */
export function elementsOf(text: string, start: number): Span[] {
  const elements: Span[] = [];
  let at = skipSpace(text, start + 1);
  while (at < text.length && text.charCodeAt(at) !== CLOSE_BRACKET) {
    const element = valueAt(text, at);
    elements.push(element);
    at = next(text, element.end);
  }
  return elements;
}

/** The string that a span holds, unescaped. */
export function stringIn(text: string, { start, end }: Span): string {
  const literal = text.slice(start, end);
  return literal.includes("\\") ? String(JSON.parse(literal)) : literal.slice(1, -1);
}

/** To the next member or element, or to the bracket that closes. */
function next(text: string, end: number): number {
  const at = skipSpace(text, end);
  return text.charCodeAt(at) === COMMA ? skipSpace(text, at + 1) : at;
}

function valueAt(text: string, start: number): Span {
  switch (text.charCodeAt(start)) {
    case QUOTE:
      return { start, end: endOfString(text, start) };
    case OPEN_BRACE:
    case OPEN_BRACKET:
      return { start, end: endOfNested(text, start) };
    default:
      return { start, end: endOfScalar(text, start) };
  }
}

function endOfNested(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case QUOTE:
        at = endOfString(text, at) - 1;
        break;
      case OPEN_BRACE:
      case OPEN_BRACKET:
        depth++;
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        if (--depth === 0) return at + 1;
    }
  }
  return text.length;
}

function endOfScalar(text: string, start: number): number {
  let at = start;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code <= 0x20 || code === COMMA || code === CLOSE_BRACE || code === CLOSE_BRACKET) break;
    at++;
  }
  return at;
}

function endOfString(text: string, start: number): number {
  let at = text.indexOf('"', start + 1);
  while (at !== -1 && isEscaped(text, at)) at = text.indexOf('"', at + 1);
  return at === -1 ? text.length : at + 1;
}

function isEscaped(text: string, quote: number): boolean {
  let backslashes = 0;
  while (text.charCodeAt(quote - 1 - backslashes) === BACKSLASH) backslashes++;
  return backslashes % 2 === 1;
}

function skipSpace(text: string, start: number): number {
  let at = start;
  while (at < text.length && text.charCodeAt(at) <= 0x20) at++;
  return at;
}
