/** What the types say about `capabilityFilter()`: sound uses, and misuses with what the compiler must say. For tests/types_test.ts. */
import type { Misuse } from "./token_exchange_types.ts";

/** Uses that have to compile. */
export const CAPABILITY_FILTER_SOUND = `
capabilityFilter({});
capabilityFilter({ tools: [], prompts: ["p", env("PROMPT")] });
capabilityFilter({
  tools: [{ name: env("TOOL"), description: "d", annotations: { readOnlyHint: true, deep: { a: [1, null] } }, _meta: {} }],
  resources: ["a://b", { uri: "a://c", name: "n", mimeType: "text/plain" }],
  resourceTemplates: ["a://{b}", { uriTemplate: "a://{c}", description: "d" }],
  accessControl: "allPublic",
});
capabilityFilter({
  tools: ["nobody", { name: "a", roles: ["admin", env("ROLE")] }, { name: "b", groups: ["g"] }, { name: "c", public: true }],
  accessControl: { mode: "rolesAndGroups", roleClaim: "https://example.com/roles", groupClaim: env("CLAIM") },
});
capabilityFilter({ tools: ["a"], accessControl: ({ claims }) => claims["plan"] === "pro" ? {} : { tools: [] } });
capabilityFilter({
  accessControl: async (identity, request) => ({
    tools: await Promise.resolve([identity.subject, request.operationId]),
    resources: request.headers.has("x-team") ? ["a://b"] : [],
  }),
});
mcpProxy("/mcp/f", {
  operationId: "f",
  upstream,
  policies: [capabilityFilter({ tools: ["a"] }), setHeaders({}), upstreamApiKey({ value: "k" })],
});
`;

/** Uses that must not compile. */
export const CAPABILITY_FILTER_MISUSES: readonly Misuse[] = [
  {
    name: "two capability filters on a route",
    code: 'mcpProxy("/mcp/f", { operationId: "f", upstream, policies: [capabilityFilter({ tools: [] }), ' +
      "setHeaders({}), capabilityFilter({ prompts: [] })] });",
    says: /"a route takes at most one capabilityFilter"/,
  },
  {
    name: "two capability filters around a credential",
    code: 'mcpProxy("/mcp/f", { operationId: "f", upstream, policies: [capabilityFilter({ tools: [] }), ' +
      'upstreamApiKey({ value: "k" }), capabilityFilter({ tools: [] })] });',
    says: /"a route takes at most one capabilityFilter"/,
  },
  {
    name: "two credentials around a capability filter",
    code: 'mcpProxy("/mcp/f", { operationId: "f", upstream, policies: [upstreamApiKey({ value: "k" }), ' +
      'capabilityFilter({ tools: [] }), upstreamApiKey({ value: "k" })] });',
    says: /"a route takes at most one credential policy"/,
  },
  {
    name: "an unknown list",
    code: 'capabilityFilter({ tool: ["a"] });',
    says: /'tool' does not exist in type/,
  },
  {
    name: "a projection that renames a tool",
    code: 'capabilityFilter({ tools: [{ name: "a", title: "b" }] });',
    says: /'title' does not exist in type/,
  },
  {
    name: "a media type of a tool",
    code: 'capabilityFilter({ tools: [{ name: "a", mimeType: "text/plain" }] });',
    says: /'mimeType' does not exist in type/,
  },
  {
    name: "a resource without its URI",
    code: 'capabilityFilter({ resources: [{ name: "a" }] });',
    says: /Property 'uri' is missing/,
  },
  {
    name: "roles without the mode that looks at them",
    code: 'capabilityFilter({ tools: [{ name: "a", roles: ["admin"] }] });',
    says: /Property 'accessControl' is missing[\s\S]*required in type 'CapabilityFilterByRole'/,
  },
  {
    name: "an entry for everybody and for a role",
    code: 'capabilityFilter({ tools: [{ name: "a", public: true, roles: ["admin"] }], ' +
      'accessControl: { mode: "rolesAndGroups" } });',
    says: /Types of property 'roles' are incompatible/,
  },
  {
    name: "an unknown mode of access control",
    code: 'capabilityFilter({ tools: [], accessControl: { mode: "roles" } });',
    says: /'"roles"' is not assignable to type '"rolesAndGroups"'/,
  },
  {
    name: "a rule that returns no lists",
    code: "capabilityFilter({ tools: [], accessControl: () => true });",
    says: /Type 'boolean' is not assignable to type 'CapabilityDecision/,
  },
  {
    name: "a rule with a misspelled list",
    code: 'capabilityFilter({ tools: [], accessControl: () => ({ tool: ["a"] }) });',
    says: /Type '\{ tool: string\[\]; \}' is not assignable to type 'CapabilityDecision/,
  },
  {
    name: "annotations that JSON cannot hold",
    code: 'capabilityFilter({ tools: [{ name: "a", annotations: { f: () => 1 } }] });',
    says: /Type '\(\) => number' is not assignable to type/,
  },
];
