/**
 * Whether a URI is what a URI template expands to (RFC 6570), told without a backtracking regular expression: the template becomes a
 * small automaton, and a URI is read once, character by character, whatever it looks like.
 *
 * It is stricter than the RFC where a server might read a URI as another one: a variable of `{a}` or `{+a}` is never empty; what need
 * not be percent-encoded never is; percent-encoded bytes are UTF-8; no segment is `.` or `..`, however it is encoded.
 */

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
const MOST_STATES = 4_096;

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

const UNRESERVED = /^[A-Za-z0-9\-._~]$/;
const RESERVED = /^[:/?#[\]@!$&'()*+,;=]$/;
const TRIPLE = /^%[0-9A-Fa-f]{2}$/;

/** A step that consumes one unit of a URI: a character, or a percent-encoded byte. */
interface Step {
  readonly takes: (unit: string) => boolean;
  readonly to: number;
}

/** A nondeterministic automaton. It is run by following all its states at once, so time is at most states × length. */
class Automaton {
  readonly #steps: Step[][] = [];
  readonly #jumps: number[][] = [];
  readonly start: number = this.state();

  get size(): number {
    return this.#steps.length;
  }

  state(): number {
    this.#jumps.push([]);
    return this.#steps.push([]) - 1;
  }

  /** A state that nothing leads to. */
  dead(): number {
    return this.state();
  }

  /** From one state to the other without consuming anything. */
  join(from: number, to: number): void {
    this.#jumps[from]?.push(to);
  }

  literal(from: number, text: string): number {
    let state = from;
    for (const unit of unitsOf(text)) {
      const to = this.state();
      this.#step(state, { takes: (given) => sameUnit(given, unit), to });
      if (isNonAscii(unit)) this.#joinEncoded(state, unit, to);
      state = to;
    }
    return state;
  }

  /** At least one unit of a value, at most `length` of them if that is given. */
  value(from: number, reserved: boolean, length: number | null): number {
    const takes = (unit: string) =>
      UNRESERVED.test(unit) || isNeededTriple(unit) || (reserved && RESERVED.test(unit));
    const end = this.state();
    if (length === null) {
      this.#step(from, { takes, to: end });
      this.#step(end, { takes, to: end });
      return end;
    }
    let state = from;
    for (let count = 0; count < length && this.size <= MOST_STATES; count++) {
      const to = this.state();
      this.#step(state, { takes: (unit) => takes(unit) && !isContinuation(unit), to });
      // The further bytes of one character.
      this.#step(to, { takes: isContinuation, to });
      this.join(to, end);
      state = to;
    }
    return end;
  }

  accepts(uri: string, end: number): boolean {
    let current = this.#closure([this.start]);
    for (const unit of unitsOf(uri)) {
      const reached: number[] = [];
      for (const state of current) {
        for (const { takes, to } of this.#steps[state] ?? []) if (takes(unit)) reached.push(to);
      }
      if (reached.length === 0) return false;
      current = this.#closure(reached);
    }
    return current.has(end);
  }

  /** A literal that is no ASCII may also be sent encoded (RFC 6570 §3.1). */
  #joinEncoded(from: number, character: string, to: number): void {
    let state = from;
    for (const triple of unitsOf(encodeURIComponent(character))) {
      const next = this.state();
      this.#step(state, { takes: (given) => sameUnit(given, triple), to: next });
      state = next;
    }
    this.join(state, to);
  }

  #step(from: number, step: Step): void {
    this.#steps[from]?.push(step);
  }

  #closure(states: readonly number[]): Set<number> {
    const seen = new Set(states);
    // A set that grows while it is walked is walked to its end.
    for (const state of seen) for (const to of this.#jumps[state] ?? []) seen.add(to);
    return seen;
  }
}

/** Characters, with each percent-encoded byte as one unit. */
function unitsOf(text: string): string[] {
  return text.match(/%[0-9A-Fa-f]{2}|[\s\S]/gu) ?? [];
}

function sameUnit(given: string, expected: string): boolean {
  return given === expected || (TRIPLE.test(expected) && given.toUpperCase() === expected.toUpperCase());
}

function isContinuation(unit: string): boolean {
  return /^%[89ABab][0-9A-Fa-f]$/.test(unit);
}

function isNonAscii(unit: string): boolean {
  return unit.charCodeAt(0) > 0x7f;
}

/** Expansion never encodes what is unreserved: another spelling of the same would be another URI to us and the same one to a server. */
function isNeededTriple(unit: string): boolean {
  return TRIPLE.test(unit) && !UNRESERVED.test(String.fromCharCode(Number.parseInt(unit.slice(1), 16)));
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
