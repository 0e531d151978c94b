/** The last step of `deno task check`: compiles the configuration for both modes without its environment, and prints it. */
import { resolveGateway } from "../lib/gateway/compile.ts";
import { ConfigError } from "../lib/gateway/config_error.ts";
import { describeGateway } from "../lib/gateway/describe.ts";
import type { Mode } from "../lib/gateway/gateway.ts";
import { loadDefinition } from "../lib/gateway/load.ts";

const MODES: readonly Mode[] = ["development", "production"];

/** Prints the configuration at `path` in each mode; `false` when it has faults. */
async function check(path: string): Promise<boolean> {
  const definition = await loadDefinition(path, Deno.cwd());
  let sound = true;
  for (const mode of MODES) {
    print(`\n${path} in ${mode}, with placeholders for the environment:\n`);
    try {
      print(describeGateway(resolveGateway(definition, { mode, env: () => undefined, placeholders: true })));
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      print(error.format());
      sound = false;
    }
  }
  return sound;
}

function print(text: string): void {
  // deno-lint-ignore no-console -- a task talks to the person who started it
  console.log(text);
}

try {
  const sound = await check(Deno.env.get("GATEWAY_CONFIG") || "./gateway.config.ts");
  Deno.exit(sound ? 0 : 1);
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  print(error.format());
  Deno.exit(1);
}
