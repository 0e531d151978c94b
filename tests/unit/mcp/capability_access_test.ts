/** `AllowanceBook`: who may see the same shares one allowance, and nobody else does. */
import assert from "node:assert/strict";
import { AccessDecisionError, AllowanceBook, valuesOf } from "../../../lib/mcp/capability_access.ts";
import { CAPABILITY_KINDS } from "../../../lib/mcp/capabilities.ts";

const entry = (id: string, roles: readonly string[] = [], groups: readonly string[] = []) => ({
  id,
  projection: { description: id },
  public: roles.length + groups.length === 0,
  roles,
  groups,
});
const nothing = { prompts: null, resources: null, resourceTemplates: null };
const names = { roleClaim: "roles", groupClaim: "groups" };

Deno.test("users with the same roles share an allowance; others, and everybody, have another", () => {
  const book = new AllowanceBook({
    ...nothing,
    tools: [entry("all"), entry("a", ["r"]), entry("b", [], ["g"])],
  });
  const shown = (
    claims: Record<string, unknown> | null,
  ) => [...book.ofClaims(claims, names).lists.tools?.keys() ?? []];
  assert.deepEqual(shown(null), ["all"]);
  assert.deepEqual(shown({ roles: ["r"] }), ["all", "a"]);
  assert.deepEqual(shown({ groups: "g", roles: ["x"] }), ["all", "b"]);
  assert.equal(book.ofClaims({ roles: ["r"] }, names), book.ofClaims({ roles: "r", groups: ["x"] }, names));
  assert.notEqual(book.ofClaims({ roles: ["r"] }, names), book.ofClaims({ groups: ["g"] }, names));
  assert.deepEqual(book.ofClaims({ roles: ["r"] }, names).lists.tools?.get("a"), { description: "a" });
  assert.ok(book.ofClaims(null, names).perUser);
  assert.ok(!book.everybody.perUser);
});

Deno.test("a decision takes away; the order of its names does not matter, and projections stay", () => {
  const book = new AllowanceBook({ ...nothing, tools: [entry("a"), entry("b")] });
  const narrowed = book.narrowed({ tools: ["b", "x", "b", "__proto__"], prompts: ["p"] });
  assert.deepEqual([...narrowed.lists.tools ?? []], [["b", { description: "b" }]]);
  assert.deepEqual([...narrowed.lists.prompts ?? []], [["p", null]]);
  assert.equal(narrowed.lists.resources, null);
  assert.equal(book.narrowed({ prompts: ["p"], tools: ["__proto__", "x", "b"] }), narrowed);
  assert.notEqual(book.narrowed({ prompts: ["p"] }), narrowed);
  assert.notEqual(book.narrowed({ tools: ["p"], prompts: ["b", "x", "__proto__"] }), narrowed);
});

Deno.test("what is no decision is refused", () => {
  const book = new AllowanceBook({ ...nothing, tools: [] });
  const wrong: unknown[] = [
    undefined,
    null,
    true,
    "tools",
    [],
    new Set(["tools"]),
    new (class {
      tools = [];
    })(),
    { Tools: [] },
    { tools: null },
    { tools: undefined },
    { tools: new Set() },
    { tools: [1] },
    { tools: Array.from({ length: 10_001 }, (_, index) => `t${index}`) },
    JSON.parse('{"__proto__":[]}'),
  ];
  for (const decision of wrong) assert.throws(() => book.narrowed(decision), AccessDecisionError);
  assert.ok(book.narrowed({}));
  assert.ok(book.narrowed(Object.assign(Object.create(null), { tools: [] })));
});

Deno.test("a thousand different decisions are not kept for ever, and stay right", () => {
  const book = new AllowanceBook({ tools: null, ...nothing });
  for (let user = 0; user < 3_000; user++) {
    const { lists } = book.narrowed({ tools: [`own_${user}`] });
    assert.deepEqual([...lists.tools?.keys() ?? []], [`own_${user}`]);
    assert.ok(CAPABILITY_KINDS.every((kind) => kind === "tools" || lists[kind] === null));
  }
});

Deno.test("values of a claim are its strings", () => {
  assert.deepEqual([...valuesOf({ a: ["x", "", 5, null, "y", ["z"]] }, "a")], ["x", "y"]);
  for (const claim of [undefined, null, 5, {}, "", []]) assert.equal(valuesOf({ a: claim }, "a").size, 0);
  assert.equal(valuesOf(null, "a").size, 0);
});
