/** The pages in a real browser: accessible, within their Content-Security-Policy, and whole on a small screen. */

import assert from "node:assert/strict";
import axe from "axe-core";
import { ASSETS } from "../../routes/views/assets.ts";
import { pageHeaders } from "../../routes/views/page_headers.ts";
import { setupPage } from "../../routes/views/setup.ts";
import type { Browser, Page } from "playwright-core";
import { browserTest } from "../support/chromium.ts";
import { SETUP, SETUP_CHOICE, viewSamples } from "./view_samples.ts";

/** Where to leave screenshots for people to look at, if anywhere. */
const screenshotDirectory = Deno.env.get("SALLYPORT_SCREENSHOTS");

type Handler = (request: Request) => Response | Promise<Response>;

interface Site {
  readonly origin: string;
  close(): Promise<void>;
}

/** Serves the assets, and everything else by `handler`, on a loopback port. */
function serve(handler: Handler): Site {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const asset = ASSETS.find(({ path }) => path === new URL(request.url).pathname);
    return asset ? new Response(asset.body, { headers: asset.headers }) : handler(request);
  });
  return { origin: `http://127.0.0.1:${server.addr.port}`, close: () => server.shutdown() };
}

async function serveSamples(): Promise<Site & { readonly names: readonly string[] }> {
  const samples = await viewSamples();
  const site = serve((request) => {
    const sample = samples.find(({ name }) => `/${name}` === new URL(request.url).pathname);
    if (!sample) return new Response("not found", { status: 404 });
    return new Response(sample.html, { headers: pageHeaders(sample) });
  });
  return { ...site, names: samples.map(({ name }) => name) };
}

/** Pages of the setup form: GET shows it, POST is recorded and answered by `answer`. */
function serveSetup(html: string, answer: (form: FormData) => Response) {
  const posts: { form: FormData; headers: Headers }[] = [];
  const site = serve(async (request) => {
    if (request.method !== "POST") {
      return new Response(html, { headers: pageHeaders({ formActionSelf: false }) });
    }
    const form = await request.formData();
    posts.push({ form, headers: request.headers });
    return answer(form);
  });
  return { ...site, posts };
}

const done = () => new Response("<title>done</title>", { headers: { "content-type": "text/html" } });

async function openDetails(page: Page): Promise<void> {
  // Panels of one route close each other by their name; the test wants to see all.
  await page.evaluate(
    `for (const d of document.querySelectorAll("details")) { d.removeAttribute("name"); d.open = true; }`,
  );
}

async function accessibilityFaults(page: Page): Promise<readonly string[]> {
  await page.evaluate(axe.source);
  const result = await page.evaluate(
    `axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] })`,
    // axe's own type of what this expression yields
  ) as axe.AxeResults;
  return result.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" | ")}`);
}

async function checkSamples(browser: Browser, colorScheme: "light" | "dark"): Promise<void> {
  const site = await serveSamples();
  try {
    for (const name of site.names) {
      const context = await browser.newContext({ colorScheme, viewport: { width: 1280, height: 800 } });
      const page = await context.newPage();
      const complaints = collectComplaints(page);
      await page.goto(`${site.origin}/${name}`, { waitUntil: "networkidle" });
      await screenshot(page, `${name}-${colorScheme}-1280`);
      await openDetails(page);
      for (const width of [1280, 390, 320]) {
        await page.setViewportSize({ width, height: 800 });
        const scrolled = await page.evaluate(`scrollTo(1000, 0), scrollX`);
        assert.equal(scrolled, 0, `${name} scrolls sideways at ${width} px`);
        await page.evaluate(`scrollTo(0, 0)`);
        if (width === 390) await screenshot(page, `${name}-${colorScheme}-390`);
        if (width === 320) await screenshot(page, `${name}-${colorScheme}-320`);
      }
      assert.deepEqual(await accessibilityFaults(page), [], `${name} in ${colorScheme} colours`);
      assert.deepEqual(complaints, [], `${name}: console`);
      assert.equal(
        await page.evaluate(`getComputedStyle(document.querySelector(".card")).borderRadius`),
        "16px",
      );
      await context.close();
    }
  } finally {
    await site.close();
  }
}

/** Console warnings and errors (CSP violations are among them), exceptions and failed requests, as they come. */
function collectComplaints(page: Page): readonly string[] {
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("requestfailed", (request) => complaints.push(`${request.url()}: ${request.failure()?.errorText}`));
  return complaints;
}

async function screenshot(page: Page, name: string): Promise<void> {
  if (screenshotDirectory !== undefined) {
    await page.screenshot({ path: `${screenshotDirectory}/${name}.png`, fullPage: true });
  }
}

for (const colorScheme of ["light", "dark"] as const) {
  browserTest(
    `every page is accessible, quiet in the console and whole from 320 px on, in ${colorScheme} colours (AS-27, AS-28, B6 093, B6 095)`,
    (browser) => checkSamples(browser, colorScheme),
  );
}

browserTest(
  "the setup form posts its fields and the pressed decision, without scripts (AS-28)",
  async (browser) => {
    const site = serveSetup(await setupPage(SETUP), done);
    try {
      const context = await browser.newContext({ javaScriptEnabled: false });
      const page = await context.newPage();
      for (
        const [button, decision] of [
          ["Connect Linear", "connect"],
          ["Continue without connecting", "approve"],
          ["Not you? Use another account", "switch"],
          ["Cancel", "cancel"],
        ] as const
      ) {
        await page.goto(site.origin);
        await page.getByRole("button", { name: button, exact: true }).click();
        await page.waitForURL(`${site.origin}/oauth/setup`);
        const { form } = site.posts.at(-1)!;
        assert.deepEqual([...form.entries()].sort(), [
          ["csrf_token", "csrf_81f0"],
          ["decision", decision],
          ["transaction", "tx_5kq2"],
        ]);
      }
    } finally {
      await site.close();
    }
  },
);

browserTest(
  "a route has to be chosen to authorize, but not to cancel or to switch the account",
  async (browser) => {
    const site = serveSetup(await setupPage(SETUP_CHOICE), done);
    try {
      const page = await browser.newPage();
      await page.goto(site.origin);
      await page.getByRole("button", { name: "Authorize", exact: true }).click();
      assert.equal(
        await page.evaluate(`document.querySelector("input[type=radio]").matches(":invalid")`),
        true,
      );
      assert.equal(site.posts.length, 0);
      await page.getByRole("button", { name: "Cancel" }).click();
      await page.waitForURL(`${site.origin}/oauth/setup`);
      assert.equal(site.posts.at(-1)!.form.get("decision"), "cancel");

      await page.goto(site.origin);
      await page.getByRole("radio", { name: /GitHub/ }).check();
      await page.keyboard.press("Enter");
      await page.waitForURL(`${site.origin}/oauth/setup`);
      const { form } = site.posts.at(-1)!;
      assert.deepEqual([form.get("operation_id"), form.get("decision")], ["github", "approve"]);
    } finally {
      await site.close();
    }
  },
);

browserTest(
  "our own form post carries `Origin: null` under no-referrer, so Sec-Fetch-Site has to vouch for it (B6 089)",
  async (browser) => {
    const site = serveSetup(await setupPage(SETUP), done);
    try {
      const page = await browser.newPage();
      await page.goto(site.origin);
      await page.getByRole("button", { name: "Cancel" }).click();
      await page.waitForURL(`${site.origin}/oauth/setup`);
      const { headers } = site.posts.at(-1)!;
      assert.equal(headers.get("origin"), "null");
      assert.equal(headers.get("sec-fetch-site"), "same-origin");
      assert.equal(headers.get("referer"), null);
    } finally {
      await site.close();
    }
  },
);

browserTest(
  "a web client that opened the setup page in a popup hears from it again after the redirects",
  async (browser) => {
    const client = serve((request) => {
      const script = new URL(request.url).pathname === "/callback"
        ? `opener.postMessage("code", "*")`
        : `addEventListener("message", (e) => { document.title = e.data; })`;
      return new Response(`<title>client</title><script>${script}</script>`, {
        headers: { "content-type": "text/html" },
      });
    });
    // The middle hop on a third origin is what `form-action 'self'` would stop.
    const middle = serve(() =>
      new Response(null, { status: 302, headers: { location: `${client.origin}/callback` } })
    );
    const site = serveSetup(
      await setupPage(SETUP),
      () => new Response(null, { status: 303, headers: { location: `${middle.origin}/` } }),
    );
    try {
      const page = await browser.newPage();
      await page.goto(client.origin);
      const opened = page.waitForEvent("popup");
      await page.evaluate(`void window.open("${site.origin}/", "login", "popup")`);
      const popup = await opened;
      await popup.getByRole("button", { name: "Continue without connecting" }).click();
      await page.waitForFunction(`document.title === "code"`, undefined, { timeout: 5_000 });
    } finally {
      await Promise.all([client.close(), middle.close(), site.close()]);
    }
  },
);

browserTest("the setup page refuses to be framed (B6 093)", async (browser) => {
  const site = serveSetup(await setupPage(SETUP), done);
  const evil = serve(() =>
    new Response(`<title>evil</title><iframe src="${site.origin}/"></iframe>`, {
      headers: { "content-type": "text/html" },
    })
  );
  try {
    const page = await browser.newPage();
    const refused = page.waitForEvent("console", { predicate: (m) => m.text().includes("frame-ancestors") });
    await page.goto(evil.origin);
    await refused;
    assert.equal(await page.frames()[1]!.getByRole("button").count(), 0);
  } finally {
    await Promise.all([site.close(), evil.close()]);
  }
});
