/** What the interop tests play in: the real gateway as a process, in front of server-everything and of our own demo. */
import { serveDemo } from "../../examples/demo/server.ts";
import { type EverythingServer, startEverything } from "../support/everything.ts";
import { type GatewayProcess, startGateway } from "../support/gateway_process.ts";

/** The running parts. */
export interface Scene {
  readonly gateway: GatewayProcess;
  /** Route in front of server-everything: sessions, up to 2025-11-25. */
  readonly everything: URL;
  /** Route in front of the demo: both eras, no sessions. */
  readonly demo: URL;
}

/** What differs between scenes. */
export interface SceneOptions {
  /** Default 900. */
  readonly accessTokenTtlSeconds?: number;
  /** Default: the single development user. */
  readonly users?: readonly string[];
  /** A policy of the demo's route, as the configuration writes it. Default: none. */
  readonly demoPolicy?: string;
  /** The same for the route of server-everything. */
  readonly everythingPolicy?: string;
}

/** Starts all parts, plays `act`, and stops them; the gateway must end in time, and must not have logged a token. */
export async function onStage(
  act: (scene: Scene) => Promise<void>,
  options: SceneOptions = {},
): Promise<void> {
  const upstream = await startEverything();
  const demo = serveDemo({ port: 0, open: true });
  try {
    const gateway = await startGateway({ config: configuration({ upstream, demo }, options) });
    try {
      await act({
        gateway,
        everything: new URL("/mcp/everything", gateway.origin),
        demo: new URL("/mcp/demo", gateway.origin),
      });
    } finally {
      await gateway.stop();
    }
    const leaked = gateway.child.lines.find((line) => /\b(?:at|rt)_[\w-]{20,}/.test(line));
    if (leaked !== undefined) throw new Error(`A token in the log: ${leaked}`);
  } finally {
    await demo.close();
    await upstream.stop();
  }
}

function configuration(
  { upstream, demo }: { readonly upstream: EverythingServer; readonly demo: { readonly url: URL } },
  options: SceneOptions,
): string {
  const users = options.users === undefined ? "" : `users: ${JSON.stringify(options.users)},`;
  return `
    import { capabilityFilter, defineGateway, mcpDevOAuth, mcpProxy, rateLimit } from "@sallyport/gateway";
    export const builders = { capabilityFilter, rateLimit };
    export default defineGateway({
      oauth: mcpDevOAuth({ ${users} gateway: { accessTokenTtlSeconds: ${
    options.accessTokenTtlSeconds ?? 900
  } } }),
      routes: [
        mcpProxy("/mcp/everything", { operationId: "everything", upstream: "${upstream.url}", policies: [${
    options.everythingPolicy ?? ""
  }] }),
        mcpProxy("/mcp/demo", { operationId: "demo", summary: "Demo", upstream: "${demo.url}", policies: [${
    options.demoPolicy ?? ""
  }] }),
      ],
    });`;
}
