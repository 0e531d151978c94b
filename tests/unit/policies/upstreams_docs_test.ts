/** docs/upstreams.md keeps its word: its code compiles, and the gateway says what the page says it says. */
import assert from "node:assert/strict";
import { resolveGateway } from "../../../lib/gateway/compile.ts";
import { Definition } from "../../../lib/gateway/definition.ts";
import { defineGateway } from "../../../lib/gateway/define_gateway.ts";
import { typeCheckPages } from "../../support/documentation.ts";
import { loosely, publicOptions } from "../gateway/configurations.ts";

const PAGE = new URL("../../../docs/upstreams.md", import.meta.url);

function blocks(page: string): string[] {
  return [...page.matchAll(/```ts\n([\s\S]+?)```/g)].map(([, code = ""]) => code);
}

function isRoute(value: unknown): boolean {
  return value instanceof Definition && value.kind === "route";
}

Deno.test("docs/upstreams.md: every piece of code is type-checked", async () => {
  assert.equal(await typeCheckPages([PAGE]), blocks(await Deno.readTextFile(PAGE)).length);
});

Deno.test("docs/upstreams.md: every route in it compiles", async () => {
  const how = { mode: "production", env: () => undefined, placeholders: true } as const;
  const directory = await Deno.makeTempDir();
  let routes = 0;
  try {
    for (const [index, code] of blocks(await Deno.readTextFile(PAGE)).entries()) {
      const path = `${directory}/${index}.ts`;
      await Deno.writeTextFile(path, code);
      const module: Record<string, unknown> = await import(`file://${path}`);
      const { default: whole, ...parts } = module;
      const definition = whole ??
        loosely(defineGateway, publicOptions({ routes: Object.values(parts).flat().filter(isRoute) }));
      routes += resolveGateway(definition, { ...how, publicUrl: "https://a.example" }).gateway.routes.length;
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
  assert.equal(routes, 12);
});

Deno.test("docs/upstreams.md: every message in it is in the sources", async () => {
  const page = await Deno.readTextFile(PAGE);
  const [, table = ""] = /## When the gateway does not start\n([\s\S]+?)\n## /.exec(page) ?? [];
  const sources = await Promise.all(
    ["lib/gateway/connections.ts", "policies/exchange_client_auth.ts"].map((path) =>
      Deno.readTextFile(new URL(`../../../${path}`, import.meta.url)).then((text) =>
        text.replace(/` \+\s+`/g, "")
      )
    ),
  );
  const messages = [...table.matchAll(/^\| `[\w.]+`: `([^`]+)`/gm)].map(([, message = ""]) => message);
  assert.equal(messages.length, 8);
  for (const message of messages) {
    // What differs from one configuration to the next is a placeholder in the source.
    const parts = message.split(/"[^"]*"|routes\[0\]|…|RSA PRIVATE KEY|\brsa\b|ES256/).map((part) =>
      part.trim()
    );
    for (const part of parts) {
      assert.ok(sources.some((source) => source.includes(part)), `${message}: ${part}`);
    }
  }
});
