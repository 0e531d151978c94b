/** `capabilityFilter()`: what its options become, and every fault at once, each at its path and with its mend (contract section 2.3). */
import assert from "node:assert/strict";
import { resolveGateway } from "../../../lib/gateway/compile.ts";
import { defineGateway } from "../../../lib/gateway/define_gateway.ts";
import { describeGateway } from "../../../lib/gateway/describe.ts";
import { env } from "../../../lib/gateway/env.ts";
import { capabilityFilter } from "../../../policies/capability_filter.ts";
import { setHeaders } from "../../../policies/set_headers.ts";
import {
  faults,
  type Loose,
  loosely,
  onlyRoute,
  options,
  publicOptions,
  report,
  route,
} from "../gateway/configurations.ts";

const filter = (given: unknown) => loosely(capabilityFilter, given);
const compiled = (given: unknown) => onlyRoute({ policies: [filter(given)] }).capabilities;
const faultsOf = (given: unknown) =>
  report(options({ routes: [route({ policies: [setHeaders({}), filter(given)] })] }))
    .map((line) => line.replace("routes[0].policies[1].", ""));
const BY_ROLE = { accessControl: { mode: "rolesAndGroups" } };

Deno.test("omitted lists pass through, empty ones show nothing, entries are names or projections", () => {
  const nothing = { public: true, roles: [], groups: [], projection: null };
  assert.deepEqual(compiled({}), {
    lists: { tools: null, prompts: null, resources: null, resourceTemplates: null },
    access: { kind: "allPublic" },
  });
  assert.deepEqual(
    compiled({
      tools: [],
      prompts: ["a", { name: "b" }, { name: "c", description: "d", _meta: { x: 1 } }],
      resources: [{ uri: "a://b", name: "n", mimeType: "text/plain; charset=utf-8" }],
      resourceTemplates: ["a://{b}"],
    })?.lists,
    {
      tools: [],
      prompts: [
        { id: "a", ...nothing },
        { id: "b", ...nothing },
        { id: "c", ...nothing, projection: { description: "d", _meta: { x: 1 } } },
      ],
      resources: [{
        id: "a://b",
        ...nothing,
        projection: { name: "n", mimeType: "text/plain; charset=utf-8" },
      }],
      resourceTemplates: [{ id: "a://{b}", ...nothing }],
    },
  );
});

Deno.test("with roles and groups, what says nothing is for nobody", () => {
  const found = compiled({
    tools: ["a", { name: "b", roles: ["r"], groups: ["g"] }, { name: "c", public: true }],
    ...BY_ROLE,
  });
  assert.deepEqual(found?.access, { kind: "rolesAndGroups", roleClaim: "roles", groupClaim: "groups" });
  assert.deepEqual(
    found?.lists.tools?.map(({ id, public: everybody, roles, groups }) => [id, everybody, roles, groups]),
    [
      ["a", false, [], []],
      ["b", false, ["r"], ["g"]],
      ["c", true, [], []],
    ],
  );
});

Deno.test("a function decides; it is not called while the configuration is read", () => {
  const rule = () => assert.fail("called");
  assert.deepEqual(compiled({ tools: ["a"], accessControl: rule })?.access, { kind: "rule", rule });
});

const WRONG: readonly (readonly [string, Loose, string])[] = [
  ["an unknown list", { tool: [] }, "tool: There is no such option"],
  ["a list that is none", { tools: "a" }, "tools: A list is expected, but a string was given"],
  ["an empty name", { tools: [""] }, "tools[0]: The value is empty"],
  [
    "white space around a name",
    { tools: ["a", " b"] },
    "tools[1]: The value begins or ends with white space",
  ],
  ["a number as name", { prompts: [5] }, "prompts[0]: A string is expected, but a number was given"],
  ["a name twice", { tools: ["a", "b", "a"] }, 'tools[2]: tools[0] is "a" already'],
  ["a name and its projection", { tools: ["a", { name: "a" }] }, 'tools[1].name: tools[0] is "a" already'],
  ["a projection without name", { tools: [{ description: "d" }] }, "tools[0].name: This option is required"],
  ["a new name", { tools: [{ name: "a", title: "b" }] }, "tools[0].title: There is no such option"],
  [
    "a tool's media type",
    { tools: [{ name: "a", mimeType: "a/b" }] },
    "tools[0].mimeType: There is no such option",
  ],
  [
    "no media type",
    { resources: [{ uri: "a:b", mimeType: "text" }] },
    "resources[0].mimeType: This is no media type",
  ],
  [
    "annotations that are text",
    { tools: [{ name: "a", annotations: "x" }] },
    "tools[0].annotations: An object is expected, but a string was given",
  ],
  [
    "a function in annotations",
    { tools: [{ name: "a", annotations: { b: [() => 1] } }] },
    "tools[0].annotations.b[0]: JSON cannot hold a function",
  ],
  [
    "a number that is none",
    { tools: [{ name: "a", _meta: { b: NaN } }] },
    "tools[0]._meta.b: JSON cannot hold NaN",
  ],
  [
    "no template",
    { resourceTemplates: ["a://{b"] },
    "resourceTemplates[0]: This is no URI template: a brace has no counterpart",
  ],
  [
    "roles for everybody",
    { tools: [{ name: "a", roles: ["r"] }] },
    "tools[0].roles: Everybody sees the same here, so nothing would come of it",
  ],
  [
    "public for everybody",
    { tools: [{ name: "a", public: true }] },
    "tools[0].public: Everybody sees the same here, so nothing would come of it",
  ],
  [
    "public with roles",
    { tools: [{ name: "a", public: true, roles: ["r"] }], ...BY_ROLE },
    "tools[0].public: The entry is for everybody, and for some roles only",
  ],
  [
    "no roles at all",
    { tools: [{ name: "a", roles: [] }], ...BY_ROLE },
    "tools[0].roles: The list is empty, and so nobody is on it",
  ],
  [
    "an empty role",
    { tools: [{ name: "a", roles: [""] }], ...BY_ROLE },
    "tools[0].roles[0]: The value is empty",
  ],
  [
    "nothing to mark",
    BY_ROLE,
    "accessControl: There is no list whose entries could say for whom they are, so everybody sees everything",
  ],
  ["an unknown word", { accessControl: "roles" }, 'accessControl: "roles" is not a choice here'],
  ["an unknown mode", { accessControl: { mode: "role" } }, 'accessControl.mode: "role" is not a choice here'],
  [
    "an unknown claim option",
    { tools: [], accessControl: { mode: "rolesAndGroups", role: "x" } },
    "accessControl.role: There is no such option",
  ],
  [
    "a number",
    { accessControl: 5 },
    "accessControl: A word, an object or a function is expected, but a number was given",
  ],
];

for (const [name, given, line] of WRONG) {
  Deno.test(`a filter is refused at startup: ${name}`, () => assert.deepEqual(faultsOf(given), [line]));
}

Deno.test("all faults are told at once, each with its mend", () => {
  const given = {
    tools: ["a", "a", { name: "b", roles: ["r"] }],
    resourceTemplates: ["a://{b"],
    prompts: [""],
  };
  const found = faults(options({ routes: [route({ policies: [filter(given)] })] }));
  assert.deepEqual(found.map(({ path, mend }) => [path, mend]), [
    ["routes[0].policies[0].prompts[0]", 'Give the name of a prompt, for example "summarize"'],
    [
      "routes[0].policies[0].resourceTemplates[0]",
      'Give a URI template (RFC 6570), as the upstream writes it, for example "docs://pages/{slug}"',
    ],
    ["routes[0].policies[0].tools[2].roles", 'Set accessControl: { mode: "rolesAndGroups" }, or remove it'],
  ]);
  const sound = { tools: ["a", "a", "b", "b"] };
  const next = faults(options({ routes: [route({ policies: [filter(sound)] })] }));
  assert.deepEqual(next.map(({ path, mend }) => [path, mend]), [
    ["routes[0].policies[0].tools[1]", "Name each once"],
    ["routes[0].policies[0].tools[3]", "Name each once"],
  ]);
});

Deno.test("a route has at most one filter, also where the types are not asked", () => {
  const policies = [filter({ tools: ["a"] }), setHeaders({}), filter({ prompts: [] })];
  assert.deepEqual(report(options({ routes: [route({ policies })] })), [
    "routes[0].policies[2]: policies[0] is a capabilityFilter already",
  ]);
});

Deno.test("the resolved configuration shows the filter; placeholders stand in for variables", () => {
  const given = publicOptions({
    routes: [
      route({
        policies: [filter({
          tools: [env("TOOL"), env("OTHER_TOOL"), { name: "b", description: "text", roles: ["r"] }],
          prompts: [],
          resourceTemplates: [env("TEMPLATE")],
          accessControl: { mode: "rolesAndGroups", roleClaim: env("CLAIM") },
        })],
      }),
      route(
        { operationId: "two", policies: [filter({ resources: ["a://b"], accessControl: () => ({}) })] },
        "/mcp/two",
      ),
    ],
  });
  const how = { mode: "production", env: () => undefined, placeholders: true } as const;
  const text = describeGateway(resolveGateway(loosely(defineGateway, given), how));
  assert.match(text, /routes\[0\]\.policies\[0\]\.tools\[2\]\.description +text\n/);
  assert.match(text, /routes\[0\]\.policies\[0\]\.accessControl\.roleClaim +placeholder {2}\(from CLAIM\)\n/);
  assert.match(
    text,
    /routes\[0\] → shown +3 tools, no prompts, all resources, 1 resource template; by role and group\n/,
  );
  assert.match(text, /routes\[1\]\.policies\[0\]\.accessControl +decided by a function\n/);
  assert.match(
    text,
    /routes\[1\] → shown +all tools, all prompts, 1 resource, all resource templates; as a function decides/,
  );
});
