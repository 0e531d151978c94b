import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { compileGateway } from "../../../lib/gateway/compile.ts";
import { ConfigError } from "../../../lib/gateway/config_error.ts";
import { loadDefinition } from "../../../lib/gateway/load.ts";

const ROOT = new URL("../../../", import.meta.url);

async function withFile(source: string, run: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(join(directory, "gateway.config.ts"), source);
    await run(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("`loadDefinition()` finds a path from a directory, from a module beside it, and as a URL", async () => {
  const directory = fileURLToPath(ROOT);
  const ways = [
    await loadDefinition("./gateway.config.ts", directory),
    await loadDefinition("gateway.config.ts", new URL("main.ts", ROOT)),
    await loadDefinition("gateway.config.ts", ROOT.href),
    await loadDefinition(join(directory, "gateway.config.ts"), "/nowhere"),
    await loadDefinition(pathToFileURL(join(directory, "gateway.config.ts")).href, "/nowhere"),
  ];
  for (const definition of ways) {
    assert.equal(compileGateway(definition, { mode: "development", env: () => undefined }).routes.length, 1);
  }
});

Deno.test("the shipped configuration runs in development with no environment, and compiles for production", async () => {
  const definition = await loadDefinition("./gateway.config.ts", ROOT);
  const gateway = compileGateway(definition, {
    mode: "development",
    env: () => undefined,
    bindHostname: "127.0.0.1",
  });
  const [demo] = gateway.routes;
  assert.deepEqual([demo?.path, demo?.operationId, demo?.title, demo?.upstream], [
    "/mcp/demo",
    "demo",
    "Demo",
    "http://127.0.0.1:9001/mcp",
  ]);
  const production = compileGateway(definition, {
    mode: "production",
    env: () => undefined,
    placeholders: true,
  });
  assert.equal(production.oauth.login.kind, "oidc");
  assert.throws(() => compileGateway(definition, { mode: "production", env: () => undefined }), ConfigError);
});

const BROKEN: readonly { name: string; source: string; path: RegExp; problem: RegExp }[] = [
  {
    name: "broken syntax",
    source: 'const secret = "canary";\nexport default {\n  oauth: , secret: "canary",\n};\n',
    path: /^gateway\.config\.ts:3:10$/,
    problem: /^The file is not valid TypeScript: Expression expected$/,
  },
  { name: "no default export", source: "export const a = 1;", path: /ts$/, problem: /no default export/ },
  {
    name: "a bare object",
    source: "export default { oauth: 1 };",
    path: /ts$/,
    problem: /is an object, not what define/,
  },
  {
    name: "an exception",
    source: 'throw new Error("boom");',
    path: /ts:1:7$/,
    problem: /imported: Error: boom$/,
  },
  { name: "a thrown string", source: 'throw "boom";', path: /ts$/, problem: /imported: Error: boom$/ },
  {
    name: "a missing import",
    source: 'import "./nope.ts";',
    path: /ts:1:8$/,
    problem: /Module not found "\.\/nope\.ts"$/,
  },
  {
    name: "a missing package",
    source: 'import "nopkg";',
    path: /ts:1:8$/,
    problem: /Import "nopkg" not a dependency/,
  },
  {
    name: "a missing name",
    source: 'import { nope } from "node:path"; export default nope;',
    path: /ts:1:10$/,
    problem: /does not provide an export named 'nope'$/,
  },
];

for (const { name, source, path, problem } of BROKEN) {
  Deno.test(`loadDefinition() explains ${name} in one fault`, async () => {
    await withFile(source, async (directory) => {
      const error = await loadDefinition("gateway.config.ts", directory).catch((error: unknown) => error);
      assert.ok(error instanceof ConfigError);
      assert.equal(error.faults.length, 1);
      assert.match(error.faults[0]?.path ?? "", path);
      assert.match(error.faults[0]?.problem ?? "", problem);
      assert.doesNotMatch(error.format(), /canary|\n\s+at /);
    });
  });
}

Deno.test("`loadDefinition()` explains a file that is not there", async () => {
  for (const path of ["./nope.config.ts", "lib"]) {
    const error = await loadDefinition(path, ROOT).catch((error: unknown) => error);
    assert.ok(error instanceof ConfigError);
    assert.deepEqual([error.faults[0]?.path, error.faults[0]?.problem], [path, "There is no such file"]);
  }
});
