/** What a client does when the server speaks first, the same for both SDKs. */
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client";
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  ResourceUpdatedNotificationSchema,
} from "@modelcontextprotocol/sdk/types.js";
import type { ConnectionV1, ConnectionV2 } from "./clients.ts";

/** Answers to the server's requests, each with the answerer's name in it. */
export interface Answers {
  /** Who answers. */
  readonly name: string;
  /** Awaited before an answer is given. */
  readonly before?: () => Promise<void>;
}

/** The capabilities that {@linkcode answerRequests} needs to be declared. */
export const ANSWERING = { sampling: {}, elicitation: { form: {} }, roots: {} };

/** Answers sampling with the prompt, elicitation with `name` in every field that is asked for, and `roots/list`. */
export function answerRequests({ client }: ConnectionV1 | ConnectionV2, answers: Answers): void {
  const { name, before = () => Promise.resolve() } = answers;
  const sample = async (params: { readonly messages: readonly unknown[] }) => {
    await before();
    const text = `${name}: ${JSON.stringify(params.messages)}`;
    return { model: name, role: "assistant" as const, content: { type: "text" as const, text } };
  };
  const elicit = async (params: unknown) => {
    await before();
    return { action: "accept" as const, content: filledIn(params, name) };
  };
  const roots = () => ({ roots: [{ uri: `file:///${name}` }] });
  if (client instanceof ClientV1) {
    client.setRequestHandler(CreateMessageRequestSchema, ({ params }) => sample(params));
    client.setRequestHandler(ElicitRequestSchema, ({ params }) => elicit(params));
    client.setRequestHandler(ListRootsRequestSchema, roots);
  } else {
    client.setRequestHandler("sampling/createMessage", ({ params }) => sample(params));
    client.setRequestHandler("elicitation/create", ({ params }) => elicit(params));
    client.setRequestHandler("roots/list", roots);
  }
}

/** Tells what the server logs, and which resources it says have changed. */
export function hear(
  { client }: ConnectionV1 | ConnectionV2,
  { log, updated }: { readonly log: (data: unknown) => void; readonly updated?: (uri: string) => void },
): void {
  if (client instanceof ClientV1) {
    client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => log(params.data));
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => updated?.(params.uri));
  } else {
    client.setNotificationHandler("notifications/message", ({ params }) => log(params.data));
    client.setNotificationHandler("notifications/resources/updated", ({ params }) => updated?.(params.uri));
  }
}

function filledIn(params: unknown, name: string): Record<string, string> {
  const schema = typeof params === "object" && params !== null
    ? Reflect.get(params, "requestedSchema")
    : null;
  const properties = typeof schema === "object" && schema !== null ? Reflect.get(schema, "properties") : {};
  return Object.fromEntries(Object.keys(properties ?? {}).map((key) => [key, name]));
}
