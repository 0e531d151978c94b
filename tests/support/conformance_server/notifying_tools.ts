/** The tools that say something before they answer, or instead of it to everybody who listens. */
import type { McpServer, ServerContext, ServerNotifier } from "@modelcontextprotocol/server";
import { z } from "zod";
import { text } from "./samples.ts";

/** What these tools need beside their request. */
export interface NotifyingState {
  /** Tells the `subscriptions/listen` streams. */
  readonly notifier: () => Pick<ServerNotifier, "toolsChanged" | "promptsChanged">;
  /** What calls of `test_held_call` wait for. */
  readonly release: () => Promise<void>;
}

const NOTHING = z.object({});

/** Adds them. `test_held_call` is ours alone: it reports progress once, and answers when the test lets it. */
export function addNotifyingTools(server: McpServer, state: NotifyingState): void {
  const add = (
    name: string,
    description: string,
    run: (context: ServerContext) => Promise<string> | string,
  ) =>
    server.registerTool(
      name,
      { description, inputSchema: NOTHING },
      async (_, context) => text(await run(context)),
    );
  add("test_tool_with_logging", "Logs three times.", async ({ mcpReq }) => {
    for (const line of ["started", "at work", "done"]) await mcpReq.log("info", line);
    return "Logged.";
  });
  add("test_logging_tool", "Logs once, if it may.", async ({ mcpReq }) => {
    await mcpReq.log("info", "ran");
    return "Logged if the request set a level.";
  });
  add("test_tool_with_progress", "Reports progress three times.", async (context) => {
    for (const progress of [0, 50, 100]) await report(context, progress);
    return "Reported.";
  });
  add("test_held_call", "Reports progress, then waits.", async (context) => {
    await report(context, 1);
    await state.release();
    await report(context, 100);
    return "Released.";
  });
  add("test_streaming_elicitation", "Answers without asking anything in the stream.", () => "Nothing asked.");
  add("test_reconnection", "Ends its stream; the answer is for whoever takes it up again.", ({ http }) => {
    http?.closeSSE?.();
    return "You came back.";
  });
  add("test_trigger_tool_change", "Tells that the tools have changed.", () => {
    state.notifier().toolsChanged();
    return "Told.";
  });
  add("test_trigger_prompt_change", "Tells that the prompts have changed.", () => {
    state.notifier().promptsChanged();
    return "Told.";
  });
}

/** Progress is sent only to a client that asked for it with a token. */
async function report({ mcpReq }: ServerContext, progress: number): Promise<void> {
  const progressToken = mcpReq._meta?.progressToken;
  if (progressToken === undefined) return;
  await mcpReq.notify({
    method: "notifications/progress",
    params: { progressToken, progress, total: 100 },
  });
}
