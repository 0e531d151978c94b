import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

interface Child {
  readonly env?: Record<string, string>;
  readonly stdin?: string;
}

async function deno(
  args: string[],
  { env = {}, stdin = "" }: Child = {},
): Promise<{ code: number; text: string }> {
  const child = new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    env: { NO_COLOR: "1", ...env },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(stdin));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

Deno.test("importing a configuration reads no environment, opens nothing, and asks for no permission", async () => {
  const script = `
    import definition from "./gateway.config.ts";
    for (const name of ["env", "read", "write", "net", "run", "sys", "ffi"]) {
      const { state } = Deno.permissions.querySync({ name });
      if (state === "granted") throw new Error(name + " is granted: the test proves nothing");
    }
    console.log(String(definition));`;
  // Without a prompt, anything that needs a permission throws.
  const { code, text } = await deno(["run", "--no-prompt", "--ext=ts", "-"], { stdin: script });
  assert.equal(text, "defineGateway(…)\n");
  assert.equal(code, 0);
});

Deno.test("the configuration language pulls in neither Hono nor an endpoint", async () => {
  const { text } = await deno(["info", "--json", "mod.ts"]);
  const { modules }: { modules: { specifier: string }[] } = JSON.parse(text);
  const specifiers = modules.map((module) => module.specifier);
  assert.ok(specifiers.some((specifier) => specifier.includes("/lib/gateway/")));
  assert.deepEqual(specifiers.filter((specifier) => /hono|\/routes\/|\/lib\/store\//.test(specifier)), []);
});

Deno.test("the last step of `deno task check` prints both modes, and fails with the list of faults", async () => {
  const flags = ["run", "--no-prompt", "--allow-read=.", "--allow-env=GATEWAY_CONFIG", "tasks/check.ts"];
  const sound = await deno(flags, { env: { GATEWAY_CONFIG: "" } });
  assert.equal(sound.code, 0, sound.text);
  assert.match(sound.text, /in development[\s\S]*mcpDevOAuth[\s\S]*in production[\s\S]*OAuth\(…\)/);
  assert.match(sound.text, /clientSecret +\[secret\] {2}\(from \w+\)/);
  const missing = await deno(flags, { env: { GATEWAY_CONFIG: "nope.ts" } });
  assert.equal(missing.code, 1);
  assert.match(missing.text, /^The configuration has 1 fault:\n\n {2}nope\.ts\n {4}There is no such file\./);
});
