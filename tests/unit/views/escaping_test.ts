/** Whatever a property says, the markup around it stays the same: the pages' one defence that must not have a hole. */

import assert from "node:assert/strict";
import { accountPage } from "../../../routes/views/account.ts";
import { connectPage } from "../../../routes/views/connect.ts";
import { devLoginPage, type DevLoginPageProps } from "../../../routes/views/dev_login.ts";
import { errorPage, type ErrorPageProps } from "../../../routes/views/error.ts";
import { landingPage, type LandingPageProps } from "../../../routes/views/landing.ts";
import { setupPage } from "../../../routes/views/setup.ts";
import {
  ACCOUNT,
  CONNECT,
  LANDING_ROUTES,
  SETUP,
  SETUP_CHOICE,
  SETUP_CONNECTED,
  viewSamples,
} from "../../browser/view_samples.ts";

/** Leaves a text, a double-quoted and a single-quoted attribute, a title and a comment, if anything lets it. */
const BREAKOUT = `"'--></title></textarea><b x="y' onerror=alert(1) style=x:y>&lt;`;

const LOGIN: DevLoginPageProps = {
  action: "/oauth/dev-login",
  loginId: "lg_1",
  csrfToken: "csrf_2",
  users: ["alice", "bob"],
  preselected: "bob",
  error: "Choose a user.",
};

const LANDING: LandingPageProps = {
  routes: LANDING_ROUTES,
  development: true,
  signedIn: { name: "Dana" },
  accountPath: "/account",
  requestId: "req_1",
};

const ERROR: ErrorPageProps = {
  status: 400,
  title: "Title",
  happened: "Happened.",
  todo: "Do this.",
  requestId: "req_1",
  action: { label: "Home", href: "/" },
};

/** Every copy of `value` in which exactly one string is replaced, with the path of that string. */
function* replaceEachString(value: unknown, path = ""): Generator<[path: string, copy: unknown]> {
  if (typeof value === "string") yield [path, BREAKOUT];
  else if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      for (const [at, copy] of replaceEachString(item, `${path}[${index}]`)) {
        yield [at, value.with(index, copy)];
      }
    }
  } else if (typeof value === "object" && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      for (const [at, copy] of replaceEachString(item, `${path}.${key}`)) {
        yield [at, { ...value, [key]: copy }];
      }
    }
  }
}

/** The tags of a page with the names of their attributes, without any value or text. */
function skeleton(page: string): string {
  const tags = page.match(/<[^>]*>/g) ?? [];
  return tags.map((tag) => tag.replace(/"[^"]*"/g, `""`)).join("\n");
}

async function assertOnlyTextChanges<Props>(
  props: Props,
  render: (props: Props) => Promise<string>,
  // Properties that steer the page instead of being shown, so that another value may change its markup.
  steering: readonly string[] = [],
): Promise<void> {
  const expected = skeleton(await render(props));
  let tried = 0;
  for (const [path, copy] of replaceEachString(props)) {
    if (steering.includes(path)) continue;
    // `replaceEachString` keeps the shape of what it copies.
    const page = await render(copy as Props);
    assert.equal(skeleton(page), expected, path);
    assert.ok(!page.includes("<b x="), path);
    tried += 1;
  }
  assert.ok(tried > 4);
}

Deno.test("`setupPage()` keeps its markup whatever any of its properties says (B6 095)", async () => {
  await assertOnlyTextChanges(SETUP_CONNECTED, setupPage, [".client.id", ".upstream.state"]);
  await assertOnlyTextChanges({ ...SETUP, error: "Oops." }, setupPage, [".client.id", ".upstream.state"]);
  await assertOnlyTextChanges(SETUP_CHOICE, setupPage, [".client.id", ".upstream.state"]);
});

Deno.test("`devLoginPage()` keeps its markup whatever any of its properties says (B6 095)", async () => {
  await assertOnlyTextChanges(LOGIN, devLoginPage);
});

Deno.test("`landingPage()` keeps its markup whatever any of its properties says (B6 095)", async () => {
  await assertOnlyTextChanges(LANDING, landingPage);
});

Deno.test("`accountPage()` keeps its markup whatever any of its properties says (B6 095)", async () => {
  await assertOnlyTextChanges(
    { ...ACCOUNT, done: "Linear" },
    accountPage,
    ACCOUNT.connections.map((_, index) => `.connections[${index}].state`),
  );
});

Deno.test("`connectPage()` keeps its markup whatever any of its properties says (B6 095)", async () => {
  await assertOnlyTextChanges(CONNECT, connectPage);
});

Deno.test("`errorPage()` keeps its markup whatever any of its properties says (B6 095)", async () => {
  await assertOnlyTextChanges(ERROR, errorPage);
});

Deno.test("templates escape all five characters once, in text and in attributes (B6 095)", async () => {
  const page = await setupPage({ ...SETUP, csrfToken: `"'<>&`, user: { name: `"'<>&`, detail: null } });
  const escaped = "&quot;&#39;&lt;&gt;&amp;";
  assert.ok(page.includes(`name="csrf_token" value="${escaped}"`));
  assert.ok(page.includes(`<bdi>${escaped}</bdi>`));
});

Deno.test("a link on a page leads to a path of ours, whatever the property says (B6 095)", async () => {
  for (
    const href of ["javascript:alert(1)", "//evil.test", "/\\evil.test", "https://evil.test", "", "/a\nb"]
  ) {
    assert.match(await errorPage({ ...ERROR, action: { label: "Go", href } }), /href="\/">\s*Go/, href);
    const landing = await landingPage({ ...LANDING, accountPath: href });
    assert.ok(!landing.includes("evil.test") && !landing.includes("javascript:"), href);
  }
  assert.match(
    await errorPage({ ...ERROR, action: { label: "Go", href: "/account?a=b" } }),
    /href="\/account\?a=b"/,
  );
});

Deno.test("no page has scripts, inline styles or event handlers, nor loads anything but its stylesheet and icon (AS-28)", async () => {
  const samples = await viewSamples();
  assert.ok(samples.length >= 10);
  for (const { name, html } of samples) {
    const tags = skeleton(html);
    assert.ok(!/<(script|style|iframe|object|embed|img|base|meta http-equiv)\b/i.test(tags), name);
    assert.ok(!/\s(style|on[a-z]+|autofocus)(=|\s|>)/i.test(tags), name);
    const loaded = [...html.matchAll(/<link rel="([a-z]+)"[^>]* href="([^"]+)"/g)].map((
      [, rel, href],
    ) => [rel, href]);
    assert.deepEqual(loaded.map(([rel]) => rel).sort(), ["icon", "stylesheet"], name);
    assert.ok(!/\ssrc=/.test(tags), name);
  }
});
