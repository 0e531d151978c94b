/**
 * The tools that cannot answer before they are told more: the answer is `input_required`, and the client calls again (SEP-2322). For a
 * client of a legacy session the SDK asks the same questions by requests of its own.
 */
import {
  CLIENT_CAPABILITIES_META_KEY,
  createRequestStateCodec,
  type InputRequests,
  inputRequired,
  inputResponse,
  type McpServer,
  type RequestStateCodec,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { z } from "zod";
import { text } from "./samples.ts";

/** What a `requestState` says: for which tool, and how many rounds there were. */
export interface Rounds {
  readonly tool: string;
  readonly done: number;
  /** So that no two states are equal. */
  readonly nonce: string;
}

/** Signs and checks the fixture's `requestState`. */
export function requestStates(): RequestStateCodec<Rounds> {
  return createRequestStateCodec<Rounds>({ key: crypto.getRandomValues(new Uint8Array(32)) });
}

const NAME = inputRequired.elicit({
  message: "What is your name?",
  requestedSchema: z.object({ name: z.string() }),
});
const COLOR = inputRequired.elicit({
  message: "What is your favourite colour?",
  requestedSchema: z.object({ color: z.string() }),
});
const CONFIRM = inputRequired.elicit({ message: "Really?", requestedSchema: z.object({ ok: z.boolean() }) });
const ROOTS = inputRequired.listRoots();

function sample(prompt: string) {
  return inputRequired.createMessage({
    messages: [{ role: "user", content: { type: "text", text: prompt } }],
    maxTokens: 50,
  });
}

interface AskingTool {
  readonly questions: InputRequests;
  /** Whether the client is given a state to bring back. */
  readonly keepsState?: boolean;
}

/** Each of them answers as soon as all of its questions are answered. */
const ASKING_TOOLS: Readonly<Record<string, AskingTool>> = {
  // With a client that has not said it can sample, the SDK answers -32021.
  test_missing_capability: { questions: { llm_answer: sample("Say something.") } },
  test_input_required_result_elicitation: { questions: { user_name: NAME } },
  test_input_required_result_sampling: {
    questions: { capital_question: sample("What is the capital of France?") },
  },
  test_input_required_result_list_roots: { questions: { client_roots: ROOTS } },
  test_input_required_result_request_state: { questions: { confirm: CONFIRM }, keepsState: true },
  test_input_required_result_tampered_state: { questions: { confirm: CONFIRM }, keepsState: true },
  test_input_required_result_multiple_inputs: {
    questions: { user_name: NAME, greeting: sample("Greet somebody."), client_roots: ROOTS },
    keepsState: true,
  },
};

/** Adds every tool named `test_input_required_result_…`, and `test_missing_capability`. */
export function addInputRequiredTools(server: McpServer, states: RequestStateCodec<Rounds>): void {
  for (const [name, { questions, keepsState = false }] of Object.entries(ASKING_TOOLS)) {
    addTool(server, name, async (context) => {
      const answers = answersTo(questions, context);
      // A state that comes back has been checked by the server before the tool is called; it must not be missing either.
      const complete = answers !== null && (!keepsState || roundsOf(context, name) > 0);
      if (complete) return text(answers);
      return inputRequired({
        inputRequests: questions,
        ...(keepsState ? { requestState: await stateAfter(states, { tool: name, done: 1 }) } : {}),
      });
    });
  }
  addMultiRound(server, states);
  addCapabilityAware(server);
}

/** Two questions, one after the other; how far it has come is in the state alone. */
function addMultiRound(server: McpServer, states: RequestStateCodec<Rounds>): void {
  const tool = "test_input_required_result_multi_round";
  const rounds: readonly InputRequests[] = [{ step1: NAME }, { step2: COLOR }];
  addTool(server, tool, async (context) => {
    const done = roundsOf(context, tool);
    const answered = done === 0 || answersTo(rounds[done - 1] ?? {}, context) !== null;
    const next = answered ? done : done - 1;
    const questions = rounds[next];
    if (questions === undefined) return text(`Answered in ${done} rounds.`);
    const requestState = await stateAfter(states, { tool, done: next + 1 });
    return inputRequired({ inputRequests: questions, requestState });
  });
}

const ENVELOPE = z.object({ [CLIENT_CAPABILITIES_META_KEY]: z.record(z.string(), z.unknown()) });

/** Asks only what the client has said it can answer. */
function addCapabilityAware(server: McpServer): void {
  addTool(server, "test_input_required_result_capabilities", (context) => {
    const { [CLIENT_CAPABILITIES_META_KEY]: declared } = ENVELOPE.parse(context.mcpReq.envelope);
    const questions: InputRequests = {
      ...("elicitation" in declared ? { user_name: NAME } : {}),
      ...("sampling" in declared ? { greeting: sample("Greet somebody.") } : {}),
      ...("roots" in declared ? { client_roots: ROOTS } : {}),
    };
    const answers = answersTo(questions, context);
    return answers === null ? inputRequired({ inputRequests: questions }) : text(answers);
  });
}

type Callback = (
  context: ServerContext,
) =>
  | ReturnType<typeof text>
  | ReturnType<typeof inputRequired>
  | Promise<
    ReturnType<typeof text> | ReturnType<typeof inputRequired>
  >;

function addTool(server: McpServer, name: string, callback: Callback): void {
  const description = "Asks before it answers.";
  server.registerTool(name, { description, inputSchema: z.object({}) }, (_, context) => callback(context));
}

/** All answers as a text, or `null` while one is missing, declined, or of another kind or shape. */
function answersTo(questions: InputRequests, { mcpReq }: ServerContext): string | null {
  const answers: string[] = [];
  for (const [key, { method }] of Object.entries(questions)) {
    const answer = inputResponse(mcpReq.inputResponses, key);
    if (answer.kind === "elicit" && method === "elicitation/create") {
      const content = answer.action === "accept" ? answer.content ?? {} : {};
      if (!FORM_ANSWER.safeParse(content).success) return null;
      answers.push(JSON.stringify(content));
    } else if (answer.kind === "sampling" && method === "sampling/createMessage") {
      answers.push(JSON.stringify(answer.result.content));
    } else if (answer.kind === "roots" && method === "roots/list") {
      answers.push(answer.roots.map(({ uri }) => uri).join(" "));
    } else return null;
  }
  return `Answered: ${answers.join("; ")}`;
}

/** What the forms above ask for. */
const FORM_ANSWER = z.union([
  z.object({ name: z.string() }),
  z.object({ color: z.string() }),
  z.object({ ok: z.boolean() }),
]);

function roundsOf({ mcpReq }: ServerContext, tool: string): number {
  const state = mcpReq.requestState<Rounds>();
  return state?.tool === tool ? state.done : 0;
}

function stateAfter(states: RequestStateCodec<Rounds>, state: Omit<Rounds, "nonce">): Promise<string> {
  return states.mint({ ...state, nonce: crypto.randomUUID() });
}
