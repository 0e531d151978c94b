import assert from "node:assert/strict";
import { mcpDevOAuth } from "../../../policies/mcp_dev_oauth.ts";
import { setHeaders } from "../../../policies/set_headers.ts";
import { compile, faults, options, publicOptions, report, route, type WrongRow } from "./configurations.ts";

const ALICE = {
  issuer: "https://idp.example",
  subject: "alice",
  email: "Alice@example.com",
  emailVerified: true,
};

Deno.test("`compileGateway()` fills in every default of the contract (section 2.1)", () => {
  const { admins, oauth: _oauth, routes: _routes, ...rest } = compile(options());
  assert.deepEqual(rest, {
    mode: "development",
    publicUrl: { kind: "loopback" },
    allowedHosts: new Set(),
    trustedProxies: 0,
    basePath: "",
    clients: [],
    redirectSchemes: new Set([
      "cursor",
      "vscode",
      "vscode-insiders",
      "windsurf",
      "zed",
      "goose",
      "raycast",
      "warp",
    ]),
    corsOrigins: new Set(),
    outbound: { allowLoopback: true },
    limits: {
      bodyBytes: 4 * 1024 * 1024,
      jsonDepth: 64,
      streams: 10_000,
      streamsPerUser: 100,
      registrationsPerMinute: 60,
      authorizationsPerMinute: 300,
      tokenRequestsPerMinute: 600,
    },
    registry: { enabled: true, path: "/mcp-registry" },
  });
  assert.equal(admins(ALICE), false, "nobody is an administrator by default");
});

Deno.test("`compileGateway()` takes every option of section 2.1", () => {
  const gateway = compile(options({
    allowedHosts: ["Gateway.Internal:9000", "[::1]:80"],
    trustProxy: true,
    basePath: "/gw",
    redirectSchemes: ["com.example.app"],
    corsOrigins: ["https://app.example.com", "http://localhost:6274", "chrome-extension://abcdef"],
    outbound: { allowLoopback: false },
    limits: { bodyBytes: 1000, streams: 50, streamsPerUser: 5 },
    registry: { enabled: false },
  }));
  assert.deepEqual(gateway.allowedHosts, new Set(["gateway.internal:9000", "[::1]:80"]));
  assert.equal(gateway.trustedProxies, 1);
  assert.equal(gateway.basePath, "/gw");
  assert.deepEqual(gateway.redirectSchemes, new Set(["com.example.app"]));
  assert.equal(gateway.corsOrigins.size, 3);
  assert.equal(gateway.outbound.allowLoopback, false);
  assert.equal(gateway.limits.bodyBytes, 1000);
  assert.equal(gateway.limits.jsonDepth, 64);
  assert.deepEqual(gateway.registry, { enabled: false, path: "/mcp-registry" });
  assert.equal(compile(options({ trustProxy: 3 })).trustedProxies, 3);
  assert.equal(compile(options({ trustProxy: false })).trustedProxies, 0);
});

Deno.test("`admins` by e-mail counts verified addresses only, whatever their case", () => {
  const { admins } = compile(options({ admins: { emails: ["ALICE@example.com"], subjects: ["root"] } }));
  assert.equal(admins(ALICE), true);
  assert.equal(admins({ ...ALICE, emailVerified: false }), false);
  assert.equal(admins({ ...ALICE, email: null }), false);
  assert.equal(admins({ ...ALICE, email: "mallory@example.com" }), false);
  assert.equal(admins({ ...ALICE, email: null, subject: "root" }), true);
});

Deno.test("`admins` as a function must return true itself: a promise makes nobody an administrator", () => {
  assert.equal(compile(options({ admins: () => true })).admins(ALICE), true);
  assert.equal(compile(options({ admins: () => Promise.resolve(false) })).admins(ALICE), false);
  assert.equal(compile(options({ admins: () => 1 })).admins(ALICE), false);
});

const WRONG: readonly WrongRow[] = [
  { name: "no oauth", given: { oauth: undefined }, path: "oauth", problem: /required/ },
  {
    name: "a list of oauth policies",
    given: { oauth: [mcpDevOAuth()] },
    path: "oauth",
    problem: /a list was given/,
  },
  {
    name: "a route policy as oauth",
    given: { oauth: setHeaders({}) },
    path: "oauth",
    problem: /setHeaders\(…\) does/,
  },
  { name: "an object as oauth", given: { oauth: {} }, path: "oauth", problem: /an object was given/ },
  { name: "no routes", given: { routes: undefined }, path: "routes", problem: /required/ },
  { name: "an empty list of routes", given: { routes: [] }, path: "routes", problem: /list is empty/ },
  { name: "a lone route", given: { routes: route() }, path: "routes", problem: /list is expected/ },
  {
    name: "a string as a route",
    given: { routes: [route(), "x"] },
    path: "routes[1]",
    problem: /a string was given/,
  },
  { name: "an unknown option", given: { publicURL: "x" }, path: "publicURL", problem: /no such option/ },
  {
    name: "an unknown limit",
    given: { limits: { bodySize: 1 } },
    path: "limits.bodySize",
    problem: /no such option/,
  },
  {
    name: "a limit as text",
    given: { limits: { streams: "9" } },
    path: "limits.streams",
    problem: /a string was/,
  },
  {
    name: "a limit of zero",
    given: { limits: { jsonDepth: 0 } },
    path: "limits.jsonDepth",
    problem: /0 is out of/,
  },
  {
    name: "half a limit",
    given: { limits: { bodyBytes: 1.5 } },
    path: "limits.bodyBytes",
    problem: /out of bounds/,
  },
  {
    name: "one user with more streams than all",
    given: { limits: { streams: 10, streamsPerUser: 11 } },
    path: "limits.streamsPerUser",
    problem: /more streams than all/,
  },
  {
    name: "a host with a scheme",
    given: { allowedHosts: ["http://a"] },
    path: "allowedHosts[0]",
    problem: /no host/,
  },
  {
    name: "a host with a path",
    given: { allowedHosts: ["a/b"] },
    path: "allowedHosts[0]",
    problem: /no host/,
  },
  {
    name: "a host wildcard",
    given: { allowedHosts: ["*.a.b"] },
    path: "allowedHosts[0]",
    problem: /no host/,
  },
  {
    name: "trustProxy as text",
    given: { trustProxy: "yes" },
    path: "trustProxy",
    problem: /string was given/,
  },
  { name: "minus one proxy", given: { trustProxy: -1 }, path: "trustProxy", problem: /out of bounds/ },
  { name: "basePath as root", given: { basePath: "/" }, path: "basePath", problem: /landing page/ },
  { name: "basePath with slash", given: { basePath: "/a/" }, path: "basePath", problem: /ends with/ },
  { name: "basePath without", given: { basePath: "a" }, path: "basePath", problem: /does not begin/ },
  {
    name: "an admin address",
    given: { admins: { emails: ["x"] } },
    path: "admins.emails[0]",
    problem: /no e-mail/,
  },
  {
    name: "admins misspelled",
    given: { admins: { email: [] } },
    path: "admins.email",
    problem: /no such option/,
  },
  { name: "admins as text", given: { admins: "me" }, path: "admins", problem: /a string was given/ },
  {
    name: "http as scheme",
    given: { redirectSchemes: ["http"] },
    path: "redirectSchemes[0]",
    problem: /never be sent/,
  },
  {
    name: "a cors origin's slash",
    given: { corsOrigins: ["https://a.b/"] },
    path: "corsOrigins[0]",
    problem: /no origin/,
  },
  { name: "a cors star", given: { corsOrigins: ["*"] }, path: "corsOrigins[0]", problem: /no origin/ },
  { name: "a cors null", given: { corsOrigins: ["null"] }, path: "corsOrigins[0]", problem: /no origin/ },
  {
    name: "a registry path",
    given: { registry: { path: "x" } },
    path: "registry.path",
    problem: /does not begin/,
  },
  {
    name: "the registry on top of the token endpoint",
    given: { registry: { path: "/oauth/token" } },
    path: "registry.path",
    problem: /itself answers at \/oauth/,
  },
  { name: "outbound as a flag", given: { outbound: true }, path: "outbound", problem: /object is expected/ },
];

for (const { name, given, path, problem } of WRONG) {
  Deno.test(`compileGateway() refuses ${name}`, () => {
    const found = faults(options(given));
    assert.deepEqual(found.map((fault) => fault.path), [path]);
    assert.match(found[0]?.problem ?? "", problem);
  });
}

for (
  const scheme of ["javascript", "data", "file", "blob", "vbscript", "about", "http", "https", "Cursor", "a:"]
) {
  Deno.test(`redirectSchemes refuses "${scheme}"`, () => {
    assert.equal(faults(options({ redirectSchemes: [scheme] }))[0]?.path, "redirectSchemes[0]");
  });
}

Deno.test("`compileGateway()` reports all faults at once, of the gateway, its policy and every route", () => {
  const lines = report({
    oauth: mcpDevOAuth({ users: [] }),
    publicUrl: "gw.example",
    limit: {},
    corsOrigins: ["*"],
    routes: [
      route({ upstream: "nowhere", operationId: "two" }, "mcp/one"),
      route({ operationId: "two", timeouts: { idleMs: -1 }, policies: [setHeaders({ Host: "x" })] }),
      "three",
      route({ operationId: "four", summery: "x" }),
    ],
  });
  assert.deepEqual(lines.map((line) => line.slice(0, line.indexOf(":"))), [
    "limit",
    "publicUrl",
    "corsOrigins[0]",
    "oauth.users",
    "routes[2]",
    "routes[0].path",
    "routes[0].upstream",
    "routes[1].timeouts.idleMs",
    "routes[1].policies[0].Host",
    "routes[3].summery",
    "routes[3].path",
    "routes[1].operationId",
  ]);
});

Deno.test("an unknown option is told with the nearest one and all the others", () => {
  const [fault] = faults(options({ redirectScheme: [] }));
  assert.match(
    fault?.mend ?? "",
    /^Did you mean "redirectSchemes"\? The options here: oauth, routes, publicUrl/,
  );
  const [nested] = faults(options({ routes: [route({ timeouts: { responseMS: 1 } })] }));
  assert.equal(nested?.path, "routes[0].timeouts.responseMS");
  assert.match(nested?.mend ?? "", /Did you mean "responseMs"\? The options here: responseMs, idleMs/);
});

Deno.test("a configuration may be a function of the mode, and only a synchronous one", () => {
  const modes: string[] = [];
  const given = ({ mode }: { mode: string }) => {
    modes.push(mode);
    return mode === "development" ? options() : publicOptions();
  };
  assert.equal(compile(given).oauth.login.kind, "local");
  assert.equal(compile(given, { mode: "production" }).oauth.login.kind, "oidc");
  assert.deepEqual(modes, ["development", "production"]);
  assert.match(report(() => Promise.resolve(options()))[0] ?? "", /returns a promise/);
  assert.match(report(() => "x")[0] ?? "", /a string was given/);
  assert.match(
    report(() => {
      throw new Error("boom");
    })[0] ?? "",
    /function given to defineGateway failed: Error: boom/,
  );
});

Deno.test("`compileGateway()` refuses what did not come from defineGateway", async () => {
  const { compileGateway } = await import("../../../lib/gateway/compile.ts");
  for (const wrong of [undefined, null, {}, mcpDevOAuth(), route(), "x"]) {
    assert.throws(
      () => compileGateway(wrong, { mode: "development", env: () => undefined }),
      /result of defineGateway is expected/,
    );
  }
});
