/** The setup page when it is asked for more than once at a time. */
import assert from "node:assert/strict";
import { startHarness } from "../../support/harness.ts";
import { authorizeUrl, registerClient } from "../../support/oauth_flow.ts";

Deno.test("a page that is loaded several times at once is shown each time, and one decision counts (B6 092)", async () => {
  await using gateway = await startHarness();
  const client = await registerClient(gateway);
  const browser = gateway.browser();
  const stopAt = (url: URL) => url.href.startsWith(client.redirectUri);
  // Signed in already, so that the next request is bound to its user by the setup page itself.
  await browser.get(authorizeUrl(gateway, client), { stopAt });
  for (let round = 0; round < 10; round++) {
    const cookie = browser.cookies.header(new URL(gateway.origin), { initiator: null, method: "GET" }) ?? "";
    const started = await gateway.fetch(authorizeUrl(gateway, client), { headers: { cookie } });
    const setup = new URL(started.headers.get("location") ?? "", gateway.origin);
    assert.equal(setup.pathname, "/oauth/setup");
    const pages = await Promise.all([1, 2, 3].map(() => browser.get(setup, { stopAt })));
    assert.deepEqual(pages.map((page) => page.status), [200, 200, 200]);
    const [first, second] = pages;
    assert.ok(first && second);
    const done = await browser.submit(first, { decision: "approve" }, { stopAt });
    assert.ok(done.url.searchParams.get("code"));
    const late = await browser.submit(second, { decision: "approve" }, { stopAt });
    assert.deepEqual([late.left, late.status], [false, 400]);
  }
});
