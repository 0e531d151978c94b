/** The official server-everything as an upstream: sessions, event streams with replay, progress, elicitation, sampling. */
import { z } from "zod";
import { TestChild } from "./child_process.ts";

/** A running server-everything. */
export interface EverythingServer {
  /** Its MCP endpoint, on a free loopback port. */
  readonly url: URL;
  readonly child: TestChild;
  stop(): Promise<void>;
}

const address = z.object({ address: z.literal("127.0.0.1"), port: z.number() });

/** Starts server-everything in a child process that sees next to nothing of our environment. */
export async function startEverything(): Promise<EverythingServer> {
  const program = new URL("./everything_child.ts", import.meta.url).href;
  const child = new TestChild({ args: ["run", "--no-prompt", "-A", program], env: { PORT: "0" } });
  const { port } = await child.waitForLine((line) => {
    const listening = /^LISTENING (\{.*\})$/.exec(line)?.[1];
    return listening === undefined ? undefined : address.parse(JSON.parse(listening));
  });
  return {
    url: new URL(`http://127.0.0.1:${port}/mcp`),
    child,
    async stop() {
      await child.stop();
    },
  };
}
