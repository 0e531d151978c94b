import assert from "node:assert/strict";
import { canonicalResource, resourceOf } from "../../../lib/oauth/resource_indicator.ts";

const ALPHA = resourceOf("https://gw.test", "/alpha");

Deno.test("`resourceOf()` is the URL that clients are given, and canonical (RS-01)", () => {
  assert.equal(ALPHA, "https://gw.test/alpha");
  assert.equal(resourceOf("https://gw.test", "/"), "https://gw.test");
  for (const path of ["/alpha", "/mcp/linear-v1", "/Mcp/%20x"]) {
    const resource = resourceOf("http://127.0.0.1:9000", path);
    assert.equal(canonicalResource(resource), resource);
  }
});

Deno.test("`canonicalResource()` evens out what clients do to a URL (AS-21, Q-01)", async (t) => {
  const cases: [string, string][] = [
    ["https://gw.test/alpha", ALPHA],
    ["https://gw.test/alpha/", ALPHA],
    ["HTTPS://GW/mcp/linear/", "https://gw/mcp/linear"],
    ["https://GW.test/alpha", ALPHA],
    ["https://gw.test:443/alpha", ALPHA],
    ["http://gw.test:80/alpha", "http://gw.test/alpha"],
    ["http://gw.test:443/alpha", "http://gw.test:443/alpha"],
    ["https://gw.test", "https://gw.test"],
    ["https://gw.test/", "https://gw.test"],
    ["http://127.0.0.1:9000/mcp/demo", "http://127.0.0.1:9000/mcp/demo"],
    ["http://[::1]:9000/mcp/demo/", "http://[::1]:9000/mcp/demo"],
  ];
  for (const [value, expected] of cases) {
    await t.step(value, () => assert.equal(canonicalResource(value), expected));
  }
});

Deno.test("`canonicalResource()` refuses what is no resource URI of ours (AS-20, B4 068)", async (t) => {
  const refused = [
    "",
    "alpha",
    "/alpha",
    "//gw.test/alpha",
    "gw.test/alpha",
    "urn:gw:alpha",
    "mcp://gw.test/alpha",
    "ftp://gw.test/alpha",
    "javascript:alert(1)",
    "https://",
    "https:/gw.test/alpha",
    "https:///gw.test/alpha",
    "https://gw.test/alpha#x",
    "https://gw.test/alpha#",
    "https://gw.test/alpha?x=1",
    "https://gw.test/alpha?",
    "https://u@gw.test/alpha",
    "https://u:p@gw.test/alpha",
    "https://evil.test@gw.test/alpha",
    "https://gw.test\\alpha",
    "https://gw.test/alpha beta",
    " https://gw.test/alpha",
    "https://gw.test/alpha\n",
    "https://gw.test/alpha\0",
    "https://gw%2etest/alpha",
    "https://gw.test:/alpha",
    "https://gw.test:0443/alpha",
    `https://gw.test/${"a".repeat(2048)}`,
  ];
  for (const value of refused) {
    await t.step(JSON.stringify(value.slice(0, 60)), () => assert.equal(canonicalResource(value), null));
  }
});

Deno.test("`canonicalResource()` reads no path as another route (B1 009, B12 178)", async (t) => {
  const dotted = [
    "https://gw.test/beta/../alpha",
    "https://gw.test/./alpha",
    "https://gw.test/alpha/.",
    "https://gw.test/alpha/..",
    "https://gw.test/beta/%2e%2e/alpha",
    "https://gw.test/beta/.%2E/alpha",
    "https://gw.test/beta%2f..%2falpha",
    "https://gw.test/beta%5c..%5calpha",
    "https://gw.test/alpha%2Fbeta",
    "https://gw.test/alpha/%2e",
  ];
  for (const value of dotted) await t.step(value, () => assert.equal(canonicalResource(value), null));
  const tricks = [
    "https://gw.test/%61lpha",
    "https://gw.test/alpha//",
    "https://gw.test//alpha",
    "https://gw.test/ALPHA",
    "https://gw.test/alpha%00",
    "https://gw.test/alpha;x=1",
    "https://gw.test/alpha%20",
    "https://gw.test/alpha%252f",
    "https://gw.test.evil.test/alpha",
    "https://gw.test./alpha",
    "https://gw.test:444/alpha",
    "http://gw.test/alpha",
    "https://evil.test/alpha",
  ];
  for (const value of tricks) await t.step(value, () => assert.notEqual(canonicalResource(value), ALPHA));
});

Deno.test("`canonicalResource()` is idempotent", () => {
  for (const value of ["HTTPS://GW.test:443/Alpha/", "https://gw.test/", "http://[::1]:9000/a/b/"]) {
    const once = canonicalResource(value);
    assert.ok(once !== null);
    assert.equal(canonicalResource(once), once);
  }
});
