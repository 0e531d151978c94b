/** `deno task dev` as a person uses it: edits while it runs, mistakes among them, and an end without orphans. */
import assert from "node:assert/strict";
import { freePort, isListening, TestChild } from "../support/child_process.ts";
import { until } from "../support/until.ts";

interface Workshop {
  readonly folder: string;
  readonly gatewayPort: number;
  readonly demoPort: number;
  readonly env: Readonly<Record<string, string>>;
}

/** A folder with a configuration of its own, and ports that nothing uses. */
async function withWorkshop(act: (workshop: Workshop) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "sallyport-dev-" });
  const gatewayPort = freePort();
  const demoPort = freePort();
  try {
    await act({
      folder,
      gatewayPort,
      demoPort,
      env: {
        GATEWAY_CONFIG: `${folder}/gateway.config.ts`,
        GATEWAY_KV: `${folder}/gateway.kv`,
        GATEWAY_PORT: String(gatewayPort),
        DEMO_PORT: String(demoPort),
      },
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const task = new URL("../../tasks/dev.ts", import.meta.url).href;

function startDev({ folder, env }: Workshop): TestChild {
  return new TestChild({ args: ["run", "--no-prompt", "-A", task], env, cwd: folder });
}

/** Saves like many editors do: a new file, moved over the old one. */
async function save({ folder }: Workshop, text: string): Promise<void> {
  await Deno.writeTextFile(`${folder}/saving`, text);
  await Deno.rename(`${folder}/saving`, `${folder}/gateway.config.ts`);
}

function configuration({ demoPort }: Workshop, summary: string): string {
  return `
    import { defineGateway, mcpDevOAuth, mcpProxy } from "@sallyport/gateway";
    export default defineGateway({
      oauth: mcpDevOAuth(),
      routes: [mcpProxy("/mcp/demo", {
        operationId: "demo",
        summary: ${JSON.stringify(summary)},
        upstream: "http://127.0.0.1:${demoPort}/mcp",
      })],
    });`;
}

/** What the gateway serves about its route, or "" while it is down. */
async function servedName({ gatewayPort }: Workshop): Promise<string> {
  try {
    const path = "/.well-known/oauth-protected-resource/mcp/demo";
    const response = await fetch(`http://127.0.0.1:${gatewayPort}${path}`);
    const { resource_name: name } = await response.json();
    return typeof name === "string" ? name : "";
  } catch {
    return "";
  }
}

/** What the task has printed, for a wait that is in vain. */
const printed = (dev: TestChild) => ({ explain: () => dev.lines.join("\n") });

async function assertNothingLeft(workshop: Workshop, dev: TestChild): Promise<void> {
  await until(
    "both ports free",
    async () => !await isListening(workshop.gatewayPort) && !await isListening(workshop.demoPort),
    printed(dev),
  );
}

Deno.test("`deno task dev` serves every edit, outlives the broken ones, and ends on SIGTERM", () =>
  withWorkshop(async (workshop) => {
    await save(workshop, configuration(workshop, "First"));
    const dev = startDev(workshop);
    try {
      await until("the first value", async () => await servedName(workshop) === "First", printed(dev));
      assert.ok(await isListening(workshop.demoPort));

      await save(workshop, configuration(workshop, "Second"));
      await until("the edit", async () => await servedName(workshop) === "Second", printed(dev));

      await save(workshop, "export default {{ not typescript");
      await until(
        "the syntax error took it down",
        async () => await servedName(workshop) === "",
        printed(dev),
      );
      await save(workshop, configuration(workshop, "Third"));
      await until(
        "recovery from a syntax error",
        async () => await servedName(workshop) === "Third",
        printed(dev),
      );

      const fault = configuration(workshop, "Fault").replace(`"/mcp/demo"`, `"mcp demo"`);
      await save(workshop, fault);
      await dev.waitForLine((line) => line.includes("routes[0]") || undefined);
      await save(workshop, configuration(workshop, "Fourth"));
      await until("recovery from a fault", async () => await servedName(workshop) === "Fourth", printed(dev));
    } finally {
      const status = await dev.stop({ timeoutMs: 10_000 });
      assert.equal(status.code, 0);
    }
    await assertNothingLeft(workshop, dev);
  }));

/** Types are checked by a process that reads the whole graph, which takes long on a machine that has other things to do. */
const slow = { timeoutMs: 90_000 };

Deno.test("`deno task dev` shows a type error of the configuration and keeps serving", () =>
  withWorkshop(async (workshop) => {
    await save(workshop, configuration(workshop, "First"));
    const dev = startDev(workshop);
    try {
      await until("the first value", async () => await servedName(workshop) === "First", printed(dev));
      const right = configuration(workshop, "Second");
      await save(workshop, `${right}\nexport const port: number = "nine thousand";`);
      await until("the edit", async () => await servedName(workshop) === "Second", printed(dev));
      await dev.waitForLine((line) => line.includes("TS2322") || undefined, slow);
      assert.equal(await servedName(workshop), "Second");
      await save(workshop, right);
      await dev.waitForLine((line) => line.endsWith("all right now.") || undefined, slow);
    } finally {
      await dev.stop({ timeoutMs: 10_000 });
    }
    await assertNothingLeft(workshop, dev);
  }));

for (const signal of ["SIGINT", "SIGHUP"] as const) {
  Deno.test(`\`deno task dev\` ends on ${signal}, with a broken configuration too`, () =>
    withWorkshop(async (workshop) => {
      await save(workshop, "export default {{ not typescript");
      const dev = startDev(workshop);
      await until("the demo", () => isListening(workshop.demoPort), printed(dev));
      await dev.waitForLine((line) => line.includes("gateway.config.ts") || undefined);
      const status = await dev.stop({ signal, timeoutMs: 10_000 });
      assert.equal(status.code, 0);
      await assertNothingLeft(workshop, dev);
    }));
}

for (const which of ["gatewayPort", "demoPort"] as const) {
  Deno.test(`\`deno task dev\` says in one line that the ${which} is taken`, () =>
    withWorkshop(async (workshop) => {
      await save(workshop, configuration(workshop, "First"));
      using _taken = Deno.listen({ hostname: "127.0.0.1", port: workshop[which] });
      const dev = startDev(workshop);
      assert.equal((await dev.status).code, 1);
      assert.equal(dev.lines.length, 1, dev.lines.join("\n"));
      assert.match(
        dev.lines[0] ?? "",
        new RegExp(`^Port ${workshop[which]} for the .* is taken\\. Stop what`),
      );
    }));
}
