import assert from "node:assert/strict";
import { OAuthError } from "../../../lib/oauth/errors.ts";
import { grantScope, narrowScope, parseScope, SCOPE, SUPPORTED_SCOPES } from "../../../lib/oauth/scope.ts";

Deno.test("there is one scope, and it is no `offline_access` (contract 4, RS-03)", () => {
  assert.equal(SCOPE, "mcp:tools");
  assert.deepEqual(SUPPORTED_SCOPES, ["mcp:tools"]);
});

Deno.test("`parseScope()` splits on spaces and tolerates what clients send (AS-31, Q-06, B4 070)", async (t) => {
  const cases: [string, string | undefined, string[]][] = [
    ["absent", undefined, []],
    ["empty", "", []],
    ["only spaces", "   ", []],
    ["leading and doubled spaces", " offline_access  openid", ["offline_access", "openid"]],
    ["duplicates", "a b a", ["a", "b"]],
    ["a newline", "mcp:tools\nadmin", []],
    ["a tab", "a\tb c", ["c"]],
    ["a NUL", "a\0 b", ["b"]],
    ["a quote", 'a" b', ["b"]],
    ["a backslash", "a\\ b", ["b"]],
    ["non-ASCII", "ä b", ["b"]],
    ["DEL", "a\x7f b", ["b"]],
    ["every NQCHAR class", "! #[ ]~", ["!", "#[", "]~"]],
    ["prototype names", "__proto__ constructor", ["__proto__", "constructor"]],
  ];
  for (const [name, text, expected] of cases) {
    await t.step(name, () => assert.deepEqual(parseScope(text), expected));
  }
});

Deno.test("`grantScope()` grants the one scope, whatever was asked (AS-31, AS-46, B4 070)", () => {
  for (const asked of [[], ["mcp:tools"], ["admin", "*"], ["offline_access", "openid", "mcp:tools"]]) {
    assert.deepEqual(grantScope(asked), ["mcp:tools"]);
  }
});

Deno.test("`narrowScope()` repeats, narrows and never widens (AS-59, B8 129)", async (t) => {
  const granted = ["mcp:tools", "other"];
  const asked = ["mcp:tools", "other", "openid", "offline_access"];
  const cases: [string, string | undefined, string[]][] = [
    ["absent: all that was granted", undefined, granted],
    ["empty: all that was granted", "", granted],
    ["the same again", "mcp:tools other", granted],
    ["fewer", "other", ["other"]],
    ["the original request again, ungranted values and all", asked.join(" "), granted],
    ["only what was asked and not granted", "openid", granted],
    ["duplicates", "other other", ["other"]],
  ];
  for (const [name, requested, expected] of cases) {
    await t.step(name, () => assert.deepEqual(narrowScope(requested, granted, asked), expected));
  }
  for (const requested of ["admin", "mcp:tools admin", "MCP:TOOLS", "mcp:tools:write", "mcp"]) {
    await t.step(`refuses \`${requested}\``, () =>
      assert.throws(
        () => narrowScope(requested, granted, asked),
        (error) => error instanceof OAuthError && error.code === "invalid_scope" && error.status === 400,
      ));
  }
});

Deno.test("`narrowScope()` never answers a scope that was not granted, whatever was asked (AS-59)", () => {
  assert.deepEqual(narrowScope("admin", ["mcp:tools"], ["admin"]), ["mcp:tools"]);
  assert.deepEqual(narrowScope("admin mcp:tools", ["mcp:tools"], ["admin"]), ["mcp:tools"]);
});
