/** docs/capabilities.md keeps its word: its code compiles, and the gateway says what the page says it says. */
import assert from "node:assert/strict";
import { resolveGateway } from "../../../lib/gateway/compile.ts";
import { Definition } from "../../../lib/gateway/definition.ts";
import { defineGateway } from "../../../lib/gateway/define_gateway.ts";
import { describeGateway } from "../../../lib/gateway/describe.ts";
import { typeCheckPages } from "../../support/documentation.ts";
import { loosely, publicOptions } from "../gateway/configurations.ts";

const PAGE = new URL("../../../docs/capabilities.md", import.meta.url);

const blocks = (page: string) => [...page.matchAll(/```ts\n([\s\S]+?)```/g)].map(([, code = ""]) => code);

function isRoute(value: unknown): boolean {
  return value instanceof Definition && value.kind === "route";
}

Deno.test("docs/capabilities.md: every piece of code is type-checked", async () => {
  assert.equal(await typeCheckPages([PAGE]), blocks(await Deno.readTextFile(PAGE)).length);
});

Deno.test("docs/capabilities.md: its routes compile together, and are described as it says", async () => {
  const page = await Deno.readTextFile(PAGE);
  const directory = await Deno.makeTempDir();
  try {
    const routes: unknown[] = [];
    for (const [index, code] of blocks(page).entries()) {
      const path = `${directory}/${index}.ts`;
      await Deno.writeTextFile(path, code);
      const parts: Record<string, unknown> = await import(`file://${path}`);
      routes.push(...Object.values(parts).filter(isRoute));
    }
    assert.equal(routes.length, 5);
    const how = { mode: "production", env: () => undefined, placeholders: true } as const;
    const text = describeGateway(resolveGateway(loosely(defineGateway, publicOptions({ routes })), how));
    const [, shown = ""] = /```\n(routes\[0\] → shown .*)\n```/.exec(page) ?? [];
    const words = (line: string) => line.trim().split(/ {2,}/);
    assert.deepEqual(
      words(text.split("\n").find((line) => line.includes("routes[0] → shown")) ?? ""),
      words(shown),
    );
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("docs/capabilities.md: what it quotes of errors and events is in the sources", async () => {
  const page = await Deno.readTextFile(PAGE);
  const files = ["routes/capability_filter.ts", "routes/answer_filter.ts", "lib/mcp/event_stream_filter.ts"];
  const sources =
    (await Promise.all(files.map((path) => Deno.readTextFile(new URL(`../../../${path}`, import.meta.url)))))
      .join();
  const quoted = [
    ...page.matchAll(/`(mcp_\w+|access_rule_\w+|user_unknown|answer_\w+)`/g),
  ].map(([, word = ""]) => word);
  assert.equal(new Set(quoted).size, 9);
  for (const word of quoted) assert.ok(sources.includes(`"${word}"`), word);
  const [message] = /Method not found: this server\s+offers nothing of that\s+name/.exec(page) ?? [];
  assert.ok(sources.includes(message?.replace(/\s+/g, " ") ?? "nothing"));
});
