/** `@modelcontextprotocol/conformance authorization` against the gateway as a process: the suite prints a URL, a headless browser follows it. */
import assert from "node:assert/strict";
import { HeadlessBrowser } from "../support/browser.ts";
import { freePort, TestChild } from "../support/child_process.ts";
import { type GatewayProcess, startGateway } from "../support/gateway_process.ts";
import { until } from "../support/until.ts";

const SUITE = "npm:@modelcontextprotocol/conformance@0.2.0-alpha.12";

/** A gateway that knows the suite as a client; nothing is called upstream. */
function startFor(redirectUri: string): Promise<GatewayProcess> {
  return startGateway({
    config: `
      import { defineGateway, mcpDevOAuth, mcpProxy } from "@sallyport/gateway";
      export default defineGateway({
        oauth: mcpDevOAuth(),
        clients: [{ clientId: "conformance", redirectUris: ["${redirectUri}"] }],
        routes: [mcpProxy("/mcp/demo", { operationId: "demo", upstream: "http://127.0.0.1:9/mcp" })],
      });`,
  });
}

/** Runs the suite against an issuer to its end; `browse` is given the URL that it prints for a person. */
async function runSuite(
  issuer: string,
  { port, browse }: { readonly port: number; readonly browse: (url: string) => Promise<void> },
): Promise<{ readonly code: number; readonly output: string }> {
  const folder = await Deno.makeTempDir({ prefix: "sallyport-conformance-" });
  const suite = new TestChild({
    args: [
      "run",
      "--no-prompt",
      "-A",
      SUITE,
      "authorization",
      "--url",
      issuer,
      "--client-id",
      "conformance",
      "--port",
      String(port),
      "-o",
      folder,
    ],
    // Here, so that the lock of the project counts.
    cwd: new URL("../..", import.meta.url).pathname,
  });
  try {
    const browsing = suite.waitForLine((line) =>
      /^(https?:\/\/\S+[?&]response_type=code\S*)$/.exec(line)?.[1]
    )
      .then(browse);
    await browsing;
    const { code } = await suite.status;
    return { code, output: suite.lines.join("\n") };
  } finally {
    await suite.stop({ signal: "SIGKILL" });
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("the conformance suite's authorization scenarios pass, for the origin's issuer and a route's (issue 4, AS-01, AS-02, AS-24)", async () => {
  const port = freePort();
  const callback = `http://127.0.0.1:${port}/callback`;
  const gateway = await startFor(callback);
  try {
    for (const issuer of [gateway.origin, `${gateway.origin}/mcp/demo`]) {
      const { code, output } = await runSuite(issuer, {
        port,
        async browse(url) {
          const end = await new HeadlessBrowser().signInAndApprove(url, {
            stopAt: (address) => address.href.startsWith(callback),
          });
          assert.equal(end.searchParams.get("iss"), issuer);
          await (await fetch(end)).text();
        },
      });
      assert.equal(code, 0, output);
      const [, passed, failed] = /(\d+) passed[,\s]+(\d+) failed/i.exec(output) ?? [];
      assert.ok(Number(passed) >= 2 && failed === "0", output);
    }
    const issued = () =>
      gateway.events.filter(({ event }) => event === "mcp_auth_downstream_token_issued").length;
    // The log comes in batches.
    await until("two tokens in the log", () => issued() >= 2);
    assert.equal(issued(), 2);
  } finally {
    await gateway.stop();
  }
});
