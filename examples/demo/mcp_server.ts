/** The demo as an MCP server: its tools, prompt and resources, the same for both protocol eras. */
import {
  type CallToolResult,
  McpServer,
  ResourceNotFoundError,
  ResourceTemplate,
  type ServerContext,
  type ServerNotifier,
} from "@modelcontextprotocol/server";
import { z } from "zod";
import { type Note, type NoteStore, TooManyNotesError } from "./notes.ts";
import { convertTime, convertUnits, DemoInputError, textStatistics, units } from "./text_tools.ts";

const about = `This is Sallyport's demo MCP server. It runs on your own machine and keeps its notes in memory
until it stops. Its tools convert times and units, count words, keep notes for your account, and count
down while reporting progress. Nothing it is given leaves the process.`;

/** What the tools share beyond one request. */
export interface DemoState {
  /** Whose request it is. */
  readonly account: string;
  /** That account's. */
  readonly notes: NoteStore;
  /** Tells subscribed clients that the list of notes has changed. */
  readonly notifier: () => Pick<ServerNotifier, "resourcesChanged">;
  /** Ends what still runs when the server stops: legacy requests are not cancelled otherwise. */
  readonly stopping: AbortSignal;
}

/** A server for one request (2026-07-28) or one legacy exchange; what lasts is in `state`. */
export function buildDemoMcpServer(state: DemoState): McpServer {
  const server = new McpServer({ name: "sallyport-demo", title: "Sallyport demo", version: "1.0.0" }, {
    instructions: "Converts times and units, counts words, keeps notes, counts down with progress.",
  });
  addWhoAmI(server, state);
  addConverters(server);
  addNotes(server, state);
  addCountdown(server, state);
  server.registerResource(
    "about",
    "demo://about",
    { title: "About this server", mimeType: "text/plain" },
    (uri) => ({ contents: [{ uri: uri.href, mimeType: "text/plain", text: about }] }),
  );
  return server;
}

/** Behind a gateway one sees by it whose sign-in at the demo a call carries. */
function addWhoAmI(server: McpServer, { account }: DemoState): void {
  server.registerTool("who_am_i", {
    title: "Who am I here?",
    description: "Says as which of the demo's accounts you are signed in.",
    annotations: { readOnlyHint: true, openWorldHint: false },
  }, () => text(account));
}

function addConverters(server: McpServer): void {
  const annotations = { readOnlyHint: true, openWorldHint: false };
  server.registerTool("convert_time", {
    title: "Convert a time between zones",
    description: "Says what the clock shows in another time zone, summer time included.",
    inputSchema: z.object({
      time: z.string().max(40).describe("Local date and time in `from`, such as 2026-07-28T09:30"),
      from: z.string().max(60).describe("IANA time zone, such as America/New_York"),
      to: z.string().max(60).describe("IANA time zone, such as Europe/Lisbon"),
    }),
    annotations,
  }, ({ time, from, to }) => answer(() => convertTime(time, { from, to })));
  server.registerTool("convert_units", {
    title: "Convert units",
    description: "Converts a length, mass, volume or temperature to another unit.",
    inputSchema: z.object({ value: z.number(), from: z.enum(units), to: z.enum(units) }),
    annotations,
  }, ({ value, from, to }) => answer(() => `${value} ${from} = ${convertUnits(value, { from, to })} ${to}`));
  const statistics = z.object({
    characters: z.number(),
    words: z.number(),
    distinctWords: z.number(),
    sentences: z.number(),
    readingMinutes: z.number(),
  });
  server.registerTool("text_statistics", {
    title: "Count words",
    description: "Counts the characters, words and sentences of a text, in any language.",
    inputSchema: z.object({
      text: z.string().max(100_000),
      language: z.string().max(35).default("en").describe("BCP 47 language tag"),
    }),
    outputSchema: statistics,
    annotations,
  }, ({ text, language }) => answerWith(() => ({ ...textStatistics(text, language) })));
}

function addNotes(server: McpServer, { notes, notifier }: DemoState): void {
  server.registerTool("save_note", {
    title: "Save a note",
    description: "Keeps a note of yours until the demo server stops.",
    inputSchema: z.object({ title: z.string().min(1).max(100), text: z.string().max(10_000) }),
    annotations: { destructiveHint: false, openWorldHint: false },
  }, (note) =>
    answer(() => {
      const { id } = notes.save(note);
      notifier().resourcesChanged();
      return `Saved as note ${id} (${noteUri(id)}).`;
    }));
  server.registerTool("find_notes", {
    title: "Find notes",
    description: "Lists your notes that contain some words, or all of them.",
    inputSchema: z.object({ words: z.string().max(200).default("") }),
    annotations: { readOnlyHint: true, openWorldHint: false },
  }, ({ words }) => answer(() => listing(notes.find(words))));
  server.registerTool("delete_note", {
    title: "Delete a note",
    description: "Deletes one of your notes for good.",
    inputSchema: z.object({ id: z.string().max(20) }),
    annotations: { destructiveHint: true, idempotentHint: true, openWorldHint: false },
  }, ({ id }) =>
    answer(() => {
      if (!notes.delete(id)) throw new DemoInputError(`There is no note ${id}.`);
      notifier().resourcesChanged();
      return `Deleted note ${id}.`;
    }));
  server.registerPrompt("summarize_notes", {
    title: "Summarize my notes",
    description: "Asks for a summary of the notes kept here.",
    argsSchema: z.object({ words: z.string().max(200).optional().describe("Only notes containing these") }),
  }, ({ words }) => ({
    messages: [{
      role: "user",
      content: {
        type: "text",
        text: `Summarize these notes in a few sentences:\n\n${fullText(notes.find(words ?? ""))}`,
      },
    }],
  }));
  server.registerResource(
    "note",
    new ResourceTemplate("demo://notes/{id}", {
      list: () => ({
        resources: notes.find("").map(({ id, title }) => ({ uri: noteUri(id), name: title })),
      }),
      complete: {
        id: (start) => notes.find("").map((note) => note.id).filter((id) => id.startsWith(start)),
      },
    }),
    { title: "A note", mimeType: "text/plain" },
    (uri, { id }) => {
      const note = typeof id === "string" ? notes.get(id) : undefined;
      if (note === undefined) throw new ResourceNotFoundError(uri.href);
      return { contents: [{ uri: uri.href, mimeType: "text/plain", text: note.text }] };
    },
  );
}

function addCountdown(server: McpServer, { stopping }: DemoState): void {
  server.registerTool("countdown", {
    title: "Count down",
    description: "Waits, and reports progress at every step: for trying out streaming and cancelling.",
    inputSchema: z.object({
      steps: z.number().int().min(1).max(100).default(5),
      stepMs: z.number().int().min(10).max(5000).default(1000).describe("Milliseconds between two steps"),
    }),
    annotations: { readOnlyHint: true, openWorldHint: false },
  }, async ({ steps, stepMs }, context) => {
    const signal = AbortSignal.any([context.mcpReq.signal, stopping]);
    for (let done = 1; done <= steps; done++) {
      await pause(stepMs, signal);
      await reportProgress(context, { done, total: steps });
    }
    return text(`Counted down ${steps} steps of ${stepMs} ms.`);
  });
}

/** Waits `ms` milliseconds; rejects as soon as the client cancels. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}

/** Progress is sent only to a client that asked for it with a token. */
async function reportProgress(
  { mcpReq }: ServerContext,
  { done, total }: { readonly done: number; readonly total: number },
): Promise<void> {
  const progressToken = mcpReq._meta?.progressToken;
  if (progressToken === undefined) return;
  const message = done === total ? "Done" : `${total - done} to go`;
  await mcpReq.notify({
    method: "notifications/progress",
    params: { progressToken, progress: done, total, message },
  });
}

function noteUri(id: string): string {
  return `demo://notes/${id}`;
}

function listing(notes: readonly Note[]): string {
  if (notes.length === 0) return "No notes.";
  return notes.map(({ id, title, savedAt }) => `${id}  ${title}  (${savedAt})`).join("\n");
}

function fullText(notes: readonly Note[]): string {
  if (notes.length === 0) return "(There are no notes yet.)";
  return notes.map(({ title, text }) => `# ${title}\n${text}`).join("\n\n");
}

function text(words: string): CallToolResult {
  return { content: [{ type: "text", text: words }] };
}

/** A text result, or a tool error the model can read and mend. */
function answer(produce: () => string): CallToolResult {
  return orToolError(() => text(produce()));
}

/** A structured result, also as text for clients that know only that. */
function answerWith(produce: () => Record<string, unknown>): CallToolResult {
  return orToolError(() => {
    const structuredContent = produce();
    return { ...text(JSON.stringify(structuredContent)), structuredContent };
  });
}

function orToolError(produce: () => CallToolResult): CallToolResult {
  try {
    return produce();
  } catch (error) {
    if (!(error instanceof DemoInputError || error instanceof TooManyNotesError)) throw error;
    return { ...text(error.message), isError: true };
  }
}
