/**
 * Filtered lists, kept by the exact text that the upstream sent: a server that says the same again costs a comparison. Nothing is
 * shared that is not identical: the same text but for the answer's id, and the same allowance.
 */
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
interface Parts {
  readonly before: string;
  readonly after: string;
}

interface Entry {
  readonly allowance: Allowance;
  readonly given: Parts;
  /** `null`: nothing was taken out. */
  readonly filtered: Parts | null;
}

/** Filters the messages of one route. */
export class ListCache {
  /** The latest first. */
  readonly #entries: Entry[] = [];

  /**
   * The message without what is hidden; the very text that was given, where nothing was; `null` if nothing is left.
   * @throws {UnreadableAnswerError}
   */
  filter(text: string, allowance: Allowance): string | null {
    const known = this.#find(text, allowance);
    if (known !== null) return known;
    const filtered = filterText(text, allowance);
    const { id, curated } = filtered;
    // Nothing but lists is kept: what a user's own answers hold is nobody else's business, nor the memory's.
    if (filtered.text !== null && id !== null && curated && text.length <= LONGEST) {
      this.#entries.unshift({
        allowance,
        given: split(text, id.given),
        filtered: filtered.text === text ? null : split(filtered.text, id.filtered),
      });
      if (this.#entries.length > MAX_ENTRIES) this.#entries.pop();
    }
    return filtered.text;
  }

  #find(text: string, allowance: Allowance): string | null {
    for (const [index, entry] of this.#entries.entries()) {
      if (entry.allowance !== allowance) continue;
      const id = between(text, entry.given);
      if (id === null) continue;
      if (index > 0) {
        this.#entries.splice(index, 1);
        this.#entries.unshift(entry);
      }
      const { filtered } = entry;
      return filtered === null ? text : filtered.before + id + filtered.after;
    }
    return null;
  }
}

/** What stands between the two parts, if that is an id and the rest is the same. */
function between(text: string, { before, after }: Parts): string | null {
  const length = text.length - before.length - after.length;
  if (length < 1 || length > LONGEST_ID) return null;
  // Equal strings are compared by the word; `endsWith` goes by the character, and takes ten times as long.
  if (text.slice(before.length + length) !== after || text.slice(0, before.length) !== before) return null;
  const id = text.slice(before.length, before.length + length);
  return ID.test(id) ? id : null;
}

function split(text: string, { start, end }: Span): Parts {
  return { before: text.slice(0, start), after: text.slice(end) };
}
