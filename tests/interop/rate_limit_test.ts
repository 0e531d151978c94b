/** What the official SDKs make of a 429: an error that says so, on a connection that goes on. */
import assert from "node:assert/strict";
import type { Client } from "@modelcontextprotocol/client";
import { close, connectV1, connectV2 } from "../support/clients.ts";
import { HeadlessOAuthProvider } from "../support/oauth_client_provider.ts";
import type { Connect } from "./journeys.ts";
import { onStage } from "./scene.ts";

const WINDOW_SECONDS = 3;
const demoPolicy = `rateLimit({ requests: 20, windowSeconds: ${WINDOW_SECONDS}, by: "user" })`;

function tooManyAndOnwards(connect: Connect): Promise<void> {
  return onStage(async ({ demo, gateway }) => {
    const oauth = new HeadlessOAuthProvider();
    const connection = await connect(demo, { oauth });
    try {
      // The two SDKs' clients agree on the calls made here.
      const client = connection.client as Client;
      const call = () => client.callTool({ name: "find_notes", arguments: { words: "x" } });
      let refusal: unknown = null;
      for (let calls = 0; calls < 25 && refusal === null; calls++) {
        await call().catch((error) => refusal = error);
      }
      assert.ok(refusal instanceof Error);
      assert.match(
        refusal.message,
        /Too many requests: you may send 20 in 3 s to \\?"demo\\?"\. Try again in \d s\./,
      );
      const event = await gateway.waitForEvent("http_rate_limited");
      assert.equal(event.reasonCode, "rate_limit_user");
      const until = performance.now() + 20_000;
      for (let passed = false; !passed;) {
        passed = await call().then(() => true, () => false);
        assert.ok(passed || performance.now() < until, "it stays refused");
        if (!passed) await new Promise((resolve) => setTimeout(resolve, 500));
      }
      assert.equal(oauth.authorizationUrls.length, 1, "nobody had to sign in again");
    } finally {
      await close(connection);
    }
  }, { demoPolicy });
}

Deno.test("SDK v1 tells of a rate limit in words, and goes on afterwards", () =>
  tooManyAndOnwards(connectV1));
Deno.test("SDK v2 tells of a rate limit in words, and goes on afterwards", () =>
  tooManyAndOnwards(connectV2));
Deno.test("SDK v2 of 2026-07-28 tells of a rate limit in words, and goes on afterwards (TR-22)", () =>
  tooManyAndOnwards((url, options) => connectV2(url, { ...options, mode: { pin: "2026-07-28" } })));
