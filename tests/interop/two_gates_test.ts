/** `deno task dev` as it is in the repository, with its own configuration and demo: both gates, from the first sign-in to a restart. */
import assert from "node:assert/strict";
// @ts-types="@modelcontextprotocol/sdk/types"
import { UrlElicitationRequiredError } from "@modelcontextprotocol/sdk/types.js";
import { freePort, isListening, TestChild } from "../support/child_process.ts";
import { until } from "../support/until.ts";
import { close, connectV1, connectV2 } from "../support/clients.ts";
import { HeadlessOAuthProvider } from "../support/oauth_client_provider.ts";

const task = new URL("../../tasks/dev.ts", import.meta.url).href;

interface Workshop {
  readonly dev: TestChild;
  readonly url: URL;
  /** Ctrl-C, and `deno task dev` again. */
  readonly restart: () => Promise<void>;
  /** Saves the configuration, changed: the gateway restarts. */
  readonly edit: (summary: string) => Promise<void>;
}

/** The repository's `gateway.config.ts`, on ports that nothing uses. */
async function withWorkshop(act: (workshop: Workshop) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "sallyport-two-gates-" });
  const [gatewayPort, demoPort] = [freePort(), freePort()];
  const original = await Deno.readTextFile(new URL("../../gateway.config.ts", import.meta.url));
  const config = original.replaceAll("127.0.0.1:9001", `127.0.0.1:${demoPort}`);
  const env = {
    GATEWAY_CONFIG: `${folder}/gateway.config.ts`,
    GATEWAY_KV: `${folder}/gateway.kv`,
    GATEWAY_PORT: String(gatewayPort),
    DEMO_PORT: String(demoPort),
  };
  await Deno.writeTextFile(env.GATEWAY_CONFIG, config);
  const start = async () => {
    const child = new TestChild({ args: ["run", "--no-prompt", "-A", task], env, cwd: folder });
    await until(
      "both are up",
      async () => await isListening(gatewayPort) && await isListening(demoPort),
      printed(child),
    );
    return child;
  };
  let dev = await start();
  try {
    await act({
      get dev() {
        return dev;
      },
      url: new URL(`http://127.0.0.1:${gatewayPort}/mcp/demo`),
      async restart() {
        await dev.stop({ timeoutMs: 10_000 });
        dev = await start();
      },
      async edit(summary) {
        await Deno.writeTextFile(
          env.GATEWAY_CONFIG,
          config.replace('summary: "Demo"', `summary: "${summary}"`),
        );
        await until(
          "the edit is served",
          async () => await servedName(gatewayPort) === summary,
          printed(dev),
        );
      },
    });
  } finally {
    await dev.stop({ timeoutMs: 10_000 });
    await Deno.remove(folder, { recursive: true });
  }
}

async function servedName(port: number): Promise<string> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/.well-known/oauth-protected-resource/mcp/demo`);
    const { resource_name: name } = await answer.json();
    return String(name);
  } catch {
    return "";
  }
}

/** What the task has printed, for a wait that is in vain. */
const printed = (dev: TestChild) => ({ explain: () => dev.lines.join("\n") });

/** Clients whose person presses Connect, approves at the demo as `account`, and presses Authorize. */
const clients = {
  v1: (url: URL, oauth: HeadlessOAuthProvider) => connectV1(url, { oauth }),
  v2: (url: URL, oauth: HeadlessOAuthProvider) => connectV2(url, { oauth, mode: { pin: "2026-07-28" } }),
};

async function whoAmI(
  connection: Awaited<ReturnType<typeof clients[keyof typeof clients]>>,
): Promise<unknown> {
  // The two SDKs' clients agree on this call; a union of their overloads cannot be called.
  const client = connection.client as Awaited<ReturnType<typeof connectV2>>["client"];
  const { content } = await client.callTool({ name: "who_am_i", arguments: {} });
  return Array.isArray(content) ? content[0] : content;
}

Deno.test("`deno task dev`: sign in, connect, approve at the demo, authorize, call; a restart of the gateway loses nothing (EL-06)", () =>
  withWorkshop(async ({ dev, url, edit, restart }) => {
    const first = new HeadlessOAuthProvider({ approval: { connect: true, account: "grace" } });
    const connection = await clients.v1(url, first);
    try {
      assert.deepEqual(await whoAmI(connection), { type: "text", text: "grace" });
      const pages = first.browser.visited.map(({ port, pathname }) =>
        `${port === url.port ? "gateway" : "demo"} ${pathname}`
      );
      for (
        const step of [
          "gateway /oauth/dev-login",
          "gateway /oauth/setup",
          "demo /authorize",
          "gateway /auth/connections/demo/callback",
        ]
      ) assert.ok(pages.includes(step), `${step} is not among:\n${pages.join("\n")}`);
      await dev.waitForLine((line) => line === "Demo MCP server: grace lets Sallyport in." || undefined);

      await edit("Another name");
      assert.deepEqual(await whoAmI(connection), { type: "text", text: "grace" });
      // The same person with another client: the demo is connected already, and is not asked again.
      const second = new HeadlessOAuthProvider({ browser: first.browser });
      const other = await clients.v2(url, second);
      assert.deepEqual(await whoAmI(other), { type: "text", text: "grace" });
      await close(other);
      const asked = first.browser.visited.filter(({ port, pathname }) =>
        port !== url.port && pathname === "/authorize"
      );
      assert.equal(asked.length, 2, "the page and its button, once");

      // The next day: the gateway has kept everything, the demo nothing. The client's sign-in holds, the demo asks once more.
      await restart();
      let link = "";
      await assert.rejects(whoAmI(connection), (error) => {
        assert.ok(error instanceof UrlElicitationRequiredError, String(error));
        link = error.elicitations[0]?.url ?? "";
        return true;
      });
      const page = await first.browser.submit(await first.browser.get(link), { decision: "connect" });
      assert.equal(page.url.pathname, "/authorize", page.html);
      const end = await first.browser.submit(page, { account: "ada" });
      assert.equal(end.url.pathname, "/account", end.html);
      assert.deepEqual(await whoAmI(connection), { type: "text", text: "ada" });
      assert.equal(first.authorizationUrls.length, 1);
    } finally {
      await close(connection);
    }
  }));
