/** The rules of the house, enforced on the module graph that Deno itself sees and on the text of the sources. */
import assert from "node:assert/strict";
import { TestChild } from "./support/child_process.ts";
import {
  codeOf,
  graphOf,
  isSource,
  read,
  root,
  SOURCE_FILES,
  sourceFiles,
  wholeGraph,
} from "./support/module_graph.ts";

const LONGEST_FILE = 300;

/** What each part of lib/ may import of lib/ beside itself. Who is not listed imports nothing. */
const LIB_RULES: Readonly<Record<string, readonly string[]>> = {
  crypto: [],
  oauth: [],
  runtime: [],
  observability: ["runtime"],
  http: [],
  store: ["crypto", "runtime"],
  authorization_server: ["store", "crypto", "oauth", "http", "runtime", "observability", "services.ts"],
  login: ["store", "crypto", "oauth", "http", "runtime", "observability", "services.ts"],
  upstream: ["store", "crypto", "oauth", "http", "runtime", "observability", "services.ts"],
  mcp: ["store", "crypto", "oauth", "http", "runtime", "observability", "services.ts"],
  // The compiled configuration is made up of the domains' settings; of them it takes types alone (see below).
  gateway: [
    "oauth",
    "http",
    "runtime",
    "store",
    "crypto",
    "observability",
    "login",
    "mcp",
    "upstream",
  ],
  // The one file that ties them.
  "services.ts": ["store", "crypto", "http", "runtime", "observability"],
};

/** The layers, from above to below: each may import those below it. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  "main.ts": ["routes", "lib"],
  routes: ["policies", "lib"],
  policies: ["lib"],
  "mod.ts": ["policies", "lib"],
  "gateway.config.ts": ["mod.ts"],
  tasks: ["main.ts", "mod.ts", "policies", "lib", "routes"],
  lib: [],
};

const partOf = (path: string) => path.split("/")[0] ?? "";
const libPartOf = (path: string) => path.startsWith("lib/") ? path.split("/")[1] ?? "" : "";

Deno.test("imports lead downwards: main → routes → policies → lib", async () => {
  const faults = (await wholeGraph()).filter(({ from, to }) => {
    const [above, below] = [partOf(from), partOf(to)];
    return isSource(to) && above !== below && !LAYERS[above]?.includes(below);
  });
  assert.deepEqual(faults, []);
});

Deno.test("parts of lib/ import what is below them, and never each other across domains", async () => {
  const faults = (await wholeGraph()).filter(({ from, to }) => {
    const [above, below] = [libPartOf(from), libPartOf(to)];
    return above !== "" && below !== "" && above !== below && !LIB_RULES[above]?.includes(below);
  });
  assert.deepEqual(faults, []);
});

Deno.test("lib/gateway takes types of the domains, and no code: a configuration loads none of theirs", async () => {
  const faults: string[] = [];
  let seen = 0;
  for (const path of await sourceFiles(["lib/gateway"])) {
    const imports = (await read(path)).matchAll(
      /^import (type )?[^;]*?"\.\.\/(?:authorization_server|login|upstream|mcp)\//gm,
    );
    for (const [, type] of imports) {
      if (type === undefined) faults.push(path);
      else seen++;
    }
  }
  assert.deepEqual(faults, []);
  assert.ok(seen > 0, "the check looks at nothing");
});

Deno.test("lib/ knows neither Hono nor any file outside itself; the router is the routes' own", async () => {
  const graph = await wholeGraph();
  assert.deepEqual(graph.filter(({ from, to }) => !from.startsWith("routes/") && /hono/.test(to)), []);
  assert.ok(
    graph.some(({ from, to }) => from === "routes/app.ts" && /hono/.test(to)),
    "the check looks at nothing",
  );
  const outside = graph.filter(({ from, to }) =>
    from.startsWith("lib/") && isSource(to) && !to.startsWith("lib/")
  );
  assert.deepEqual(outside, []);
});

Deno.test("sources import packages that deno.json names, and Node's modules, alone", async () => {
  const { imports }: { imports: Record<string, string> } = JSON.parse(await read("deno.json"));
  const runtime = ["@hono/hono", "zod", "jose", "@panva/oauth4webapi"].map((name) => imports[name] ?? "");
  const packages = (await wholeGraph()).map(({ to }) => to.replace("npm:/", "npm:")).filter((to) =>
    !isSource(to)
  );
  const allowed = (to: string) =>
    to.startsWith("node:") || runtime.some((each) => each !== "" && to.startsWith(each)) ||
    // The demo, started by `deno task dev`, stands for somebody else's server.
    to.startsWith("examples/");
  assert.deepEqual([...new Set(packages)].filter((to) => !allowed(to)), []);
});

Deno.test("the demo stands for somebody else's server: it imports nothing of ours", async () => {
  const graph = await graphOf("examples/demo/server.ts");
  assert.ok(graph.length > 5, "the check looks at nothing");
  assert.deepEqual(graph.filter(({ from, to }) => from.startsWith("examples/") && isSource(to)), []);
});

Deno.test("Node's network modules are used where addresses are pinned and names resolved, and nowhere else", async () => {
  const graph = await wholeGraph();
  const users = graph.filter(({ to }) => /^node:(?:https?|http2|net|tls|dgram|dns)\b/.test(to)).map((
    { from },
  ) => from);
  assert.deepEqual([...new Set(users)].toSorted(), [
    "lib/http/name_resolution.ts",
    "lib/http/pinned_fetch.ts",
  ]);
});

Deno.test("no module imports itself by way of others, not even for types", async () => {
  const next = new Map<string, string[]>();
  for (const { from, to } of await wholeGraph()) next.set(from, [...next.get(from) ?? [], to]);
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(" → "));
    if (done.has(path) || trail.includes(path)) return;
    for (const to of next.get(path) ?? []) visit(to, [...trail, path]);
    done.add(path);
  };
  for (const path of next.keys()) visit(path, []);
  assert.deepEqual(cycles, []);
});

Deno.test("every source is reached from an entry: no file is left over", async () => {
  const graph = await wholeGraph();
  const reached = new Set([...graph.flatMap(({ from, to }) => [from, to]), ...SOURCE_FILES]);
  const tasks = (path: string) => path.startsWith("tasks/");
  assert.deepEqual((await sourceFiles()).filter((path) => !reached.has(path) && !tasks(path)), []);
});

Deno.test(`no file has more than ${LONGEST_FILE} lines, tests included`, async () => {
  const long: string[] = [];
  for (const path of [...await sourceFiles(), ...await sourceFiles(["bench", "examples", "tests"])]) {
    const lines = (await read(path)).trimEnd().split("\n").length;
    if (lines > LONGEST_FILE) long.push(`${path}: ${lines}`);
  }
  assert.deepEqual(long, []);
});

/** What only these files may do. Tasks, examples, benchmarks and tests are programs of their own. */
const POWERS: readonly (readonly [string, RegExp, readonly string[]])[] = [
  ["read the time", /\bDate\.now\s*\(|\bnew Date\(\s*\)/, ["lib/runtime/clock.ts"]],
  ["use the network", /(?<![.\w#])fetch\s*\(|globalThis\.fetch/, [
    "lib/mcp/forward.ts",
    "lib/http/outbound_fetch.ts",
  ]],
  ["read the environment", /\bDeno\.env\b/, ["main.ts"]],
  ["open a store", /\bDeno\.openKv\b/, ["main.ts"]],
  ["listen", /\bDeno\.serve\b/, ["main.ts"]],
  ["hear signals or exit", /\bDeno\.(?:addSignalListener|exit)\b/, ["main.ts"]],
  ["print", /\bconsole\.|\bDeno\.std(?:out|err)\b/, ["main.ts"]],
];

for (const [what, pattern, owners] of POWERS) {
  Deno.test(`${owners.length === 0 ? "nobody" : `only ${owners.join(" and ")}`} may ${what}`, async () => {
    const faults: string[] = [];
    for (const path of await sourceFiles()) {
      if (owners.includes(path) || path.startsWith("tasks/")) continue;
      const code = codeOf(await read(path));
      // A parameter of that name is not the global one: it was given, as it should be.
      if (pattern.test(code) && !/\bfetch: Fetch\b/.test(code)) faults.push(path);
    }
    assert.deepEqual(faults, []);
    if (owners.length === 0) return;
    const used = await Promise.all(owners.map(async (path) => pattern.test(codeOf(await read(path)))));
    assert.ok(used.some(Boolean), "the check looks for something that nobody does");
  });
}

Deno.test("no type is `any`, and no type error is silenced", async () => {
  const faults: string[] = [];
  for (const path of await sourceFiles()) {
    const text = await read(path);
    if (/[:<,|&(]\s*any\b|\bas any\b|\bany\[\]/.test(codeOf(text))) faults.push(`${path}: any`);
    if (/@ts-(?:ignore|nocheck|expect-error)/.test(text)) faults.push(`${path}: @ts-…`);
  }
  assert.deepEqual(faults, []);
});

Deno.test("names are snake_case words of the RFCs, and nothing is called utils, helpers, common or index", async () => {
  const faults = (await sourceFiles()).flatMap((path) => path.split("/")).filter((name) =>
    !/^[a-z][a-z0-9_]*(?:\.ts)?$/.test(name) && name !== "gateway.config.ts" ||
    /^(?:utils?|helpers?|common|misc|shared|index)(?:\.ts)?$/.test(name)
  );
  assert.deepEqual([...new Set(faults)], []);
  const modules = (await sourceFiles()).filter((path) => path.endsWith("/mod.ts"));
  assert.deepEqual(modules, [], "mod.ts is at the root only");
});

Deno.test("every source begins with a sentence that says what it is for", async () => {
  const faults: string[] = [];
  for (const path of await sourceFiles()) {
    const head = /^(?:\/\*\*|\/\/)\s*(?:\*\s*)?([\s\S]*?)(?:\*\/|\n(?!\/\/))/.exec(await read(path))?.[1] ??
      "";
    if (!/[A-Za-z].{15,}[.:!]/s.test(head)) faults.push(path);
  }
  assert.deepEqual(faults, []);
});

Deno.test("what a configuration imports loads no router, needs no permission and does nothing", async () => {
  const entries = ["mod.ts", "gateway.config.ts"];
  for (const entry of entries) {
    const reached = new Set((await graphOf(entry)).map(({ to }) => to));
    const served = [...reached].filter((path) => /hono/.test(path) || path.startsWith("routes/"));
    assert.deepEqual(served, [], entry);
  }
  const program = entries.map((entry) =>
    `await import(${JSON.stringify(import.meta.resolve(`../${entry}`))});`
  );
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(file, `${program.join("\n")}\n`);
    // Without any permission, and with a prompt that would be an error: importing reads, opens and asks nothing.
    const child = new TestChild({
      args: ["run", "--no-prompt", "--cached-only", "--config", `${root}/deno.json`, file],
    });
    assert.equal((await child.status).code, 0, child.lines.join("\n"));
    assert.deepEqual(child.lines, []);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("no document or example holds a key that a key ring would take (B15 249)", async () => {
  const faults: string[] = [];
  for (const folder of ["docs", "examples", "bench", "tasks", "."]) {
    for await (const { name, isFile } of Deno.readDir(`${root}/${folder}`)) {
      if (!isFile || !/\.(?:md|ts|json|example|env|txt)$/.test(name) || name === "deno.lock") continue;
      const text = await read(`${folder}/${name}`);
      for (const [entry] of text.matchAll(/\b[A-Za-z0-9_-]{1,32}:[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])/g)) {
        faults.push(`${folder}/${name}: ${entry.slice(0, 12)}…`);
      }
    }
  }
  assert.deepEqual(faults, []);
});
