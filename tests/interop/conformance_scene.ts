/** The real gateway as a process, in front of the conformance fixture in the test's own process. */
import { close, connectV2 } from "../support/clients.ts";
import { type ConformanceServer, serveConformance } from "../support/conformance_server/server.ts";
import { type GatewayProcess, startGateway } from "../support/gateway_process.ts";

/** The running parts. */
export interface ConformanceScene {
  readonly fixture: ConformanceServer;
  readonly gateway: GatewayProcess;
  /** The route in front of the fixture. */
  readonly url: URL;
  /** A route in front of it that names all that the fixture has in a `capabilityFilter`, so that every answer is read and nothing hidden. */
  readonly curatedUrl: URL;
}

/** What differs between scenes. */
export interface ConformanceSceneOptions {
  /** Default 900. */
  readonly accessTokenTtlSeconds?: number;
  /** Default: the single development user. */
  readonly users?: readonly string[];
  /** When clients should come back to a lost stream; the fixture's default otherwise. */
  readonly retryMs?: number;
}

/** Starts all parts, plays `act`, and stops them; the gateway must end in time. */
export async function onConformanceStage(
  act: (scene: ConformanceScene) => Promise<void>,
  options: ConformanceSceneOptions = {},
): Promise<void> {
  await using fixture = serveConformance(options.retryMs === undefined ? {} : { retryMs: options.retryMs });
  const users = options.users === undefined ? "" : `users: ${JSON.stringify(options.users)},`;
  const accessTokenTtlSeconds = options.accessTokenTtlSeconds ?? 900;
  const gateway = await startGateway({
    config: `
      import { capabilityFilter, defineGateway, mcpDevOAuth, mcpProxy } from "@sallyport/gateway";
      const upstream = "${fixture.url}";
      export default defineGateway({
        oauth: mcpDevOAuth({ ${users} gateway: { accessTokenTtlSeconds: ${accessTokenTtlSeconds} } }),
        routes: [
          mcpProxy("/mcp/conformance", { operationId: "conformance", upstream }),
          mcpProxy("/mcp/curated", {
            operationId: "curated",
            upstream,
            policies: [capabilityFilter(${JSON.stringify(await everythingOf(fixture.url))})],
          }),
        ],
      });`,
  });
  try {
    await act({
      fixture,
      gateway,
      url: new URL("/mcp/conformance", gateway.origin),
      curatedUrl: new URL("/mcp/curated", gateway.origin),
    });
  } finally {
    await gateway.stop();
  }
}

/** The names of all that a server has, as `capabilityFilter` takes them. */
async function everythingOf(url: URL): Promise<Record<string, readonly string[]>> {
  // Without a session: tests count what sessions ask for.
  const connection = await connectV2(url, { mode: { pin: "2026-07-28" } });
  const { client } = connection;
  try {
    return {
      tools: (await client.listTools()).tools.map(({ name }) => name),
      prompts: (await client.listPrompts()).prompts.map(({ name }) => name),
      resources: (await client.listResources()).resources.map(({ uri }) => uri),
      resourceTemplates: (await client.listResourceTemplates()).resourceTemplates
        .map(({ uriTemplate }) => uriTemplate),
    };
  } finally {
    await close(connection);
  }
}
