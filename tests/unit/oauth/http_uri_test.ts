import assert from "node:assert/strict";
import { hasUriCharacters, isIpLiteral, parseHttpUri } from "../../../lib/oauth/http_uri.ts";

Deno.test("`parseHttpUri()` gives the parts as written, scheme and host in lower case", () => {
  assert.deepEqual(parseHttpUri("HTTPS://Good.Example:443/A/../b%2F?q=%20#f"), {
    scheme: "https",
    hostname: "good.example",
    port: "",
    origin: "https://good.example",
    path: "/A/../b%2F",
    query: "?q=%20",
    fragment: "#f",
  });
  assert.deepEqual(parseHttpUri("http://[::1]:9000"), {
    scheme: "http",
    hostname: "[::1]",
    port: "9000",
    origin: "http://[::1]:9000",
    path: "",
    query: "",
    fragment: "",
  });
});

Deno.test("`parseHttpUri()` refuses what a browser would read as another host (B2 018, B4 062)", () => {
  const refused = [
    "",
    "https://",
    "https:/good.example",
    "https:good.example",
    "https:///good.example",
    "https:\\\\good.example",
    "//good.example",
    "ftp://good.example",
    "https://u@good.example",
    "https://u:p@good.example",
    "https://@good.example",
    "https://good.example@evil.test",
    "https://good.example\\@evil.test",
    "https://good.example%2eevil.test",
    "https://good.example%00.evil.test",
    "https://good.example:",
    "https://good.example:0443",
    "https://good.example:99999",
    "https://good_example:x",
    "https://good.example,evil.test:x",
    "http://127.1",
    "http://0x7f.0.0.1",
    "http://017700000001",
    "http://[::ffff:127.0.0.1]",
    "http://[::1%25lo]",
    "http://[::1",
    "https://ｇood.example",
    "https://good。example",
    "https://good\u00ad.example",
    "https://good.example/ x",
    "https://good.example/\n",
    "https://good.example/%",
    "https://good.example/%2",
    'https://good.example/"',
  ];
  for (const text of refused) assert.equal(parseHttpUri(text), null, JSON.stringify(text));
});

Deno.test("`hasUriCharacters()` knows RFC 3986's alphabet, whole escapes and the length limit", () => {
  assert.equal(hasUriCharacters("a-._~:/?#[]@!$&'()*+,;=%20"), true);
  for (const code of Array.from({ length: 33 }, (_, i) => i).concat(127, 160, 0x202e, 0xfeff)) {
    assert.equal(hasUriCharacters(`a${String.fromCharCode(code)}b`), false, String(code));
  }
  for (const character of '"<>\\^`{|}') assert.equal(hasUriCharacters(`a${character}`), false, character);
  assert.equal(hasUriCharacters("a".repeat(2048)), true);
  assert.equal(hasUriCharacters("a".repeat(2049)), false);
});

Deno.test("`isIpLiteral()` tells addresses from names", () => {
  for (const host of ["127.0.0.1", "169.254.169.254", "[::1]", "8.8.8.8"]) {
    assert.equal(isIpLiteral(host), true, host);
  }
  for (const host of ["localhost", "1.example", "1.2.3.4.example", "xn--a"]) {
    assert.equal(isIpLiteral(host), false, host);
  }
});
