/** A process whose log nobody reads: it goes on answering, and it still ends when it is told to. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { freePort } from "../support/child_process.ts";
import { isHealthy } from "../support/gateway_process.ts";

const CONFIG = `
import { defineGateway, mcpDevOAuth, mcpProxy } from "@sallyport/gateway";
export default defineGateway({
  oauth: mcpDevOAuth({ users: ["alice"] }),
  routes: [mcpProxy("/alpha", { operationId: "alpha", upstream: "http://127.0.0.1:9/mcp" })],
});
`;
const file = (path: string) => fileURLToPath(import.meta.resolve(`../../${path}`));
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

Deno.test("a stalled log reader holds up neither requests nor SIGTERM (F32)", async () => {
  const folder = await Deno.makeTempDir({ prefix: "sallyport-stalled-" });
  await Deno.writeTextFile(`${folder}/gateway.config.ts`, CONFIG);
  const origin = `http://127.0.0.1:${freePort()}`;
  // Its output is piped to us, and we do not read it.
  const gateway = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-prompt", "--config", file("deno.json"), file("main.ts"), "--dev"],
    cwd: folder,
    env: {
      GATEWAY_CONFIG: `${folder}/gateway.config.ts`,
      GATEWAY_KV: `${folder}/gateway.kv`,
      GATEWAY_PORT: new URL(origin).port,
      GATEWAY_LOG: "debug",
    },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let ended = false;
  const status = gateway.status.finally(() => (ended = true));
  try {
    for (let tries = 0; tries < 200 && !await isHealthy(origin); tries++) await pause(50);
    // About 300 KB of lines; a pipe holds 64 KB.
    for (let count = 0; count < 1500; count++) {
      const answer = await fetch(`${origin}/alpha`, { headers: { authorization: "Bearer x" } });
      await answer.body?.cancel();
      assert.equal(answer.status, 401);
    }
    gateway.kill("SIGTERM");
    for (let tries = 0; tries < 100 && !ended; tries++) await pause(50);
    assert.equal(ended, true, "alive 5 s after SIGTERM");
    assert.equal((await status).code, 0);
  } finally {
    if (!ended) gateway.kill("SIGKILL");
    await status;
    await gateway.stdout.cancel();
    await Deno.remove(folder, { recursive: true });
  }
});
