/**
 * The other half of the conformance suite's client under test: SDK v2 as the MCP client, and a gateway that hands everything through to
 * the suite's server. It uses whatever the server offers: tools, resources, prompts, elicitation with defaults.
 */
import { Client, StreamableHTTPClientTransport, type Tool } from "@modelcontextprotocol/client";
import type { Harness } from "./harness.ts";

/** What the suite wants done. */
export interface TransportScenario {
  readonly token: string;
  readonly version: string;
  /** Calls that the suite asks for; without them every tool is called once. */
  readonly toolCalls:
    | readonly { readonly name: string; readonly arguments: Record<string, unknown> }[]
    | null;
}

/** Connects and uses all that there is. */
export async function useServer(gateway: Harness, scenario: TransportScenario): Promise<void> {
  const modern = scenario.version >= "2026-07-28";
  const client = new Client({ name: "conformance", version: "1.0.0" }, {
    capabilities: { elicitation: { form: { applyDefaults: true }, url: {} } },
    versionNegotiation: { mode: modern ? "auto" : "legacy" },
  });
  client.setRequestHandler("elicitation/create", () => ({ action: "accept" as const, content: {} }));
  const transport = new StreamableHTTPClientTransport(new URL(`${gateway.origin}/alpha`), {
    fetch: (url, init) => gateway.fetch(url, init),
    requestInit: { headers: { authorization: `Bearer ${scenario.token}` } },
  });
  await client.connect(transport);
  try {
    const { tools } = await client.listTools();
    const calls = scenario.toolCalls ??
      tools.map(({ name, inputSchema }) => ({ name, arguments: argumentsFor(inputSchema, tools) }));
    for (const call of calls) await client.callTool(call);
    const { resources, prompts } = client.getServerCapabilities() ?? {};
    if (resources !== undefined) {
      for (const { uri } of (await client.listResources()).resources) await client.readResource({ uri });
    }
    if (prompts !== undefined) {
      for (const { name } of (await client.listPrompts()).prompts) await client.getPrompt({ name });
    }
  } finally {
    await transport.terminateSession().catch(() => {});
    await client.close();
  }
}

/** A number for each number that is required, the schema that was received first for an object, a word for everything else. */
function argumentsFor(schema: Tool["inputSchema"], tools: readonly Tool[]): Record<string, unknown> {
  return Object.fromEntries(
    (schema.required ?? []).map((name) => {
      const property = schema.properties?.[name];
      const type = typeof property === "object" && property !== null && "type" in property
        ? property.type
        : "";
      const number = type === "number" || type === "integer";
      return [name, number ? 1 : type === "object" ? tools[0]?.inputSchema : "word"];
    }),
  );
}
