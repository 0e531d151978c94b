/**
 * Reads an event stream (HTML standard, server-sent events) and takes out of its messages what a caller may not see. Events that
 * nothing is taken out of keep their very bytes, and an event is handed on as soon as it is complete.
 */
import type { Allowance } from "./capabilities.ts";
import { errorBody, JSON_RPC_CODES, type JsonRpcId } from "./json_rpc.ts";
import type { ListCache } from "./list_cache.ts";
import { UnreadableAnswerError } from "./list_filter.ts";

/** What is looked for in a stream. */
export interface StreamRule {
  readonly allowance: Allowance;
  readonly cache: ListCache;
  /** Lists may come: every event has to be readable. Otherwise only notifications about resources are looked for. */
  readonly lists: boolean;
  /** Of the request that the stream answers; it gets an error in place of an answer that cannot be read. */
  readonly id: JsonRpcId;
  /** How long an event may be, in bytes. */
  readonly maxBytes: number;
  /** Told why something was taken out that could not be read. */
  readonly onUnreadable: (reason: "answer_unreadable" | "answer_too_large") => void;
}

const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;
const NOTHING = new Uint8Array(0);
const encoder = new TextEncoder();
// As the standard has it: what is no UTF-8 is replaced, and a byte order mark is none of the decoder's business.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** One stream. */
export class EventStreamFilter {
  readonly #rule: StreamRule;
  /** Bytes that belong to an event that is not complete, and room behind them. */
  #held: Uint8Array<ArrayBuffer> = NOTHING;
  #length = 0;
  /** How many of them have been looked at. */
  #scanned = 0;
  #lineStart = 0;
  /** The last byte was a carriage return: a line feed would belong to it. */
  #afterCr = false;
  #first = true;
  /** Handing on the rest of an event that is too long, of which nothing has to be known. */
  #passing = false;
  #over = false;

  constructor(rule: StreamRule) {
    this.#rule = rule;
  }

  /** Nothing more may pass: an event was too long to be judged. */
  get over(): boolean {
    return this.#over;
  }

  /** What can be handed on after this chunk; empty if an event has to be completed first. */
  push(chunk: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    if (this.#over) return NOTHING;
    this.#append(chunk);
    const ready: Uint8Array<ArrayBuffer>[] = [];
    let begin = 0;
    for (let at = this.#scanned; at < this.#length; at++) {
      const byte = this.#held[at];
      if (byte === LF && this.#afterCr) {
        this.#afterCr = false;
        // The second half of the end of a line that has been dealt with.
        if (this.#lineStart === at) {
          this.#lineStart = at + 1;
          if (begin === at) {
            ready.push(this.#held.slice(at, at + 1));
            begin = at + 1;
          }
        }
        continue;
      }
      this.#afterCr = byte === CR;
      if (byte !== LF && byte !== CR) continue;
      const isEnd = this.#lineStart === at;
      const isComment = this.#lineStart === begin && this.#held[begin] === COLON;
      this.#lineStart = at + 1;
      if (!isEnd && !isComment && !this.#passing) continue;
      ready.push(this.#finished(begin, at + 1));
      if (isEnd) this.#passing = false;
      begin = at + 1;
    }
    this.#keepFrom(begin);
    if (this.#length > this.#rule.maxBytes || this.#passing) ready.push(this.#tooLong());
    return joined(ready);
  }

  /** What is left when the stream has ended: an event without its end is judged like any other. */
  end(): Uint8Array<ArrayBuffer> {
    if (this.#over || this.#length === 0) return NOTHING;
    const rest = this.#finished(0, this.#length);
    this.#keepFrom(this.#length);
    return rest;
  }

  #append(chunk: Uint8Array<ArrayBuffer>): void {
    const needed = this.#length + chunk.length;
    if (this.#held.length < needed) {
      const larger = new Uint8Array(Math.max(needed, this.#length === 0 ? 0 : this.#held.length * 2));
      larger.set(this.#held.subarray(0, this.#length));
      this.#held = larger;
    }
    this.#held.set(chunk, this.#length);
    this.#length = needed;
  }

  #keepFrom(begin: number): void {
    const left = this.#length - begin;
    // Nothing is held for a stream that is idle.
    if (left === 0) this.#held = NOTHING;
    else if (begin > 0) this.#held = this.#held.slice(begin, this.#length);
    this.#length = left;
    this.#scanned = left;
    this.#lineStart -= begin;
  }

  #finished(begin: number, end: number): Uint8Array<ArrayBuffer> {
    const bytes = this.#held.slice(begin, end);
    const first = this.#first;
    this.#first = false;
    return this.#passing ? bytes : this.#judged(bytes, first);
  }

  #judged(bytes: Uint8Array<ArrayBuffer>, first: boolean): Uint8Array<ArrayBuffer> {
    const text = decoder.decode(bytes);
    const { data, others, unknown } = fieldsOf(first ? text.replace(/^\ufeff/, "") : text);
    const { allowance, cache, lists } = this.#rule;
    if (data === null || data === "") return lists && unknown ? eventOf(others, data) : bytes;
    if (!lists && !/esources|\\u/.test(data)) return bytes;
    let kept: string | null;
    try {
      kept = cache.filter(data, allowance);
    } catch (error) {
      if (!(error instanceof UnreadableAnswerError)) throw error;
      if (!lists) return bytes;
      this.#rule.onUnreadable("answer_unreadable");
      kept = this.#errorText();
    }
    if (kept === data && !(lists && unknown)) return bytes;
    // The id of an event stays, so that a client resumes behind it.
    return eventOf(kept === null ? others.filter((line) => !line.startsWith("event")) : others, kept);
  }

  /** An event that cannot be held any longer. It passes only where nothing of that length could be hidden. */
  #tooLong(): Uint8Array<ArrayBuffer> {
    if (this.#rule.lists) {
      this.#over = true;
      this.#rule.onUnreadable("answer_too_large");
      this.#held = NOTHING;
      const text = this.#errorText();
      return text === null ? NOTHING : encoder.encode(`data: ${text}\n\n`);
    }
    this.#passing = true;
    const bytes = this.#held.slice(0, this.#length);
    // Where the line began does not matter any more, unless it is empty up to here.
    const lineIsEmpty = this.#lineStart === this.#length;
    this.#held = NOTHING;
    this.#length = 0;
    this.#scanned = 0;
    this.#lineStart = lineIsEmpty ? 0 : -1;
    return bytes;
  }

  #errorText(): string | null {
    const { id } = this.#rule;
    return id === null ? null : new TextDecoder().decode(errorBody({
      id,
      code: JSON_RPC_CODES.upstreamUnavailable,
      message: UNREADABLE,
    }));
  }
}

/** What a client is told in place of an answer that could not be filtered. */
export const UNREADABLE = "The upstream MCP server answered something that the gateway cannot filter.";

/** An event's parts. */
interface Fields {
  /** `null`: it has none. */
  readonly data: string | null;
  /** The other lines that mean something, as they were. */
  readonly others: readonly string[];
  /** There were lines that mean nothing: readers skip them, and whoever looks at the text sees what stands in them. */
  readonly unknown: boolean;
}

function fieldsOf(event: string): Fields {
  const data: string[] = [];
  const others: string[] = [];
  let unknown = false;
  for (const line of event.split(/\r\n|\n|\r/)) {
    const [, value] = /^data(?:: ?([\s\S]*))?$/.exec(line) ?? [];
    if (value !== undefined) data.push(value);
    else if (line === "data") data.push("");
    else if (/^(?:(?:event|id|retry)(?::|$)|:)/.test(line)) others.push(line);
    else if (line !== "") unknown = true;
  }
  return { data: data.length === 0 ? null : data.join("\n"), others, unknown };
}

function eventOf(others: readonly string[], data: string | null): Uint8Array<ArrayBuffer> {
  const lines = data === null
    ? others
    : [...others, ...data.split(/\r\n|\n|\r/).map((line) => `data: ${line}`)];
  return lines.length === 0 ? NOTHING : encoder.encode(`${lines.join("\n")}\n\n`);
}

function joined(parts: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  const [only] = parts;
  if (parts.length < 2) return only ?? NOTHING;
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
