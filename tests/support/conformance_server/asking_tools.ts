/** The tools that ask the client in the middle of a call: requests from the server, which 2026-07-28 no longer has. */
import type { McpServer, ServerContext } from "@modelcontextprotocol/server";
import { z } from "zod";
import { DEFAULTS_FORM, ENUMS_FORM, RESPONSE_FORM } from "./elicitation_forms.ts";
import { text } from "./samples.ts";

/** Adds `test_sampling` and the three of `test_elicitation`. */
export function addAskingTools(server: McpServer): void {
  server.registerTool("test_sampling", {
    description: "Asks the client's model.",
    inputSchema: z.object({ prompt: z.string() }),
  }, async ({ prompt }, { mcpReq }) => {
    const { content } = await mcpReq.send({
      method: "sampling/createMessage",
      params: { messages: [{ role: "user", content: { type: "text", text: prompt } }], maxTokens: 100 },
    });
    return text(`The model says: ${JSON.stringify(content)}`);
  });
  server.registerTool("test_elicitation", {
    description: "Asks the user.",
    inputSchema: z.object({ message: z.string() }),
  }, ({ message }, context) => elicit(context, { message, requestedSchema: RESPONSE_FORM }));
  server.registerTool("test_elicitation_sep1034_defaults", {
    description: "Asks the user, and proposes an answer to each question.",
    inputSchema: z.object({}),
  }, (_, context) => elicit(context, { message: "Check your details.", requestedSchema: DEFAULTS_FORM }));
  server.registerTool("test_elicitation_sep1330_enums", {
    description: "Asks the user to choose.",
    inputSchema: z.object({}),
  }, (_, context) => elicit(context, { message: "Choose.", requestedSchema: ENUMS_FORM }));
}

async function elicit(
  { mcpReq }: ServerContext,
  params: { readonly message: string; readonly requestedSchema: Record<string, unknown> },
) {
  const { action, content } = await mcpReq.send({ method: "elicitation/create", params });
  return text(`action=${action}, content=${JSON.stringify(content ?? {})}`);
}
