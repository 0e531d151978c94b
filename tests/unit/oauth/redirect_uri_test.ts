import assert from "node:assert/strict";
import {
  isLoopbackRedirect,
  redirectHost,
  redirectUriFault,
  redirectUriMatches,
  type RedirectUriPolicy,
} from "../../../lib/oauth/redirect_uri.ts";

const POLICY: RedirectUriPolicy = {
  schemes: new Set(["cursor", "vscode", "com.example.app"]),
  ownOrigins: ["https://gw.test", "https://alias.gw.test:8443"],
};

const accepted: [string, string][] = [
  ["claude.ai (Q-20)", "https://claude.ai/api/mcp/auth_callback"],
  ["ChatGPT (Q-16)", "https://chatgpt.com/connector_platform_oauth_redirect"],
  ["Cursor's native scheme (Q-05)", "cursor://anysphere.cursor-mcp/oauth/callback"],
  ["Cursor on the web (Q-05)", "https://www.cursor.com/agents/mcp/oauth/callback"],
  ["Cursor on localhost (Q-05)", "http://localhost:8787/callback"],
  ["VS Code on loopback (Q-19)", "http://127.0.0.1:33418/"],
  ["VS Code on the web (Q-19)", "https://vscode.dev/redirect"],
  ["portless loopback, Claude Code (Q-18)", "http://localhost/callback"],
  ["IPv6 loopback", "http://[::1]:5000/cb"],
  ["loopback without a path", "http://127.0.0.1:3000"],
  ["https on localhost", "https://localhost:3000/cb"],
  ["a query", "https://good.example/cb?tenant=a%20b&x=1"],
  ["an explicit default port", "https://good.example:443/cb"],
  ["another port", "https://good.example:8443/cb"],
  ["punycode", "https://xn--bcher-kva.example/cb"],
  ["upper case in the host", "https://Good.Example/cb"],
  ["an at sign in the path", "https://good.example/@me/cb"],
  ["a private-use scheme without slashes", "com.example.app:/oauth"],
  ["exactly 2048 characters", "https://good.example/" + "a".repeat(2048 - 21)],
  ["a host that merely begins like ours", "https://gw.test.good.example/cb"],
  ["our host name on another port", "https://alias.gw.test/cb"],
];

const refused: [string, string][] = [
  // B2 016
  ["javascript", "javascript:alert(1)//"],
  ["JaVaScRiPt", "JaVaScRiPt:alert(1)//"],
  ["javascript with an authority", "javascript://good.example/%0aalert(1)"],
  ["leading space", " javascript:alert(1)"],
  ["leading tab", "\tjavascript:alert(1)"],
  ["newline inside the scheme", "java\nscript:alert(1)"],
  ["leading NUL", "\0javascript:alert(1)"],
  ["data", "data:text/html,x"],
  ["vbscript", "vbscript:msgbox"],
  ["file", "file:///etc/passwd"],
  ["blob", "blob:https://good.example/1"],
  ["about", "about:blank"],
  ["websocket", "wss://good.example/cb"],
  // B2 017
  ["plain http", "http://evil.test/cb"],
  ["plain http on a private address", "http://10.0.0.1/cb"],
  ["a name that begins like loopback", "http://127.0.0.1.evil.test/cb"],
  ["a name that begins like localhost", "http://localhost.evil.test/cb"],
  ["localhost with a trailing dot", "http://localhost./cb"],
  ["another loopback address", "http://127.0.0.2/cb"],
  ["the unspecified address", "http://0.0.0.0/cb"],
  ["loopback in short form", "http://127.1/cb"],
  ["loopback in hexadecimal", "http://0x7f000001/cb"],
  ["loopback as a number", "http://2130706433/cb"],
  ["loopback in octal", "http://0177.0.0.1/cb"],
  ["IPv4-mapped loopback", "http://[::ffff:127.0.0.1]/cb"],
  ["IPv6 loopback written out", "http://[0:0:0:0:0:0:0:1]/cb"],
  // B2 018, B4 062
  ["user information", "https://u:p@evil.test/cb"],
  ["a user name", "https://good.example@evil.test/cb"],
  ["a host and port as user information", "https://good.example:443@evil.test/cb"],
  ["empty user information", "https://@evil.test/cb"],
  ["loopback as user information", "http://127.0.0.1:50123@evil.test/cb"],
  ["an encoded at sign", "https://good.example%40evil.test/cb"],
  ["an encoded dot in the host", "https://good.example%2eevil.test/cb"],
  ["a fragment", "https://good.example/cb#x"],
  ["an empty fragment", "https://good.example/cb#"],
  ["a wildcard host", "https://*.good.example/cb"],
  ["a wildcard path", "https://good.example/*"],
  ["a backslash", "https://good.example\\@evil.test"],
  ["the corpus's backslash", "https://gw.test.evil.test\\@gw.test"],
  ["backslashes for slashes", "https:\\\\evil.test/cb"],
  ["user information in a native URI", "cursor://user@anysphere.cursor-mcp/cb"],
  ["a fragment in a native URI", "cursor://anysphere.cursor-mcp/cb#x"],
  ["one slash", "https:/good.example/cb"],
  ["no slash", "https:good.example/cb"],
  ["three slashes", "https:///good.example/cb"],
  ["no host", "https://"],
  ["only a port", "https://:443/cb"],
  ["an empty port", "https://good.example:/cb"],
  ["a port too large", "https://good.example:65536/cb"],
  ["a port with letters", "https://good.example:443evil/cb"],
  ["full-width letters", "https://ｇｗ.test/cb"],
  ["non-ASCII host", "https://bücher.example/cb"],
  ["a soft hyphen in the host", "https://g\u00adw.test/cb"],
  ["a space", "https://good.example/c b"],
  ["a trailing newline", "https://good.example/cb\n"],
  ["a carriage return and a header", "https://good.example/cb\r\nSet-Cookie: a"],
  ["DEL", "https://good.example/cb\x7f"],
  ["a quote", 'https://good.example/cb"x'],
  ["angle brackets", "https://good.example/<script>"],
  ["a broken escape", "https://good.example/%zz"],
  // B2 019
  ["10 KiB", "https://good.example/" + "a".repeat(10240)],
  ["2049 characters", "https://good.example/" + "a".repeat(2049 - 21)],
  ["empty", ""],
  ["relative", "/oauth/callback"],
  ["scheme-relative", "//evil.test/cb"],
  ["no scheme", "good.example/cb"],
  // B2 020
  ["our callback", "https://gw.test/oauth/callback"],
  ["any path of ours", "https://gw.test/mcp/alpha"],
  ["our origin", "https://gw.test"],
  ["our origin in capitals", "https://GW.TEST/x"],
  ["our origin with its default port", "https://gw.test:443/x"],
  ["our origin with a trailing dot", "https://gw.test./x"],
  ["our other origin", "https://alias.gw.test:8443/x"],
  // AS-19
  ["a native scheme that is not listed", "evilapp://callback"],
  ["a listed scheme in capitals", "CURSOR://anysphere.cursor-mcp/oauth/callback"],
  ["a scheme that begins like a listed one", "cursorx://callback"],
  ["a scheme that a listed one begins with", "com.example.app.evil:/oauth"],
  ["https in capitals", "HTTPS://good.example/cb"],
  ["a native scheme alone", "cursor:"],
  ["a native scheme with slashes only", "cursor://"],
];

Deno.test("`redirectUriFault()` lets real clients register (AS-19, Q-05, Q-16, Q-18 to Q-20)", async (t) => {
  for (const [name, uri] of accepted) {
    await t.step(name, () => assert.equal(redirectUriFault(uri, POLICY), null));
  }
});

Deno.test("`redirectUriFault()` refuses what could carry a code elsewhere (AS-19, B2 016-020, B4 062)", async (t) => {
  for (const [name, uri] of refused) {
    await t.step(name, () => {
      const fault = redirectUriFault(uri, POLICY);
      // RFC 6749 §5.2: what may stand in an error_description
      assert.match(
        fault ?? "(accepted)",
        /^[\x20-\x21\x23-\x5b\x5d-\x7e]*redirect URI[\x20-\x21\x23-\x5b\x5d-\x7e]*\.$/,
      );
    });
  }
});

Deno.test("`redirectUriFault()` says `redirect` about plain http, which a conformance scenario looks for (AS-19)", () => {
  assert.match(redirectUriFault("http://evil.test/cb", POLICY) ?? "", /redirect.*plain http.*loopback/);
});

Deno.test("`redirectUriFault()` refuses scripts even if the configuration lists their scheme (AS-19)", () => {
  for (const scheme of ["javascript", "data", "file", "blob", "vbscript", "about"]) {
    const policy = { schemes: new Set([scheme]), ownOrigins: [] };
    assert.notEqual(redirectUriFault(`${scheme}:x`, policy), null, scheme);
  }
});

Deno.test("`redirectUriFault()` on loopback takes the three names for one machine, by port (B2 020)", () => {
  const policy = { schemes: new Set<string>(), ownOrigins: ["http://127.0.0.1:9000"] };
  for (const host of ["127.0.0.1", "localhost", "[::1]"]) {
    assert.notEqual(redirectUriFault(`http://${host}:9000/oauth/callback`, policy), null, host);
    assert.equal(redirectUriFault(`http://${host}:9001/oauth/callback`, policy), null, host);
    assert.equal(redirectUriFault(`http://${host}/oauth/callback`, policy), null, host);
  }
});

Deno.test("`redirectUriMatches()` compares strings, save the port of http loopback (AS-18, Q-18, B4 061-063)", async (t) => {
  const cases: [string, string, boolean][] = [
    ["https://good.example/cb", "https://good.example/cb", true],
    ["cursor://anysphere.cursor-mcp/oauth/callback", "cursor://anysphere.cursor-mcp/oauth/callback", true],
    // loopback: any port, both ways
    ["http://127.0.0.1/cb", "http://127.0.0.1:50123/cb", true],
    ["http://localhost/callback", "http://localhost:58135/callback", true],
    ["http://[::1]/cb", "http://[::1]:1/cb", true],
    ["http://localhost:33418/cb", "http://localhost:50000/cb", true],
    ["http://localhost:33418/cb", "http://localhost/cb", true],
    ["http://127.0.0.1:33418", "http://127.0.0.1:1234", true],
    ["http://127.0.0.1/cb?a=1", "http://127.0.0.1:9/cb?a=1", true],
    ["http://127.0.0.1?a=1", "http://127.0.0.1:9?a=1", true],
    // B4 063
    ["http://127.0.0.1/cb", "http://127.0.0.1.evil.test/cb", false],
    ["http://127.0.0.1/cb", "http://127.0.0.1:50123@evil.test/cb", false],
    ["http://127.0.0.1/cb", "http://127.0.0.1:50123.evil.test/cb", false],
    ["http://127.0.0.1/cb", "http://localhost:1/cb", false],
    ["http://localhost/cb", "http://127.0.0.1:1/cb", false],
    ["http://localhost/cb", "http://[::1]:1/cb", false],
    ["http://127.0.0.1/cb", "http://127.0.0.1:1/cb2", false],
    ["http://127.0.0.1/cb", "http://127.0.0.1:1/cb/", false],
    ["http://127.0.0.1/cb", "http://127.0.0.1:1/cb?x", false],
    ["http://127.0.0.1/cb", "http://127.0.0.1:1/CB", false],
    ["http://127.0.0.1/cb", "http://127.0.0.1:1/cb/../cb", false],
    ["http://127.0.0.1/cb", "http://127.0.0.1:1/cb#x", false],
    ["http://127.0.0.1/cb", "http://127.0.0.1:1/cb\n", false],
    ["http://127.0.0.1/cb", "http://127.0.0.1:/cb", false],
    ["http://127.0.0.1/cb", "http://127.0.0.1:65536/cb", false],
    ["http://127.0.0.1/cb", "http://127.0.0.1:000001/cb", false],
    ["http://127.0.0.1/cb", "http://127.0.0.1:1\\cb", false],
    ["http://127.0.0.1/cb", "https://127.0.0.1:1/cb", false],
    ["http://127.0.0.1/cb", "HTTP://127.0.0.1/cb", false],
    ["http://localhost/cb", "http://LOCALHOST:1/cb", false],
    ["http://localhost/cb", "http://localhost.:1/cb", false],
    ["http://127.0.0.1", "http://127.0.0.1/", false],
    ["http://127.0.0.2/cb", "http://127.0.0.2:1/cb", false],
    // https never gets the exception, nor do names
    ["https://localhost/cb", "https://localhost:1/cb", false],
    ["https://good.example/cb", "https://good.example:8443/cb", false],
    ["https://good.example/cb", "https://good.example:443/cb", false],
    ["cursor://host/cb", "cursor://host:1/cb", false],
    // B4 061
    ["https://good.example/cb", "https://evil.test/cb", false],
    ["https://good.example/cb", "https://good.example/other", false],
    ["https://good.example/cb", "https://good.example/cb?x=1", false],
    ["https://good.example/cb", "https://good.example/cb/../x", false],
    ["https://good.example/cb", "https://good.example/cb%2f..", false],
    ["https://good.example/cb", "https://good.example/CB", false],
    ["https://good.example/cb", "https://good.example/cb/", false],
    ["https://good.example/cb", "https://good.example/c%62", false],
    ["https://good.example/cb", "https://GOOD.example/cb", false],
    ["https://good.example/cb", "https://good.example/cb#", false],
    ["https://good.example/cb", " https://good.example/cb", false],
    ["https://good.example/cb", "", false],
    // B4 062
    ["https://good.example/cb", "https://good.example:443@evil.test/cb", false],
    ["https://good.example/cb", "https://good.example.evil.test/cb", false],
    ["https://good.example/cb", "https://good.example%2eevil.test/cb", false],
    ["https://good.example/cb", "https://good.example\\@evil.test/cb", false],
  ];
  for (const [registered, requested, expected] of cases) {
    await t.step(
      `${registered} ${expected ? "allows" : "refuses"} ${JSON.stringify(requested)}`,
      () => assert.equal(redirectUriMatches(registered, requested), expected),
    );
  }
});

Deno.test("`isLoopbackRedirect()` tells a program on the user's machine from a site (AS-27)", () => {
  for (
    const uri of [
      "http://localhost/cb",
      "http://127.0.0.1:1/",
      "http://[::1]:1/cb",
      "https://localhost:3000/cb",
    ]
  ) {
    assert.equal(isLoopbackRedirect(uri), true, uri);
  }
  const others = [
    "https://good.example/cb",
    "cursor://localhost/cb",
    "http://localhost.evil.test/cb",
    "",
    "localhost",
  ];
  for (const uri of [...others, "http://localhost@evil.test/"]) {
    assert.equal(isLoopbackRedirect(uri), false, uri);
  }
});

Deno.test("`redirectHost()` shows where the browser will really go (AS-27)", () => {
  const cases: [string, string][] = [
    ["https://good.example/cb?x=1", "good.example"],
    ["https://good.example:443/cb", "good.example"],
    ["https://good.example:8443/cb", "good.example:8443"],
    ["http://localhost:33418/cb", "localhost:33418"],
    ["http://[::1]:1/", "[::1]:1"],
    ["https://раураl.example/", "xn--l-7sba6dbr.example"],
    ["https://good.example@evil.test/", "evil.test"],
    ["cursor://anysphere.cursor-mcp/oauth/callback", "cursor:"],
    ["com.example.app:/oauth", "com.example.app:"],
    ["not a uri", ""],
  ];
  for (const [uri, expected] of cases) assert.equal(redirectHost(uri), expected, uri);
});
