/** The fixture as an MCP server: everything that the official conformance suite calls by name, the same for both protocol eras. */
import { McpServer, type RequestStateCodec } from "@modelcontextprotocol/server";
import { addAskingTools } from "./asking_tools.ts";
import { addContentTools, addSchemaTools } from "./content_tools.ts";
import { addInputRequiredTools, type Rounds } from "./input_required_tools.ts";
import { addNotifyingTools, type NotifyingState } from "./notifying_tools.ts";
import { addPrompts } from "./prompts.ts";
import { addResources } from "./resources.ts";

/** What lasts longer than one server. */
export interface FixtureState extends NotifyingState {
  readonly requestStates: RequestStateCodec<Rounds>;
}

/** A server for one request of 2026-07-28, or for one legacy session. */
export function buildConformanceServer(state: FixtureState): McpServer {
  const server = new McpServer({ name: "sallyport-conformance-fixture", version: "1.0.0" }, {
    capabilities: {
      tools: { listChanged: true },
      prompts: { listChanged: true },
      resources: { listChanged: true, subscribe: true },
      logging: {},
    },
    requestState: { verify: state.requestStates.verify },
  });
  addContentTools(server);
  addSchemaTools(server);
  addNotifyingTools(server, state);
  addAskingTools(server);
  addInputRequiredTools(server, state.requestStates);
  addPrompts(server);
  addResources(server);
  return server;
}
