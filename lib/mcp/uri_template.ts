/**
 * Whether a URI is what a URI template expands to (RFC 6570), told without a backtracking regular expression: the template becomes a
 * small automaton, and a URI is read once, character by character, whatever it looks like.
 *
 * It is stricter than the RFC where a server might read a URI as another one: a variable of `{a}` or `{+a}` is never empty; what need
 * not be percent-encoded never is; percent-encoded bytes are UTF-8; no segment is `.` or `..`, however it is encoded.
 */

import { Automaton, MOST_STATES } from "./uri_automaton.ts";

/** A template, ready to be compared with URIs. */
export interface UriTemplate {
  /** Whether the URI is an expansion of the template, with some values for its variables. */
  matches(uri: string): boolean;
}

/** The text is no URI template. */
export class UriTemplateError extends Error {
  override readonly name = "UriTemplateError";
}

/** Longer URIs match nothing; it bounds the work for one URI. */
const LONGEST_URI = 8_192;
const LONGEST_TEMPLATE = 2_048;

/** RFC 6570 appendix A. */
interface Operator {
  readonly first: string;
  readonly separator: string;
  readonly named: boolean;
  /** What follows the name of a variable whose value is empty. */
  readonly ifEmpty: string;
  readonly reserved: boolean;
  /** Whether a variable may be left out. */
  readonly optional: boolean;
}

const plain = { first: "", separator: ",", named: false, ifEmpty: "", reserved: false, optional: false };
const OPERATORS: Readonly<Record<string, Operator>> = {
  "": plain,
  "+": { ...plain, reserved: true },
  "#": { ...plain, first: "#", reserved: true, optional: true },
  ".": { ...plain, first: ".", separator: ".", optional: true },
  "/": { ...plain, first: "/", separator: "/", optional: true },
  ";": { ...plain, first: ";", separator: ";", named: true, optional: true },
  "?": { ...plain, first: "?", separator: "&", named: true, ifEmpty: "=", optional: true },
  "&": { ...plain, first: "&", separator: "&", named: true, ifEmpty: "=", optional: true },
};

const VARIABLE =
  /^(?<name>(?:[A-Za-z0-9_]|%[0-9A-Fa-f]{2})(?:\.?(?:[A-Za-z0-9_]|%[0-9A-Fa-f]{2}))*)(?:(?<explode>\*)|:(?<length>[1-9][0-9]{0,3}))?$/;

/** @throws {UriTemplateError} if the text is none; the message says why. */
export function parseUriTemplate(template: string): UriTemplate {
  if (template.length > LONGEST_TEMPLATE) throw new UriTemplateError("it is too long");
  if (!template.isWellFormed()) throw new UriTemplateError("it is no Unicode text");
  const automaton = new Automaton();
  let state = automaton.start;
  for (const part of template.split(/(\{[^{}]*\})/)) {
    if (part.startsWith("{")) {
      state = addExpression(automaton, state, part.slice(1, -1));
    } else {
      if (/[{}]/.test(part)) throw new UriTemplateError("a brace has no counterpart");
      state = automaton.literal(state, part);
    }
  }
  if (automaton.size > MOST_STATES) throw new UriTemplateError("it has too many variables");
  const end = state;
  return {
    matches: (uri) => uri.length <= LONGEST_URI && isUnambiguous(uri) && automaton.accepts(uri, end),
  };
}

function addExpression(automaton: Automaton, from: number, expression: string): number {
  const sign = /^[+#./;?&]/.test(expression) ? expression.charAt(0) : "";
  const operator = OPERATORS[sign] ?? plain;
  const variables = expression.slice(sign.length).split(",").map((spec) => {
    const { name, explode, length } = VARIABLE.exec(spec)?.groups ?? {};
    if (name === undefined) throw new UriTemplateError(`{${expression}} is no expression`);
    return { name, explode: explode !== undefined, length: length === undefined ? null : Number(length) };
  });
  // Whether a variable was written so far decides what stands before the next one.
  let none = from;
  let some: number | null = null;
  for (const variable of variables) {
    const after = automaton.state();
    const value = (start: number, lead: string) =>
      automaton.join(
        addVariable(automaton, automaton.literal(start, lead), { ...variable, operator }),
        after,
      );
    value(none, operator.first);
    if (some !== null) {
      value(some, operator.separator);
      if (operator.optional) automaton.join(some, after);
    }
    some = after;
    // Nothing may be left out: from here on the way leads through what was written.
    if (!operator.optional) none = automaton.dead();
  }
  const end = automaton.state();
  if (some !== null) automaton.join(some, end);
  if (operator.optional) automaton.join(none, end);
  return end;
}

function addVariable(
  automaton: Automaton,
  from: number,
  variable: {
    readonly operator: Operator;
    readonly name: string;
    readonly explode: boolean;
    readonly length: number | null;
  },
): number {
  const { operator, name, explode, length } = variable;
  const end = automaton.state();
  const item = (start: number) => {
    if (!operator.named) {
      const value = automaton.value(start, operator.reserved, length);
      automaton.join(value, end);
      if (operator.optional) automaton.join(start, end);
      // An associative array, exploded.
      if (explode) {
        automaton.join(automaton.value(automaton.literal(value, "="), operator.reserved, null), end);
      }
      return;
    }
    const named = automaton.literal(start, name);
    automaton.join(automaton.literal(named, operator.ifEmpty), end);
    automaton.join(automaton.value(automaton.literal(named, "="), operator.reserved, length), end);
    if (!explode) return;
    const key = automaton.value(start, operator.reserved, null);
    automaton.join(automaton.value(automaton.literal(key, "="), operator.reserved, null), end);
  };
  item(from);
  if (explode) item(automaton.literal(end, operator.separator));
  return end;
}

/** No dot segments, however often they are encoded, no control characters, and only UTF-8 in percent-encoded bytes. */
function isUnambiguous(uri: string): boolean {
  let text = uri;
  for (let round = 0; round <= MAX_ENCODINGS; round++) {
    // deno-lint-ignore no-control-regex
    if (/[\u0000-\u001f\u007f]/.test(text)) return false;
    if (DOT_SEGMENT.test(text)) return false;
    if (!/%[0-9A-Fa-f]{2}/.test(text)) return true;
    try {
      // What is no escape, such as a percent sign alone, stays what it is.
      text = text.replaceAll(/(?:%[0-9A-Fa-f]{2})+/g, (escapes) => decodeURIComponent(escapes));
    } catch {
      return false;
    }
  }
  return false;
}

const MAX_ENCODINGS = 3;
/** Also behind what a server may take for the beginning of a path of its own. */
const DOT_SEGMENT = /(?:^|[/\\])\.(?:$|[/\\?#;])|(?:^|[/\\?#:;&=,])\.\.(?:$|[/\\?#:;&=,])/;
