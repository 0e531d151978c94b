import assert from "node:assert/strict";
import { ASSETS, STYLESHEET_HASH, STYLESHEET_PATH } from "../../../routes/views/assets.ts";
import { devLoginPage } from "../../../routes/views/dev_login.ts";
import { DISPLAY_TEXT_LIMIT, displayAddress, displayText } from "../../../routes/views/display_text.ts";
import { errorPage } from "../../../routes/views/error.ts";
import { pageHeaders } from "../../../routes/views/page_headers.ts";
import { STYLESHEET } from "../../../routes/views/stylesheet.ts";

Deno.test("`pageHeaders()` is strict, and leaves `form-action` off where a redirect follows the post (AS-28, B6 093)", () => {
  const strict = pageHeaders({ formActionSelf: true });
  assert.equal(
    strict["Content-Security-Policy"],
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
  );
  const open = pageHeaders({ formActionSelf: false });
  assert.ok(!open["Content-Security-Policy"]!.includes("form-action"));
  for (const headers of [strict, open]) {
    assert.equal(headers["X-Frame-Options"], "DENY");
    assert.equal(headers["Referrer-Policy"], "no-referrer");
    assert.equal(headers["Cache-Control"], "no-store");
    assert.equal(headers["X-Content-Type-Options"], "nosniff");
    assert.equal(headers["Content-Type"], "text/html; charset=utf-8");
    assert.ok(!headers["Content-Security-Policy"]!.includes("unsafe"));
  }
});

Deno.test("`pageHeaders()` cuts only standalone pages off from their opener: clients run the others in popups", () => {
  assert.equal(pageHeaders({ formActionSelf: false })["Cross-Origin-Opener-Policy"], "unsafe-none");
  assert.equal(
    pageHeaders({ formActionSelf: true, standalone: true })["Cross-Origin-Opener-Policy"],
    "same-origin",
  );
});

Deno.test("the stylesheet's path names its content, and its content refers to nothing else", async () => {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(STYLESHEET));
  assert.equal(STYLESHEET_HASH, new Uint8Array(digest).toHex().slice(0, 12));
  const asset = ASSETS.find(({ path }) => path === STYLESHEET_PATH);
  assert.equal(asset?.body, STYLESHEET);
  assert.match(asset.headers["Cache-Control"]!, /immutable/);
  assert.ok(!/url\(|@import|expression/i.test(STYLESHEET));
});

Deno.test("`displayText()` shows one line, cut at its limit by code points", () => {
  assert.equal(displayText("  two \n\t words  "), "two words");
  assert.equal(displayText("😀".repeat(DISPLAY_TEXT_LIMIT)), "😀".repeat(DISPLAY_TEXT_LIMIT));
  assert.equal(displayText("😀".repeat(200), 10), `${"😀".repeat(9)}…`);
  assert.equal([...displayText(`a${" ".repeat(50_000)}b`, 10)].length <= 10, true);
  assert.equal(displayText("e" + "\u0301".repeat(40)), "e\u0301\u0301\u0301");
  assert.equal(displayText("lone \ud800 surrogate"), "lone \ufffd surrogate");
});

Deno.test("`displayText()` leaves names of other scripts alone", () => {
  for (const name of ["میلاد رضایی\u200cفر", "דנה", "क्‍ष", "Zoë O’Connor", "👩\u200d💻 Ada", "李 小龍"]) {
    assert.equal(displayText(name), name);
  }
});

Deno.test("`displayAddress()` keeps the end of a long host, where its owner stands", () => {
  const host = `${"claude.ai.".repeat(25)}evil.test`;
  assert.equal(displayAddress(host), host);
});

Deno.test("the local login lists the hinted user first, and ignores a hint that is no user", async () => {
  const props = {
    action: "/oauth/dev-login",
    loginId: "lg",
    csrfToken: "cs",
    users: ["a", "b", "c"],
    error: null,
  };
  const order = async (preselected: string | null) =>
    [...(await devLoginPage({ ...props, preselected })).matchAll(
      /<button class="button (\w+)" name="user" value="(\w+)"/g,
    )]
      .map(([, rank, user]) => `${user}:${rank}`);
  assert.deepEqual(await order("c"), ["c:primary", "a:secondary", "b:secondary"]);
  assert.deepEqual(await order(null), ["a:primary", "b:secondary", "c:secondary"]);
  assert.deepEqual(await order("mallory"), ["a:primary", "b:secondary", "c:secondary"]);
  const page = await devLoginPage({ ...props, preselected: null });
  assert.match(page, /<input type="hidden" name="login" value="lg">/);
  assert.match(page, /<input type="hidden" name="csrf_token" value="cs">/);
  assert.match(page, /Development only/);
});

Deno.test("an error page says what happened, what to do, and the request's id", async () => {
  const page = await errorPage({
    status: 421,
    title: "Unknown host",
    happened: "It happened.",
    todo: "Do this.",
    requestId: "req_7",
    action: null,
  });
  for (const part of ["Error 421", "Unknown host", "It happened.", "Do this.", "req_7"]) {
    assert.ok(page.includes(part));
  }
  assert.ok(!page.includes("<a "));
});
