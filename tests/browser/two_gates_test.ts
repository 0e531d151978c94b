/** Both gates in a real browser: our setup page, the demo's own consent page, and the account page. */
import assert from "node:assert/strict";
import axe from "axe-core";
import { browserTest } from "../support/chromium.ts";
import { askUrl, assertWorks, click, heading, look, onStage, takeStatus } from "./login_stage.ts";

browserTest(
  "connect at the demo, authorize, disconnect, connect as the other account: nothing is blocked (EL-06)",
  (browser) =>
    onStage(browser, "two gates", async (scene) => {
      const { page, gateway, demo, app } = scene;
      const { origin } = demo.url;
      await page.goto(askUrl(scene));
      await click(page, "alice");
      await page.waitForURL(`${gateway.origin}/oauth/setup?*`);
      await look(page, "two-gates-setup");
      await click(page, "Connect Demo");
      await page.waitForURL(`${origin}/authorize?*`);
      assert.match(await heading(page), /Sallyport wants to\s+use the demo as you/);
      await look(page, "two-gates-demo");
      await page.evaluate(axe.source);
      // axe's own type of what this expression yields
      const { violations } = await page.evaluate("axe.run(document)") as axe.AxeResults;
      assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), []);
      await click(page, "Approve as Grace");
      await page.waitForURL(`${gateway.origin}/oauth/setup?*`);
      assert.match(await page.locator("main").innerText(), /Account there\s+Demo\s+Connected/);
      await click(page, "Authorize");
      await page.waitForURL(app.endsAt);
      await assertWorks(scene);

      await page.goto(`${gateway.origin}/account`);
      assert.match(await page.locator("main").innerText(), /Connected, since \d{4}-\d\d-\d\d \d\d:\d\d UTC/);
      await look(page, "two-gates-account");
      await click(page, "Disconnect Demo");
      await page.getByText("Not connected").waitFor();
      await click(page, "Connect Demo");
      await page.waitForURL(`${origin}/authorize?*`);
      await click(page, "Approve as Ada");
      await page.waitForURL(`${gateway.origin}/account`);
      await page.getByText("Connected, since").waitFor();
    }),
);

browserTest(
  "who cancels at the demo is told so, and can start again",
  (browser) =>
    onStage(browser, "two gates", async (scene) => {
      const { page, gateway, demo, complaints } = scene;
      await page.goto(askUrl(scene));
      await click(page, "alice");
      await click(page, "Connect Demo");
      await page.waitForURL(`${demo.url.origin}/authorize?*`);
      await click(page, "Cancel");
      await page.waitForURL(`${gateway.origin}/auth/connections/demo/callback?*`);
      assert.equal(await heading(page), "Demo was not connected");
      await look(page, "two-gates-cancelled");
      assert.equal(takeStatus(complaints, 403), 1);
      await page.getByRole("link", { name: "Start again" }).click();
      await page.waitForURL(`${gateway.origin}/oauth/setup?*`);
      await click(page, "Connect Demo");
      await click(page, "Approve as Ada");
      await page.waitForURL(`${gateway.origin}/oauth/setup?*`);
      assert.match(await page.locator("main").innerText(), /Connected/);
    }),
);
