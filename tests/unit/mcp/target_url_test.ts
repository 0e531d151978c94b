/** What of a client's query goes upstream, and beside what. */
import assert from "node:assert/strict";
import { targetUrl } from "../../../lib/mcp/target_url.ts";

const BASE = "https://up.example/mcp";

Deno.test("the query of a request goes upstream as it was written (B13 194, B13 196)", () => {
  for (
    const search of ["", "?", "?a=1", "?a=1&a=2", "?a=%2F&b", "?a=b=c&&d", "??x", "?${X}", "?%61=%zz", "?ä=ö"]
  ) {
    assert.equal(targetUrl(BASE, search), BASE + search);
  }
});

Deno.test("beside the upstream's own query, without what that says already, however it is spelt (B13 194)", () => {
  const own = `${BASE}?tenant=a&api%5Fversion=2`;
  for (
    const [search, expected] of [
      ["", own],
      ["?a=1&b=%2F", `${own}&a=1&b=%2F`],
      ["?tenant=b", own],
      ["?a=1&tenant=b&c=2", `${own}&a=1&c=2`],
      ["?tenant=b&tenant=c", own],
      ["?TENANT=b", own],
      ["?t%65nant=b", own],
      ["?%74enant", own],
      ["?api_version=1", own],
      ["?api%5fversion=1", own],
      ["?a=1;tenant=b", own],
      ["?a=1;b=2", `${own}&a=1;b=2`],
      ["?tenant[]=b", own],
      ["?tenant%5B0%5D=b&tenant[x]=c", own],
      ["?+tenant=b&%20tenant=b", own],
      ["?api.version=1&api%20version=1", own],
      ["?[tenant]=b", `${own}&[tenant]=b`],
      ["?tenant2=b", `${own}&tenant2=b`],
      ["?a=tenant", `${own}&a=tenant`],
    ] as const
  ) {
    assert.equal(targetUrl(own, search), expected, search);
  }
});
