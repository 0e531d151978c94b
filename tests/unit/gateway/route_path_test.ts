import assert from "node:assert/strict";
import { faults, options, report, route } from "./configurations.ts";

const BAD_PATHS: readonly (readonly [string, RegExp])[] = [
  ["", /empty/],
  ["mcp", /does not begin/],
  ["/", /landing page/],
  ["/mcp/", /ends with/],
  ["//mcp", /empty segment/],
  ["/a//b", /empty segment/],
  ["/a/*", /contains "\*"/],
  ["/a/:id", /contains ":"/],
  ["/a/{id}", /contains "{"/],
  ["/a?b", /contains "\?"/],
  ["/a#b", /contains "#"/],
  ["/a%20b", /contains "%"/],
  ["/a\\b", /contains "\\\\"/],
  ["/a b", /contains " "/],
  ["/ä", /contains "ä"/],
  ["/a/./b", /dot segment/],
  ["/a/../b", /dot segment/],
  ["/..", /dot segment/],
  ["/a/.well-known/b", /belongs to metadata/],
];

for (const [path, problem] of BAD_PATHS) {
  Deno.test(`a route's path is not ${JSON.stringify(path)}`, () => {
    const found = faults(options({ routes: [route({}, path)] }));
    assert.deepEqual(found.map((fault) => fault.path), ["routes[0].path"]);
    assert.match(found[0]?.problem ?? "", problem);
  });
}

const INTERNAL = [
  "/oauth",
  "/oauth/token",
  "/oauth/later",
  "/auth",
  "/auth/connections/x",
  "/account",
  "/authorize",
  "/token",
  "/register",
  "/healthz",
  "/readyz",
  "/favicon.ico",
  "/mcp-registry",
  "/mcp-registry/v0.1/servers",
];

for (const path of INTERNAL) {
  Deno.test(`no route may stand at ${path}, where the gateway itself answers`, () => {
    assert.match(
      report(options({ routes: [route({}, path)] })).join(),
      /routes\[0\]\.path: The gateway itself answers at/,
    );
  });
}

Deno.test("a path that only begins like an internal one is free", () => {
  for (const path of ["/oauth2", "/accounts", "/tokens/x", "/mcp-registry-2", "/mcp", "/a/oauth/token"]) {
    assert.deepEqual(report(options({ routes: [route({}, path)] })), [], path);
  }
});

Deno.test("`basePath` moves what is internal, but not the origin-level paths", () => {
  const at = (path: string) => report(options({ basePath: "/gw", routes: [route({}, path)] })).length;
  for (const free of ["/oauth/x", "/account", "/mcp-registry", "/gw/mcp"]) assert.equal(at(free), 0, free);
  for (
    const taken of [
      "/gw",
      "/gw/oauth/x",
      "/gw/account",
      "/gw/mcp-registry",
      "/token",
      "/healthz",
      "/gw/healthz",
    ]
  ) {
    assert.equal(at(taken), 1, taken);
  }
});

Deno.test("a registry that is off or elsewhere frees its path", () => {
  const at = (registry: unknown, path: string) =>
    report(options({ registry, routes: [route({}, path)] })).length;
  assert.equal(at({ enabled: false }, "/mcp-registry"), 0);
  assert.equal(at({ path: "/catalogue" }, "/mcp-registry"), 0);
  assert.equal(at({ path: "/catalogue" }, "/catalogue/x"), 1);
});

Deno.test("no two routes share a path or an operationId, even if they have other faults", () => {
  const routes = [
    route({ operationId: "a" }, "/mcp/a"),
    route({ operationId: "b" }, "/mcp/a"),
    route({ operationId: "a", upstream: "x" }, "/mcp/c"),
  ];
  assert.deepEqual(report(options({ routes })).filter((line) => !line.includes("upstream")), [
    'routes[1].path: routes[0] has the path "/mcp/a" already',
    'routes[2].operationId: routes[0] has the operationId "a" already',
  ]);
});
