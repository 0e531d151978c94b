/** `@modelcontextprotocol/client` 2.x through the gateway: its default (legacy), and the 2026-07-28 era. */
import assert from "node:assert/strict";
import { callWithProgress, close, connectV2, negotiatedVersion } from "../support/clients.ts";
import { HeadlessOAuthProvider } from "../support/oauth_client_provider.ts";
import {
  type Connect,
  fromNothingToATool,
  oneTokenOneRoute,
  progressAsItHappens,
  resourcesAndPrompts,
  saysNo,
  silentRefresh,
  twoUsers,
} from "./journeys.ts";
import { onStage } from "./scene.ts";

const connect: Connect = connectV2;
const connectAuto: Connect = (url, options) => connectV2(url, { ...options, mode: "auto" });

Deno.test("SDK v2 gets from nothing to a tool's answer (AS-03, AS-07, AS-20, AS-44, RS-01, RS-04)", () =>
  fromNothingToATool(connect));
Deno.test("SDK v2 reads resources and prompts of a server with sessions (TR-26)", () =>
  resourcesAndPrompts(connect));
Deno.test("SDK v2 sees progress as it happens (TR-03)", () => progressAsItHappens(connect));
Deno.test("SDK v2 refreshes an expired token without the user (AS-57)", () => silentRefresh(connect));
Deno.test("SDK v2: two users have two sessions, and neither can use the other's (TR-26)", () =>
  twoUsers(connect));
Deno.test("SDK v2: a token for one route is refused at another (RS-08)", () => oneTokenOneRoute(connect));
Deno.test("SDK v2 is told when the user says no (AS-24)", () => saysNo(connect));

Deno.test("SDK v2, auto, falls back to sessions by itself at an older upstream (TR-07)", () =>
  fromNothingToATool(connectAuto));

for (const mode of ["auto", { pin: "2026-07-28" }] as const) {
  const name = mode === "auto" ? "auto" : "pinned";
  Deno.test(`SDK v2, ${name}, speaks 2026-07-28 to the demo (TR-05, TR-15)`, () =>
    onStage(async ({ demo }) => {
      const oauth = new HeadlessOAuthProvider();
      const connection = await connectV2(demo, { oauth, mode });
      try {
        assert.equal(negotiatedVersion(connection), "2026-07-28");
        assert.equal(connection.transport.sessionId, undefined);
        const { client } = connection;
        await client.callTool({ name: "save_note", arguments: { title: "Übung", text: "naïve café" } });
        const found = await client.callTool({ name: "find_notes", arguments: { words: "übung" } });
        assert.match(JSON.stringify(found.content), /Übung/);
        const { contents } = await client.readResource({ uri: "demo://notes/1" });
        assert.match(JSON.stringify(contents), /naïve café/);
        const prompt = await client.getPrompt({ name: "summarize_notes", arguments: {} });
        assert.match(JSON.stringify(prompt.messages), /naïve café/);
        const countdown = { name: "countdown", input: { steps: 3, stepMs: 200 } };
        const { progressAt, answeredAt } = await callWithProgress(connection, countdown);
        assert.equal(progressAt.length, 3);
        assert.ok(answeredAt - (progressAt[0] ?? Infinity) > 300, `${progressAt}, ${answeredAt}`);
      } finally {
        await close(connection);
      }
    }));
}
