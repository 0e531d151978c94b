/** `@modelcontextprotocol/sdk` 1.x through the gateway. */
import assert from "node:assert/strict";
// @ts-types="@modelcontextprotocol/sdk/types"
import { CreateMessageRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { close, connectV1 } from "../support/clients.ts";
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

const connect: Connect = connectV1;

Deno.test("SDK v1 gets from nothing to a tool's answer (AS-03, AS-20, AS-44, RS-01, RS-04)", () =>
  fromNothingToATool(connect));
Deno.test("SDK v1 reads resources and prompts of a server with sessions (TR-26)", () =>
  resourcesAndPrompts(connect));
Deno.test("SDK v1 sees progress as it happens (TR-03)", () => progressAsItHappens(connect));
Deno.test("SDK v1 refreshes an expired token without the user (AS-57)", () => silentRefresh(connect));
Deno.test("SDK v1: two users have two sessions, and neither can use the other's (TR-26)", () =>
  twoUsers(connect));
Deno.test("SDK v1: a token for one route is refused at another (RS-08)", () => oneTokenOneRoute(connect));
Deno.test("SDK v1 is told when the user says no (AS-24)", () => saysNo(connect));

Deno.test("SDK v1 answers a question that the upstream asks in the middle of a call (TR-28)", () =>
  onStage(async ({ everything }) => {
    const oauth = new HeadlessOAuthProvider();
    const connection = await connectV1(everything, { oauth, capabilities: { sampling: {} } });
    try {
      let asked = 0;
      connection.client.setRequestHandler(CreateMessageRequestSchema, () => {
        asked++;
        return {
          model: "test",
          role: "assistant",
          content: { type: "text", text: "an answer from the client" },
        };
      });
      const { tools } = await connection.client.listTools();
      assert.ok(tools.some((tool) => tool.name === "trigger-sampling-request"));
      const { content } = await connection.client.callTool({
        name: "trigger-sampling-request",
        arguments: { prompt: "Say something", maxTokens: 20 },
      });
      assert.equal(asked, 1);
      assert.match(JSON.stringify(content), /an answer from the client/);
    } finally {
      await close(connection);
    }
  }));
