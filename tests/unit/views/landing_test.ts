import assert from "node:assert/strict";
import {
  claudeCodeCommand,
  cursorConfiguration,
  cursorInstallLink,
  serverName,
  vsCodeCommand,
  vsCodeInstallLink,
} from "../../../routes/views/client_instructions.ts";
import { landingPage, type LandingPageProps } from "../../../routes/views/landing.ts";

const LINEAR = {
  title: "Linear",
  url: "https://gateway.example.test/mcp/linear-v1",
  description: null,
  operationId: "linear-mcp-server",
};

const PROPS: LandingPageProps = { routes: [LINEAR], development: false, signedIn: null, accountPath: "" };

Deno.test("the instructions are what each client documents", () => {
  assert.equal(
    claudeCodeCommand(LINEAR),
    "claude mcp add --transport http linear-mcp-server https://gateway.example.test/mcp/linear-v1",
  );
  assert.equal(
    vsCodeCommand(LINEAR),
    `code --add-mcp '{"name":"linear-mcp-server","type":"http","url":"https://gateway.example.test/mcp/linear-v1"}'`,
  );
  assert.deepEqual(JSON.parse(cursorConfiguration(LINEAR)), {
    mcpServers: { "linear-mcp-server": { url: LINEAR.url } },
  });
});

Deno.test("install links carry the same configuration, decodable by the client", () => {
  const cursor = new URL(cursorInstallLink(LINEAR));
  assert.equal(cursor.protocol, "cursor:");
  assert.equal(cursor.searchParams.get("name"), "linear-mcp-server");
  assert.deepEqual(JSON.parse(atob(cursor.searchParams.get("config")!)), { url: LINEAR.url });
  const [scheme, query] = vsCodeInstallLink(LINEAR).split("?");
  assert.equal(scheme, "vscode:mcp/install");
  assert.deepEqual(JSON.parse(decodeURIComponent(query!)), {
    name: "linear-mcp-server",
    type: "http",
    url: LINEAR.url,
  });
});

Deno.test("a command that is pasted into a shell stays one command", () => {
  const url = "https://gateway.example.test/mcp/a'b;rm -rf $(x)";
  assert.equal(
    claudeCodeCommand({ ...LINEAR, url, operationId: "--help; x" }),
    String.raw`claude mcp add --transport http help-x 'https://gateway.example.test/mcp/a'\''b;rm -rf $(x)'`,
  );
  assert.equal(serverName("…"), "mcp");
});

Deno.test("the landing page shows every route's URL, and each client's own panel", async () => {
  const page = await landingPage({
    ...PROPS,
    routes: [LINEAR, {
      ...LINEAR,
      title: "GitHub",
      url: "https://gateway.example.test/mcp/github",
      operationId: "gh",
    }],
  });
  assert.ok(page.includes(">https://gateway.example.test/mcp/linear-v1<"));
  assert.ok(page.includes(">https://gateway.example.test/mcp/github<"));
  const clients = [...page.matchAll(/<summary>([^<]+)<\/summary>/g)].map(([, client]) => client);
  const each = ["Claude", "Claude Code", "Cursor", "VS Code", "ChatGPT"];
  assert.deepEqual(clients, [...each, ...each]);
  assert.equal(page.match(/<details name="gh">/g)?.length, 5);
});

Deno.test("clients that connect from their own cloud are warned about a loopback address, others are not", async () => {
  const warnings = async (url: string) =>
    (await landingPage({ ...PROPS, routes: [{ ...LINEAR, url }] })).match(/class="notice warning"/g)
      ?.length ?? 0;
  assert.equal(await warnings("http://127.0.0.1:9000/mcp/demo"), 2);
  assert.equal(await warnings("http://localhost:9000/mcp/demo"), 2);
  assert.equal(await warnings("http://[::1]:9000/mcp/demo"), 2);
  assert.equal(await warnings(LINEAR.url), 0);
});

Deno.test("the account page is linked only when there is one", async () => {
  const signedIn = { name: "Dana" };
  assert.ok(!(await landingPage({ ...PROPS, signedIn })).includes("Your account"));
  const page = await landingPage({ ...PROPS, signedIn, accountPath: "/account" });
  assert.match(page, /Signed in as <b><bdi>Dana<\/bdi><\/b> · <a href="\/account">Your account<\/a>/);
});
