/** Who sees what: roles and groups of the login, and rules of the configuration, which can only take away. */
import assert from "node:assert/strict";
import { LOCAL_ISSUER, userIdOf } from "../../lib/login/identity.ts";
import { users } from "../../lib/store/schema.ts";
import type { CapabilityIdentity, CapabilityRequest, CapabilityRule } from "../../mod.ts";
import { type CuratedGateway, curatedGateway, legacy, modern } from "../support/curated_gateway.ts";

const idOf = (user: string) => userIdOf({ issuer: LOCAL_ISSUER, subject: user });

/** What the identity provider would have said at the login, which the local login does not. */
async function giveClaims(
  { gateway }: CuratedGateway,
  user: string,
  claims: Record<string, unknown>,
): Promise<void> {
  const { store } = gateway.services;
  const entry = await store.get(users, idOf(user));
  assert.ok(entry !== null);
  await store.write().set(users, [idOf(user)], { ...entry.value, claims }).commit();
  // A login in another process is noticed within a second.
  gateway.clock.advance({ seconds: 1 });
}

const toolsOf = (answered: { body: { result: { tools: { name: string }[] } } }) =>
  answered.body.result.tools.map(({ name }) => name);

const BY_ROLE = {
  tools: [
    { name: "list_issues", public: true },
    { name: "get_issue", groups: ["engineering", "support"] },
    { name: "delete_everything", roles: ["admin"], groups: ["owners"] },
    "constructor",
  ],
  resources: [{ uri: "docs://handbook", public: true }, { uri: "docs://payroll", roles: ["admin"] }],
  accessControl: { mode: "rolesAndGroups" },
} as const;

Deno.test("each user sees what the own roles and groups are for; what is marked for nobody is nobody's", async () => {
  await using curated = await curatedGateway(BY_ROLE, { users: ["alice", "bob", "carol"] });
  const tokens = { bob: await curated.signIn("bob"), carol: await curated.signIn("carol") };
  await giveClaims(curated, "bob", { groups: ["support"], roles: "admins" });
  await giveClaims(curated, "carol", { roles: ["user", "admin"] });
  const expected: [string | null, string[]][] = [
    [null, ["list_issues"]],
    [tokens.bob, ["list_issues", "get_issue"]],
    [tokens.carol, ["list_issues", "delete_everything"]],
  ];
  for (const [token, names] of expected) {
    const options = token === null ? {} : { token };
    assert.deepEqual(toolsOf(await curated.ask(legacy("tools/list"), options)), names);
    for (const name of ["list_issues", "get_issue", "delete_everything", "constructor"]) {
      const { body } = await curated.ask(legacy("tools/call", { name }), options);
      assert.equal(body.error?.code, names.includes(name) ? undefined : -32601, `${token} ${name}`);
    }
    const { body } = await curated.ask(legacy("resources/read", { uri: "docs://payroll" }), options);
    assert.equal(body.error?.code, token === tokens.carol ? undefined : -32601);
  }
});

Deno.test("claims of any name are read as they are: lists of strings, one string, and nothing else", async () => {
  const tools = [{ name: "get_issue", roles: ["admin"] }];
  const roleClaim = "https://acme.example/roles";
  await using curated = await curatedGateway({ tools, accessControl: { mode: "rolesAndGroups", roleClaim } });
  const seen = async (claims: Record<string, unknown>) => {
    await giveClaims(curated, "alice", claims);
    return toolsOf(await curated.ask(legacy("tools/list"))).length === 1;
  };
  assert.ok(await seen({ [roleClaim]: ["user", "admin"] }));
  assert.ok(await seen({ [roleClaim]: "admin" }));
  for (
    const claim of [
      "user admin",
      "admin,user",
      "Admin",
      ["user admin"],
      [["admin"]],
      { admin: true },
      null,
      5,
    ]
  ) {
    assert.ok(!await seen({ [roleClaim]: claim }), JSON.stringify(claim));
  }
  assert.ok(!await seen({ roles: ["admin"], groups: ["admin"] }), "another claim");
});

Deno.test("a claim that only the language knows is no role", async () => {
  const tools = [{ name: "get_issue", roles: ["admin"] }];
  for (const roleClaim of ["constructor", "__proto__", "toString"]) {
    await using curated = await curatedGateway({
      tools,
      accessControl: { mode: "rolesAndGroups", roleClaim },
    });
    await giveClaims(curated, "alice", {});
    assert.deepEqual(toolsOf(await curated.ask(legacy("tools/list"))), [], roleClaim);
  }
});

Deno.test("what the next login says counts at once", async () => {
  await using curated = await curatedGateway(BY_ROLE, { users: ["alice", "bob"] });
  await giveClaims(curated, "alice", { roles: ["admin"] });
  const hidden = async () =>
    (await curated.ask(legacy("tools/call", { name: "delete_everything" }))).body.error;
  assert.equal(await hidden(), undefined);
  // The local login says nothing of roles: the user has lost them. The token is still the old one, and no time has passed.
  await curated.signIn("alice");
  assert.equal((await hidden())?.code, -32601);
});

Deno.test("what depends on the user is private, on every page, whatever the upstream says (TR-20)", async () => {
  const rule: CapabilityRule = () => ({});
  for (
    const filter of [BY_ROLE, {
      tools: ["list_issues", "get_issue"],
      resources: ["docs://handbook"],
      accessControl: rule,
    }]
  ) {
    for (const form of ["json", "stream"] as const) {
      await using curated = await curatedGateway(filter, { script: { form } });
      for (const params of [{}, { cursor: "page-2" }]) {
        for (
          const [method, given] of [["tools/list", {}], ["resources/list", {}], ["resources/read", {
            uri: "docs://handbook",
          }]] as const
        ) {
          const { message, headers } = modern(method, { ...params, ...given });
          const { body } = await curated.ask(message, { headers });
          assert.equal(body.result.cacheScope, "private", method);
          assert.equal(body.result.ttlMs, 1000);
        }
        // Not curated, and so the same for everybody.
        const { message, headers } = modern("prompts/list", params);
        assert.equal((await curated.ask(message, { headers })).body.result.cacheScope, "public");
      }
    }
  }
});

Deno.test("a list that one user got is never another's, though the upstream says the same (B13 203)", async () => {
  await using curated = await curatedGateway(BY_ROLE, { users: ["alice", "bob"] });
  const bob = await curated.signIn("bob");
  await giveClaims(curated, "bob", { roles: ["admin"] });
  for (let round = 0; round < 20; round++) {
    const [a, b] = await Promise.all([
      curated.ask(legacy("tools/list", {}, round)),
      curated.ask(legacy("tools/list", {}, round), { token: bob }),
    ]);
    assert.deepEqual([a.body.id, b.body.id], [round, round]);
    assert.deepEqual(toolsOf(a), ["list_issues"]);
    assert.deepEqual(toolsOf(b), ["list_issues", "delete_everything"]);
  }
});

Deno.test("a rule gets the user and the request, and can take away, never add", async () => {
  const asked: [CapabilityIdentity, CapabilityRequest][] = [];
  const rule: CapabilityRule = async (identity, request) => {
    asked.push([identity, request]);
    await Promise.resolve();
    return {
      tools: ["get_issue", "delete_everything"],
      prompts: ["summarize"],
      resourceTemplates: ["docs://pages/{slug}"],
    };
  };
  await using curated = await curatedGateway({ tools: ["list_issues", "get_issue"], accessControl: rule });
  assert.deepEqual(toolsOf(await curated.ask(legacy("tools/list"))), ["get_issue"]);
  const prompts = await curated.ask(legacy("prompts/list"));
  assert.deepEqual(prompts.body.result.prompts.length, 1);
  const codes = [];
  for (
    const [method, params] of [
      ["tools/call", { name: "get_issue" }],
      ["tools/call", { name: "delete_everything" }],
      ["tools/call", { name: "list_issues" }],
      ["prompts/get", { name: "leak" }],
      ["resources/read", { uri: "docs://pages/a" }],
      ["resources/read", { uri: "docs://handbook" }],
    ] as const
  ) {
    codes.push((await curated.ask(legacy(method, params), { headers: { "x-team": "a" } })).body.error?.code);
  }
  assert.deepEqual(codes, [undefined, -32601, -32601, -32601, undefined, -32601]);
  const [identity, request] = asked[2] ?? [];
  assert.deepEqual(
    { ...identity, claims: null },
    {
      issuer: LOCAL_ISSUER,
      subject: "alice",
      name: "alice",
      email: null,
      emailVerified: false,
      claims: null,
    },
  );
  assert.ok(Object.isFrozen(identity) && Object.isFrozen(identity?.claims));
  assert.deepEqual(
    [request?.operationId, request?.method, request?.capability, request?.headers.get("x-team")],
    ["alpha", "tools/call", "get_issue", "a"],
  );
  for (const name of ["authorization", "cookie", "mcp-session-id"]) {
    assert.equal(request?.headers.get(name), null);
  }
});

/** Rules that do not come to a decision. Their types say that they do. */
const BROKEN: readonly (readonly [string, string, () => unknown])[] = [
  ["throws", "access_rule_failed", () => {
    throw new TypeError("no");
  }],
  ["rejects", "access_rule_failed", () => Promise.reject(new Error("no"))],
  ["throws what is no error", "access_rule_failed", () => Promise.reject("no")],
  ["nothing", "access_rule_no_decision", () => undefined],
  ["true", "access_rule_no_decision", () => true],
  ["a list", "access_rule_no_decision", () => ["list_issues"]],
  ["a map", "access_rule_no_decision", () => new Map([["tools", []]])],
  ["an unknown list", "access_rule_no_decision", () => ({ tool: ["list_issues"] })],
  ["a list that is none", "access_rule_no_decision", () => ({ tools: "list_issues" })],
  ["a list of no strings", "access_rule_no_decision", () => ({ tools: ["list_issues", 5] })],
  ["a list that is not there", "access_rule_no_decision", () => ({ tools: undefined })],
];

for (const [what, reason, rule] of BROKEN) {
  Deno.test(`a rule that returns no decision leaves nothing, and an event says why: ${what}`, async () => {
    await using curated = await curatedGateway({
      tools: ["list_issues"],
      accessControl: rule as CapabilityRule,
    });
    assert.deepEqual(toolsOf(await curated.ask(legacy("tools/list"))), []);
    assert.deepEqual(
      (await curated.ask(legacy("prompts/list"))).body.result.prompts,
      [],
      "also what was not curated",
    );
    const upstream = curated.gateway.upstreamRequests.length;
    for (
      const [method, params] of [
        ["tools/call", { name: "list_issues" }],
        ["prompts/get", { name: "summarize" }],
        ["resources/read", { uri: "docs://handbook" }],
      ] as const
    ) {
      assert.equal((await curated.ask(legacy(method, params))).body.error.code, -32601);
    }
    assert.equal(curated.gateway.upstreamRequests.length, upstream);
    const failures = curated.gateway.events.filter(({ event }) => event === "mcp_capability_access_failed");
    assert.equal(failures.length, 5);
    assert.equal(failures[0]?.["reasonCode"], reason);
    assert.equal(failures[0]?.level, "error");
  });
}

Deno.test("a rule that takes too long leaves nothing", async () => {
  const never = Promise.withResolvers<never>();
  await using curated = await curatedGateway({ tools: ["list_issues"], accessControl: () => never.promise });
  const began = performance.now();
  assert.equal((await curated.ask(legacy("tools/call", { name: "list_issues" }))).body.error.code, -32601);
  assert.ok(performance.now() - began >= 4_900);
  const [failure] = curated.gateway.events.filter(({ event }) => event === "mcp_capability_access_failed");
  assert.equal(failure?.["reasonCode"], "access_rule_too_slow");
  never.reject(new Error("nobody hears it"));
});

Deno.test("a rule is not asked about what it cannot decide", async () => {
  let asked = 0;
  const accessControl: CapabilityRule = () => {
    asked++;
    return {};
  };
  await using curated = await curatedGateway({ accessControl });
  for (const method of ["initialize", "ping", "notifications/initialized", "logging/setLevel"]) {
    const { id, ...rest } = legacy(method);
    await (await curated.send(method.startsWith("notifications/") ? rest : { ...rest, id })).body?.cancel();
  }
  await (await curated.send({ jsonrpc: "2.0", id: 1, result: {} })).body?.cancel();
  await (await curated.send(null, { method: "DELETE" })).body?.cancel();
  assert.equal(asked, 0);
});
