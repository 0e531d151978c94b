/** The headless browser is only worth something if it behaves like a real one: Chromium is the judge. */
import assert from "node:assert/strict";
import { HeadlessBrowser } from "./browser.ts";
import { browserTest } from "./chromium.ts";

interface Seen {
  readonly request: string;
  readonly origin: string | null;
  readonly site: string | null;
  readonly mode: string | null;
  readonly dest: string | null;
  readonly cookie: string;
  readonly body: string;
}

interface Site {
  readonly url: (host: "127.0.0.1" | "localhost", path: string) => string;
  readonly seen: Seen[];
  stop(): Promise<void>;
}

/** A site whose pages set cookies and post a form to wherever `to` says, under the referrer policy `policy`. */
function startSite(name: string): Site {
  const seen: Seen[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname, searchParams } = new URL(request.url);
    const { headers } = request;
    if (pathname === "/favicon.ico") return new Response(null, { status: 404 });
    seen.push({
      request: `${request.method} ${name}${pathname}`,
      origin: headers.get("origin"),
      site: headers.get("sec-fetch-site"),
      mode: headers.get("sec-fetch-mode"),
      dest: headers.get("sec-fetch-dest"),
      cookie: (headers.get("cookie") ?? "").split("; ").sort().join("; "),
      body: await request.text(),
    });
    const to = searchParams.get("to") ?? "/end";
    if (pathname === "/redirect") return new Response(null, { status: 303, headers: { location: to } });
    const answer = new Response(
      `<!doctype html><title>${name}</title><form method="post" action="${to.replaceAll("&", "&amp;")}">
        <input type="hidden" name="csrf" value="a&amp;b &quot;c&#39;">
        <input type="checkbox" name="left" value="out"><input type="checkbox" name="put" value="in" checked>
        <button name="decision" value="approve">Go</button><button name="decision" value="no">No</button></form>`,
      { headers: { "content-type": "text/html", "referrer-policy": searchParams.get("policy") ?? "" } },
    );
    answer.headers.append("set-cookie", `${name}_lax=1; SameSite=Lax; Path=/`);
    answer.headers.append("set-cookie", `${name}_strict=1; SameSite=Strict; Path=/`);
    answer.headers.append("set-cookie", `${name}_gone=1; Path=/; Max-Age=0`);
    answer.headers.append("set-cookie", `${name}_elsewhere=1; Path=/elsewhere`);
    return answer;
  });
  return {
    url: (host, path) => `http://${host}:${server.addr.port}${path}`,
    seen,
    stop: () => server.shutdown(),
  };
}

browserTest(
  "HeadlessBrowser sends the origin, fetch metadata, cookies and form fields that Chromium sends",
  async (chromium) => {
    const [one, other] = [startSite("one"), startSite("other")];
    const away = encodeURIComponent;
    const journeys = [
      one.url("127.0.0.1", "/page"),
      ...["no-referrer", "same-origin", "strict-origin", "origin"].flatMap((policy) => [
        one.url("127.0.0.1", `/page?policy=${policy}`),
        one.url("127.0.0.1", `/page?policy=${policy}&to=${away(other.url("127.0.0.1", "/end"))}`),
      ]),
      one.url("127.0.0.1", `/page?to=${away(other.url("localhost", "/end"))}`),
      one.url(
        "127.0.0.1",
        `/page?to=${away(other.url("localhost", `/redirect?to=${away(one.url("127.0.0.1", "/end"))}`))}`,
      ),
      one.url(
        "127.0.0.1",
        `/page?to=${away(`/redirect?to=${away(other.url("127.0.0.1", "/end"))}`)}`,
      ),
      one.url("127.0.0.1", `/redirect?to=${away(other.url("localhost", "/page"))}`),
    ];
    try {
      const page = await chromium.newPage();
      for (const journey of journeys) {
        await page.goto(journey);
        await page.click("button");
        await page.waitForURL("**/end");
      }
      const real = [one.seen.splice(0), other.seen.splice(0)];
      const headless = new HeadlessBrowser();
      for (const journey of journeys) {
        const end = await headless.submit(await headless.get(journey), { decision: "approve" });
        assert.equal(end.url.pathname, "/end");
      }
      assert.deepEqual([one.seen, other.seen], real);
      assert.ok(one.seen.some(({ body }) => body.startsWith("csrf=a%26b+%22c%27&put=in&decision=approve")));
    } finally {
      await one.stop();
      await other.stop();
    }
  },
);

Deno.test("HeadlessBrowser refuses to send what a page does not offer", async () => {
  const site = startSite("one");
  const browser = new HeadlessBrowser();
  try {
    const page = await browser.get(site.url("127.0.0.1", "/page"));
    await assert.rejects(async () => await browser.submit(page, { decision: "connect" }), /No form with/);
    await assert.rejects(async () => await browser.submit(page, { csrf: "forged" }), /No form with/);
  } finally {
    await site.stop();
  }
});
