/** What browser endpoints share. */
import assert from "node:assert/strict";
import { Hono } from "@hono/hono";
import { seeOther } from "../../../routes/browser.ts";
import type { Env } from "../../../routes/context.ts";

Deno.test("`seeOther()` goes on with a GET, is kept nowhere, and tells the next page nothing of this one", async () => {
  const app = new Hono<Env>().post("/", (c) => seeOther(c, "https://client.test/callback?code=c&state=s"));
  const response = await app.request("/", { method: "POST" });
  assert.equal(response.status, 303);
  assert.deepEqual(Object.fromEntries(response.headers), {
    "cache-control": "no-store",
    location: "https://client.test/callback?code=c&state=s",
    "referrer-policy": "no-referrer",
  });
});
