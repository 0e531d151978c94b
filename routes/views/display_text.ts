/** Makes strings that others chose (client names, accounts, error texts) safe to look at: what escaping cannot do. */

// Controls, format characters (direction overrides, tags, soft hyphens), line separators and lone surrogates can reorder
// or hide text. U+200C and U+200D stay: Persian, Indic scripts and emoji need them, and they move nothing.
const DECEPTIVE = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const STACKED_MARKS = /(\p{M}{3})\p{M}+/gu;
const SPACES = /\s+/gu;

/** Characters (code points) after which {@linkcode displayText} cuts by default. */
export const DISPLAY_TEXT_LIMIT = 120;

/**
 * `value` as one line of visible text of at most `limit` code points: deceptive characters become U+FFFD, stacks of
 * combining marks are cut to three, white space is collapsed. Not an escape: templates do that.
 */
export function displayText(value: string, limit: number = DISPLAY_TEXT_LIMIT): string {
  // A first, generous cut bounds the work that a hostile string can cause.
  const bounded = value.slice(0, limit * 16);
  const line = bounded.replace(SPACES, " ").replace(DECEPTIVE, "\ufffd").replace(STACKED_MARKS, "$1").trim();
  const characters = [...line];
  if (characters.length <= limit && bounded.length === value.length) return line;
  return `${characters.slice(0, limit - 1).join("").trimEnd()}…`;
}

/**
 * A host or URL, shown whole: what counts stands at its end, so it is wrapped by the stylesheet and never cut, unless
 * it exceeds 2048 code points. `null` and the empty string stay what they are.
 */
export function displayAddress(value: string): string {
  return displayText(value, 2048);
}
