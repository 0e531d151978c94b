/** Signing in, approving, changing one's mind and signing out in a real browser, through a provider and with the local login. */
import assert from "node:assert/strict";
import { browserTest } from "../support/chromium.ts";
import { callMcp, redeem } from "../support/oauth_flow.ts";
import { askUrl, assertWorks, click, heading, look, onStage, takeStatus } from "./login_stage.ts";

browserTest(
  "through the provider's form and our page to the app, over every hop, and nothing is blocked (AS-28, AS-30)",
  (browser) =>
    onStage(browser, "logto", async (scene) => {
      const { page, idp, app, gateway } = scene;
      await page.goto(askUrl(scene));
      assert.equal(new URL(page.url()).origin, idp?.origin);
      await click(page, "Sign in as alice");
      await page.waitForURL(`${gateway.origin}/oauth/setup?*`);
      assert.match(await heading(page), /Let Interop app use Demo server\?/);
      assert.match(await page.locator("main").innerText(), /Signed in here as\s+alice/);
      await look(page, "setup");
      await click(page, "Authorize");
      await page.waitForURL(app.endsAt);
      assert.equal(app.callbacks.length, 1);
      assert.equal(app.callbacks[0]?.get("state"), "state-of-the-client");
      await assertWorks(scene);
    }),
);

browserTest(
  'denied at the provider there is a page that says so, and "Start again" is a way to sign in',
  (browser) =>
    onStage(browser, "logto", async (scene) => {
      const { page, gateway, app, complaints } = scene;
      await page.goto(askUrl(scene));
      await click(page, "Deny");
      await page.waitForURL(`${gateway.origin}/oauth/callback?*`);
      assert.equal(await heading(page), "You were not signed in");
      await look(page, "denied");
      await page.getByRole("link", { name: "Start again" }).click();
      await click(page, "Sign in as bob");
      await page.waitForURL(`${gateway.origin}/oauth/setup?*`);
      assert.match(await page.locator("main").innerText(), /Signed in here as\s+bob/);
      await click(page, "Cancel");
      await page.waitForURL(app.endsAt);
      assert.equal(app.callbacks[0]?.get("error"), "access_denied");
      assert.equal(takeStatus(complaints, 403), 1);
    }),
);

browserTest(
  "signing out goes on to the provider's own page and home again, and Back shows nothing (B6 102)",
  (browser) =>
    onStage(browser, "logto", async (scene) => {
      const { page, idp, gateway } = scene;
      await page.goto(`${gateway.origin}/account`);
      await click(page, "Sign in as alice");
      await page.waitForURL(`${gateway.origin}/account`);
      await look(page, "account");
      await click(page, "Sign out");
      await page.waitForURL(`${idp?.origin}/oidc/session/end?*`);
      await page.getByRole("button").first().click();
      await page.waitForURL(`${gateway.origin}/`);
      // The provider has forgotten her, too: the form is shown again.
      await page.goto(`${gateway.origin}/account`);
      assert.equal(new URL(page.url()).origin, idp?.origin);
      await page.getByRole("button", { name: "Sign in as alice" }).waitFor();
    }),
);

browserTest(
  "the local login: two users, cancel, another account, and the way to the app (B6 094, B6 103)",
  (browser) =>
    onStage(browser, "local", async (scene) => {
      const { page, gateway, app } = scene;
      await page.goto(askUrl(scene, { login_hint: "bob" }));
      assert.equal(await heading(page), "Choose a user");
      await look(page, "local");
      assert.deepEqual(await page.getByRole("button").allInnerTexts(), ["bob", "alice"]);
      await click(page, "bob");
      await page.waitForURL(`${gateway.origin}/oauth/setup?*`);
      await click(page, "Cancel");
      await page.waitForURL(app.endsAt);
      assert.equal(app.callbacks[0]?.get("error"), "access_denied");
      // Within the session: our page at once, and asked again.
      await page.goto(askUrl(scene));
      assert.match(await page.locator("main").innerText(), /Signed in here as\s+bob/);
      await click(page, "Not you? Use another account");
      assert.equal(await heading(page), "Choose a user");
      await click(page, "alice");
      await page.waitForURL(`${gateway.origin}/oauth/setup?*`);
      assert.match(await page.locator("main").innerText(), /Signed in here as\s+alice/);
      await click(page, "Authorize");
      await page.waitForURL(app.endsAt);
      assert.equal(app.callbacks.length, 2);
      await assertWorks(scene);
    }),
);

browserTest(
  "the account page revokes an app; after signing out, Back and a reload show nobody's page (B6 102)",
  (browser) =>
    onStage(browser, "local", async (scene) => {
      const { page, gateway, client, app } = scene;
      await page.goto(askUrl(scene));
      await click(page, "alice");
      await click(page, "Authorize");
      await page.waitForURL(app.endsAt);
      const answer = await redeem(gateway, client, app.callbacks[0]?.get("code") ?? "");
      const { access_token } = await answer.json();
      await page.goto(`${gateway.origin}/account`);
      await look(page, "account-apps");
      await click(page, "Revoke Interop app");
      await page.getByText("None yet.").waitFor();
      const dead = await callMcp(gateway, "/mcp/demo", access_token);
      await dead.body?.cancel();
      assert.equal(dead.status, 401);
      await click(page, "Sign out");
      await page.waitForURL(`${gateway.origin}/`);
      await page.goBack();
      await page.getByRole("heading", { name: "Choose a user" }).waitFor();
      assert.equal(await page.getByText("Signed in as").count(), 0);
      await page.reload();
      assert.equal(await page.getByText("Signed in as").count(), 0);
    }),
);

browserTest(
  "a form of an old tab is refused after signing out, and changes nothing (B6 089, B6 102)",
  (browser) =>
    onStage(browser, "local", async (scene) => {
      const { page, context, gateway, app, complaints } = scene;
      await page.goto(askUrl(scene));
      await click(page, "alice");
      await page.waitForURL(`${gateway.origin}/oauth/setup?*`);
      const other = await context.newPage();
      await other.goto(`${gateway.origin}/account`);
      await click(other, "Sign out");
      await other.waitForURL(`${gateway.origin}/`);
      await click(page, "Authorize");
      await page.getByRole("heading", { name: "This request belongs to another browser" }).waitFor();
      await look(page, "other-browser");
      assert.equal(app.callbacks.length, 0);
      assert.equal(takeStatus(complaints, 403), 1);
    }),
);
