/**
 * The client under test of the conformance suite's `client` command: a gateway whose upstream is the URL that the suite appends, a user
 * who signs in and connects without a screen, and an MCP client that calls through the gateway. Ends with 1 if that cannot be done.
 */
import { mcpProxy, tokenExchange, type TokenExchangeOptions } from "../../mod.ts";
import { type Harness, startHarness } from "./harness.ts";
import { type TransportScenario, useServer } from "./conformance_transport.ts";
import { callMcp, obtainTokens, registerClient } from "./oauth_flow.ts";
import { browserOf, signInAndConnect } from "./upstream_scene.ts";

/** What `auth/basic-cimd` wants to see: our own document would have to be public. */
const SUITES_DOCUMENT = "https://conformance-test.local/client-metadata.json";
const MAX_CONNECTS = 3;
const MODERN = "2026-07-28";

const [upstream = ""] = Deno.args.slice(-1);
const scenario = Deno.env.get("MCP_CONFORMANCE_SCENARIO") ?? "";
/** What the scenario gives its client. */
const context: {
  readonly client_id?: string;
  readonly client_secret?: string;
  readonly toolCalls?: TransportScenario["toolCalls"];
} = JSON.parse(Deno.env.get("MCP_CONFORMANCE_CONTEXT") ?? "{}");
const version = Deno.env.get("MCP_CONFORMANCE_PROTOCOL_VERSION") ?? "2025-11-25";

await using gateway = await startHarness({
  users: ["alice"],
  config: () => ({
    routes: [mcpProxy("/alpha", {
      operationId: "alpha",
      upstream,
      policies: scenario.startsWith("auth/") ? [tokenExchange(policy())] : [],
    })],
  }),
});
try {
  if (scenario.startsWith("auth/")) await run(gateway);
  else {
    const client = await registerClient(gateway);
    const { access_token: token } = await obtainTokens(gateway, client);
    await useServer(gateway, { token, version, toolCalls: context.toolCalls ?? null });
  }
} catch (error) {
  // The suite shows what its client says.
  const text = [String(error), ...gateway.events.map((event) => JSON.stringify(event))].join("\n");
  await Deno.stderr.write(new TextEncoder().encode(`${text}\n`));
  Deno.exitCode = 1;
}

function policy(): TokenExchangeOptions {
  const base = { id: "suite", displayName: "Suite" };
  const { client_id: clientId, client_secret: clientSecret } = context;
  if (clientId !== undefined && clientSecret !== undefined) {
    return { ...base, clientRegistration: { mode: "manual", clientId, clientSecret } };
  }
  return scenario === "auth/basic-cimd"
    ? {
      ...base,
      clientRegistration: { mode: "manual", clientId: SUITES_DOCUMENT, tokenEndpointAuthMethod: "none" },
    }
    : base;
}

async function run(gateway: Harness): Promise<void> {
  const browser = browserOf(gateway);
  const client = await registerClient(gateway);
  const token = await signInAndConnect({ gateway, client }, browser, "alice");
  let connects = 0;
  let id = 0;
  let session: string | null = null;

  /** Sends a request; as often as a link comes back, the user follows it. */
  const send = async (method: string, params: Record<string, unknown> = {}): Promise<Result> => {
    const meta = {
      "io.modelcontextprotocol/protocolVersion": version,
      "io.modelcontextprotocol/clientInfo": { name: "conformance", version: "1" },
      "io.modelcontextprotocol/clientCapabilities": { elicitation: { url: {} } },
    };
    const message = {
      jsonrpc: "2.0",
      ...(method.startsWith("notifications/") ? {} : { id: ++id }),
      method,
      params: version === MODERN ? { ...params, _meta: meta } : params,
    };
    const name = typeof params.name === "string" ? params.name : null;
    const response = await callMcp(gateway, "/alpha", token, {
      message,
      headers: {
        "mcp-protocol-version": version,
        ...(session === null ? {} : { "mcp-session-id": session }),
        ...(version === MODERN
          ? { "mcp-method": method, ...(name === null ? {} : { "mcp-name": name }) }
          : {}),
      },
    });
    session = response.headers.get("mcp-session-id") ?? session;
    const text = await response.text();
    if (response.status === 202) return {};
    const { result, error } = answerOf(text);
    const asked = Object.values(result?.inputRequests ?? {})[0];
    const link = error?.data?.authUrl ?? asked?.params.url;
    if (link === undefined) {
      if (result === undefined || response.status !== 200) {
        throw new Error(`${method}: ${response.status} ${text}`);
      }
      return result;
    }
    if (++connects > MAX_CONNECTS) throw new Error(`${method}: still asked to connect`);
    const page = await browser.submit(await browser.get(link), { decision: "connect" });
    if (page.status !== 200) throw new Error(`Connect: ${page.status} at ${page.url}\n${page.html}`);
    return await send(method, params);
  };

  if (version === MODERN) await send("server/discover");
  else {
    await send("initialize", {
      protocolVersion: version,
      capabilities: { elicitation: { url: {} } },
      clientInfo: { name: "conformance", version: "1" },
    });
    await send("notifications/initialized");
  }
  const { tools = [] } = await send("tools/list");
  for (const { name } of tools.slice(0, 1)) await send("tools/call", { name, arguments: {} });
}

interface Result {
  readonly tools?: readonly { readonly name: string }[];
  readonly inputRequests?: Readonly<Record<string, { readonly params: { readonly url?: string } }>>;
}

/** The JSON-RPC answer of a body that is JSON, or an event stream with one message. */
function answerOf(
  text: string,
): { readonly result?: Result; readonly error?: { readonly data?: { readonly authUrl?: string } } } {
  const data = /^data: *(\{.*)$/m.exec(text)?.[1];
  return JSON.parse(data ?? text);
}
