/** The real gateway as a process, in front of the conformance fixture in the test's own process. */
import { type ConformanceServer, serveConformance } from "../support/conformance_server/server.ts";
import { type GatewayProcess, startGateway } from "../support/gateway_process.ts";

/** The running parts. */
export interface ConformanceScene {
  readonly fixture: ConformanceServer;
  readonly gateway: GatewayProcess;
  /** The route in front of the fixture. */
  readonly url: URL;
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
  const gateway = await startGateway({
    config: `
      import { defineGateway, mcpDevOAuth, mcpProxy } from "@sallyport/gateway";
      export default defineGateway({
        oauth: mcpDevOAuth({ ${users} gateway: { accessTokenTtlSeconds: ${
      options.accessTokenTtlSeconds ?? 900
    } } }),
        routes: [mcpProxy("/mcp/conformance", { operationId: "conformance", upstream: "${fixture.url}" })],
      });`,
  });
  try {
    await act({ fixture, gateway, url: new URL("/mcp/conformance", gateway.origin) });
  } finally {
    await gateway.stop();
  }
}
