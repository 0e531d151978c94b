/** Names that strangers give themselves, made fit to be shown on a page that a user trusts (RFC 7591 §5). */

/** The longest name shown, in code points. */
export const MAX_DISPLAY_NAME_LENGTH = 100;

// Controls, format characters, lone surrogates, private use, and all that Unicode says to render as nothing: bidi
// overrides, zero-width characters, tags, variation selectors, Hangul fillers. U+2800 is blank though no space.
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Default_Ignorable_Code_Point}\u2800]/gu;

/**
 * `text` in NFC, without invisible or direction-changing characters, on one line, trimmed and cut at
 * {@linkcode MAX_DISPLAY_NAME_LENGTH} code points; `null` if nothing is left. HTML is left as it is: templates escape.
 */
export function displayName(text: string | null): string | null {
  if (text === null) return null;
  const clean = text
    .replace(/\s+/gu, " ")
    .replace(INVISIBLE, "")
    // Marks piled upon one letter run over the lines above; no language needs more than four. This comes before
    // `normalize()`, whose time grows with the square of such a pile.
    .replace(/(\p{M}{4})\p{M}+/gu, "$1")
    .normalize("NFC")
    .replace(/ {2,}/g, " ");
  const cut = [...clean.trim()].slice(0, MAX_DISPLAY_NAME_LENGTH).join("").trim();
  return cut === "" ? null : cut;
}
