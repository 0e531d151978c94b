/**
 * The automaton of a URI template: nondeterministic as it is built, and made deterministic as far as URIs need it, so that a unit of a URI
 * costs a look-up. A body of 4 MiB may be full of URIs that have to be judged before anybody else's request is.
 */

const UNRESERVED = /^[A-Za-z0-9\-._~]$/;
const RESERVED = /^[:/?#[\]@!$&'()*+,;=]$/;
const TRIPLE = /^%[0-9A-Fa-f]{2}$/;

/** More states than any template needs that people write. */
export const MOST_STATES = 4_096;
const PERCENT = 0x25;
/** Units that no step can tell apart are of one kind: below this ASCII, from here on percent-encoded bytes, */
const ENCODED = 128;
/** all characters beyond ASCII that no literal holds, and behind them each that one does. */
const OTHER = ENCODED + 256;

/** A step that consumes one unit of a URI: a character, or a percent-encoded byte. */
interface Step {
  readonly takes: (unit: string) => boolean;
  readonly to: number;
}

/** All states that the automaton may be in, and where it goes from there by the units that have been met so far. */
interface StateSet {
  readonly states: ReadonlySet<number>;
  /** By kind of unit, see {@linkcode ENCODED}; `null`: nowhere. */
  readonly after: (StateSet | null | undefined)[];
}

/** So many sets are kept; then they are found anew. Templates without length limits have a few dozen. */
const MOST_SETS = 2_000;

/** A nondeterministic automaton. It is run by following all its states at once, so time is at most states × length. */
export class Automaton {
  readonly #steps: Step[][] = [];
  readonly #jumps: number[][] = [];
  /** The kinds of characters beyond ASCII that literals hold. */
  readonly #literals = new Map<string, number>();
  /** By their sorted states. */
  readonly #sets = new Map<string, StateSet>();
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
      this.#addStep(state, { takes: (given) => sameUnit(given, unit), to });
      if (isNonAscii(unit)) {
        if (!this.#literals.has(unit)) this.#literals.set(unit, OTHER + 1 + this.#literals.size);
        this.#joinEncoded(state, unit, to);
      }
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
      this.#addStep(from, { takes, to: end });
      this.#addStep(end, { takes, to: end });
      return end;
    }
    let state = from;
    for (let count = 0; count < length && this.size <= MOST_STATES; count++) {
      const to = this.state();
      this.#addStep(state, { takes: (unit) => takes(unit) && !isContinuation(unit), to });
      // The further bytes of one character.
      this.#addStep(to, { takes: isContinuation, to });
      this.join(to, end);
      state = to;
    }
    return end;
  }

  /** Whether the whole URI leads from the start to `end`. Nothing may be added to the automaton any more. */
  accepts(uri: string, end: number): boolean {
    if (this.#sets.size > MOST_SETS) this.#sets.clear();
    let current = this.#setOf([this.start]);
    for (let at = 0; at < uri.length;) {
      // Told by numbers: to cut a URI into pieces costs more than to judge it.
      let kind = uri.charCodeAt(at);
      let length = 1;
      if (kind === PERCENT) {
        const byte = encodedByte(uri, at);
        if (byte !== null) [kind, length] = [ENCODED + byte, 3];
      } else if (kind > 0x7f) {
        length = (uri.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
        kind = this.#literals.get(uri.slice(at, at + length)) ?? OTHER;
      }
      let next = current.after[kind];
      if (next === undefined) {
        next = this.#step(current, uri.slice(at, at + length));
        current.after[kind] = next;
      }
      if (next === null) return false;
      current = next;
      at += length;
    }
    return current.states.has(end);
  }

  #step({ states }: StateSet, unit: string): StateSet | null {
    const reached: number[] = [];
    for (const state of states) {
      for (const { takes, to } of this.#steps[state] ?? []) if (takes(unit)) reached.push(to);
    }
    return reached.length === 0 ? null : this.#setOf(reached);
  }

  #setOf(reached: readonly number[]): StateSet {
    const states = this.#closure(reached);
    const key = [...states].toSorted((a, b) => a - b).join();
    const known = this.#sets.get(key);
    if (known !== undefined) return known;
    const set: StateSet = { states, after: [] };
    this.#sets.set(key, set);
    return set;
  }

  /** A literal that is no ASCII may also be sent encoded (RFC 6570 §3.1). */
  #joinEncoded(from: number, character: string, to: number): void {
    let state = from;
    for (const triple of unitsOf(encodeURIComponent(character))) {
      const next = this.state();
      this.#addStep(state, { takes: (given) => sameUnit(given, triple), to: next });
      state = next;
    }
    this.join(state, to);
  }

  #addStep(from: number, step: Step): void {
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

/** The byte that is encoded here; `null` if what is here is no such triple. */
function encodedByte(text: string, at: number): number | null {
  const triple = text.slice(at, at + 3);
  return TRIPLE.test(triple) ? Number.parseInt(triple.slice(1), 16) : null;
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
