/**
 * Filtered lists, kept by the exact text that the upstream sent: a server that says the same again costs a comparison, and
 * its bytes need not even become text. Nothing is shared that is not identical: the same text but for the answer's id, and the same allowance.
 */
import { Buffer } from "node:buffer";
import type { Allowance } from "./capabilities.ts";
import type { Span } from "./json_text.ts";
import { filterText } from "./list_filter.ts";

/** Longer answers are filtered anew each time; in characters. */
const LONGEST = 128 * 1024;
/** Pages, times groups of users who may see the same. */
const MAX_ENTRIES = 32;
/** An id as nearly everybody writes it; an answer with another one is filtered like a new one. */
const ID = /^(?:-?[0-9]{1,16}|"[A-Za-z0-9_:.-]{0,128}")$/;
const LONGEST_ID = 130;

/** An answer in two parts, with its id between them. */
interface Parts<Part> {
  readonly before: Part;
  readonly after: Part;
}

/** Filters the messages of one route. */
export class ListCache {
  /** The latest first. */
  readonly #entries: Entry[] = [];

  /**
   * The message, given as text or as its bytes, without what is hidden; the very text that was given, where nothing was; `null` if nothing is
   * left. Bytes are not kept.
   * @throws {UnreadableAnswerError}
   */
  filter(answer: string | Uint8Array, allowance: Allowance): string | null {
    const known = this.#find(answer, allowance);
    if (known !== null) return known;
    const text = textOf(answer);
    const filtered = filterText(text, allowance);
    const { id, curated } = filtered;
    // Nothing but lists is kept: what a user's own answers hold is nobody else's business, nor the memory's.
    if (filtered.text !== null && id !== null && curated && text.length <= LONGEST) {
      this.#entries.unshift(
        new Entry(
          allowance,
          split(text, id.given),
          filtered.text === text ? null : split(filtered.text, id.filtered),
        ),
      );
      if (this.#entries.length > MAX_ENTRIES) this.#entries.pop();
    }
    return filtered.text;
  }

  #find(answer: string | Uint8Array, allowance: Allowance): string | null {
    for (const [index, entry] of this.#entries.entries()) {
      if (entry.allowance !== allowance) continue;
      const text = entry.filtered(answer);
      if (text === null) continue;
      if (index > 0) {
        this.#entries.splice(index, 1);
        this.#entries.unshift(entry);
      }
      return text;
    }
    return null;
  }
}

/** One answer, and what is left of it. */
class Entry {
  readonly allowance: Allowance;
  readonly #given: Parts<string>;
  /** Made when they are compared with for the first time. */
  #givenBytes: Parts<Buffer> | null = null;
  readonly #filtered: Parts<string> | null;
  /** Clients count their requests from the beginning, and ask for their lists at the beginning: most with the same few ids. */
  #last = { id: "", text: "" };

  /** `filtered` is `null` where nothing was taken out. */
  constructor(allowance: Allowance, given: Parts<string>, filtered: Parts<string> | null) {
    this.allowance = allowance;
    this.#given = given;
    this.#filtered = filtered;
  }

  /** What is left of an answer that is this one but for its id; `null` of another one. */
  filtered(answer: string | Uint8Array): string | null {
    const id = typeof answer === "string" ? between(answer, this.#given) : this.#idInBytes(answer);
    if (id === null) return null;
    if (this.#filtered === null) return textOf(answer);
    if (this.#last.id !== id) this.#last = { id, text: this.#filtered.before + id + this.#filtered.after };
    return this.#last.text;
  }

  #idInBytes(bytes: Uint8Array): string | null {
    const { before, after } = this.#givenBytes ??= {
      before: Buffer.from(this.#given.before),
      after: Buffer.from(this.#given.after),
    };
    const [start, end] = [before.length, bytes.length - after.length];
    if (end <= start || end - start > LONGEST_ID) return null;
    if (after.compare(bytes, end, bytes.length) !== 0 || before.compare(bytes, 0, start) !== 0) return null;
    const { id } = this.#last;
    return spells(bytes, { start, end }, id) ? id : idIn(bytes.subarray(start, end));
  }
}

/** Whether the bytes of the span are this ASCII text. */
function spells(bytes: Uint8Array, { start, end }: Span, text: string): boolean {
  if (text.length !== end - start) return false;
  for (let at = 0; at < text.length; at++) if (bytes[start + at] !== text.charCodeAt(at)) return false;
  return true;
}

/** What is not ASCII is no such id. */
function idIn(bytes: Uint8Array): string | null {
  const id = String.fromCharCode(...bytes);
  return ID.test(id) ? id : null;
}

/** What stands between the two parts, if that is an id and the rest is the same. */
function between(text: string, { before, after }: Parts<string>): string | null {
  const length = text.length - before.length - after.length;
  if (length < 1 || length > LONGEST_ID) return null;
  // Equal strings are compared by the word; `endsWith` goes by the character, and takes ten times as long.
  if (text.slice(before.length + length) !== after || text.slice(0, before.length) !== before) return null;
  const id = text.slice(before.length, before.length + length);
  return ID.test(id) ? id : null;
}

function split(text: string, { start, end }: Span): Parts<string> {
  return { before: text.slice(0, start), after: text.slice(end) };
}

const decoder = new TextDecoder();

function textOf(answer: string | Uint8Array): string {
  return typeof answer === "string" ? answer : decoder.decode(answer);
}
