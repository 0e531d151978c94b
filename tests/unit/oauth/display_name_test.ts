import assert from "node:assert/strict";
import { displayName } from "../../../lib/oauth/display_name.ts";

Deno.test("`displayName()` leaves honest names alone", () => {
  for (
    const name of [
      "Claude",
      "Visual Studio Code",
      "Café Zoë",
      "日本語クライアント",
      "עברית",
      "हिन्दी",
      "A & B <c>",
      "🙂 ok",
    ]
  ) {
    assert.equal(displayName(name), name.normalize("NFC"));
  }
});

Deno.test("`displayName()` removes what hides or reorders text (B2 024)", async (t) => {
  const cases: [string, string, string | null][] = [
    ["right-to-left override", "Claude\u202etset.live", "Claudetset.live"],
    ["bidi isolates and marks", "\u2066a\u2069\u200e\u200f\u061cb", "ab"],
    ["zero-width space, joiner, non-joiner", "C\u200bl\u200da\u200cude", "Claude"],
    ["byte-order mark", "\ufeffClaude", "Claude"],
    ["word joiner and soft hyphen", "Cl\u2060au\u00adde", "Claude"],
    ["Hangul fillers and Braille blank", "\u3164\u115f\uffa0\u2800x", "x"],
    ["tag characters", "x\u{e0041}\u{e007f}", "x"],
    ["variation selectors", "x\ufe0f\u{e0100}", "x"],
    ["private use", "x\ue000", "x"],
    ["lone surrogates", "x\ud800", "x"],
    ["NUL and other controls", "a\0b\x1b[31m\x9b", "ab[31m"],
    ["lines become one", "Claude\r\nby gw.test\u2028x", "Claude by gw.test x"],
    ["runs of space", "a \u00a0\t  b", "a b"],
    ["spaces left by what was removed", "a \u200b b", "a b"],
    ["surrounding space", "  x  ", "x"],
    ["decomposed letters", "Cafe\u0301", "Café"],
    ["piled-up marks", "a" + "\u0335".repeat(40), "a" + "\u0335".repeat(4)],
    ["nothing left", "\u200b \u202e\0", null],
    ["empty", "", null],
    ["HTML stays text", "<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"],
  ];
  for (const [name, text, expected] of cases) {
    await t.step(name, () => assert.equal(displayName(text), expected));
  }
  assert.equal(displayName(null), null);
});

Deno.test("`displayName()` cuts at 100 code points, never through one (B2 024)", () => {
  assert.equal(displayName("a".repeat(10240)), "a".repeat(100));
  assert.equal(displayName("🙂".repeat(101)), "🙂".repeat(100));
  assert.equal(displayName("a".repeat(99) + " b"), "a".repeat(99));
});
