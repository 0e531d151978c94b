/** The fixture's prompts. */
import { acceptedContent, completable, inputRequired, type McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";
import { PNG_PIXEL } from "./samples.ts";

type Content =
  | { type: "text"; text: string }
  | { type: "image"; data: string; mimeType: string }
  | { type: "resource"; resource: { uri: string; mimeType: string; text: string } };

function messages(...contents: Content[]) {
  return { messages: contents.map((content) => ({ role: "user" as const, content })) };
}

/** Adds every prompt that the suite asks for. */
export function addPrompts(server: McpServer): void {
  server.registerPrompt(
    "test_simple_prompt",
    { description: "Without arguments." },
    () => messages({ type: "text", text: "A simple prompt." }),
  );
  server.registerPrompt("test_prompt_with_arguments", {
    description: "Two arguments, the first of which can be completed.",
    argsSchema: z.object({
      arg1: completable(z.string(), (start) => ["test", "testing"].filter((word) => word.startsWith(start))),
      arg2: z.string(),
    }),
  }, ({ arg1, arg2 }) => messages({ type: "text", text: `arg1='${arg1}', arg2='${arg2}'` }));
  server.registerPrompt("test_prompt_with_embedded_resource", {
    description: "Embeds the resource that it is told.",
    argsSchema: z.object({ resourceUri: z.string() }),
  }, ({ resourceUri }) =>
    messages(
      { type: "resource", resource: { uri: resourceUri, mimeType: "text/plain", text: "A resource." } },
      { type: "text", text: "Read the resource." },
    ));
  server.registerPrompt("test_prompt_with_image", { description: "Shows an image." }, () =>
    messages(
      { type: "image", data: PNG_PIXEL, mimeType: "image/png" },
      { type: "text", text: "Look at the image." },
    ));
  server.registerPrompt("test_input_required_result_prompt", {
    description: "Asks the user first (SEP-2322).",
    // Without a schema the SDK's types give the callback no context.
    argsSchema: z.object({}),
  }, (_, { mcpReq }) => {
    const given = acceptedContent(mcpReq.inputResponses, "user_context", z.object({ context: z.string() }));
    if (given !== undefined) return messages({ type: "text", text: `Context: ${given.context}` });
    return inputRequired({
      inputRequests: {
        user_context: inputRequired.elicit({
          message: "In which context?",
          requestedSchema: z.object({ context: z.string() }),
        }),
      },
    });
  });
}
