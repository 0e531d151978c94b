/** The options of `capabilityFilter()`: what may stand in them. */
import { z } from "zod";
import type { CapabilityRule } from "../lib/mcp/capability_settings.ts";
import type { ConfigPath } from "../lib/gateway/config_error.ts";
import { isPlainObject } from "../lib/gateway/definition.ts";
import {
  type BrokenRule,
  choice,
  flag,
  list,
  option,
  text,
  typeName,
  withRules,
} from "../lib/gateway/options.ts";
import { CAPABILITY_KINDS } from "../lib/mcp/capabilities.ts";
import { parseUriTemplate, UriTemplateError } from "../lib/mcp/uri_template.ts";

/** Anything that JSON can hold. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [member: string]: Json };

/** An object that JSON can hold. */
export type JsonObject = Readonly<Record<string, Json>>;

const jsonObject = option<JsonObject, JsonObject>(
  { expected: "an object that JSON can hold" },
  (value, refuse) => {
    if (!isPlainObject(value)) {
      refuse(`An object is expected, but ${typeName(value)} was given`);
      return {};
    }
    const fault = jsonFault(value, []);
    if (fault !== null) refuse(`JSON cannot hold ${fault.what}`, { path: fault.path });
    return value as JsonObject; // looked at by jsonFault
  },
);

function jsonFault(
  value: unknown,
  path: (string | number)[],
): { readonly path: (string | number)[]; readonly what: string } | null {
  if (typeof value === "string" || typeof value === "boolean" || value === null) return null;
  if (typeof value === "number") return Number.isFinite(value) ? null : { path, what: String(value) };
  const items = Array.isArray(value) ? value.entries() : isPlainObject(value) ? Object.entries(value) : null;
  if (items === null || path.length > 32) return { path, what: typeName(value) };
  for (const [key, item] of items) {
    const fault = jsonFault(item, [...path, key]);
    if (fault !== null) return fault;
  }
  return null;
}

const role = text({ expected: "a role, as the identity provider writes it", example: "admin" });
const group = text({ expected: "a group, as the identity provider writes it", example: "engineering" });

const projection = {
  /** Shown in place of the upstream's description. */
  description: text({ expected: "what people and models read" }).optional(),
  /** Merged into the upstream's annotations. */
  annotations: jsonObject.optional(),
  /** Merged into the upstream's `_meta`. */
  _meta: jsonObject.optional(),
} as const;

const resourceProjection = {
  ...projection,
  /** Shown in place of the upstream's name. */
  name: text({ expected: "what people read" }).optional(),
  /** Shown in place of the upstream's media type. */
  mimeType: text({
    expected: "a media type",
    example: "text/markdown",
    check: (value) => /^[^\s/;]+\/[^\s/;]+(?:\s*;.*)?$/.test(value) ? undefined : "This is no media type",
  }).optional(),
} as const;

const audience = {
  /** With `rolesAndGroups`: who has one of these roles sees it. */
  roles: list(role).optional(),
  /** With `rolesAndGroups`: who is in one of these groups sees it. */
  groups: list(group).optional(),
  /** With `rolesAndGroups`: everybody sees it. */
  public: flag().optional(),
} as const;

const name = (noun: string, example: string) => text({ expected: `the name of a ${noun}`, example });
const tool = name("tool", "list_issues");
const prompt = name("prompt", "summarize");
const uri = text({ expected: "the URI of a resource", example: "docs://handbook" });
const uriTemplate = text({
  expected: "a URI template (RFC 6570), as the upstream writes it",
  example: "docs://pages/{slug}",
  check(value) {
    try {
      parseUriTemplate(value);
      return undefined;
    } catch (error) {
      if (!(error instanceof UriTemplateError)) throw error;
      return `This is no URI template: ${error.message}`;
    }
  },
});

const filterOptions = z.strictObject({
  /** The tools that are shown: all of the upstream's. */
  tools: list(z.union([tool, z.strictObject({ name: tool, ...projection, ...audience })])).optional(),
  /** The prompts that are shown: all of the upstream's. */
  prompts: list(z.union([prompt, z.strictObject({ name: prompt, ...projection, ...audience })])).optional(),
  /** The resources that are shown and may be read: all of the upstream's. */
  resources: list(z.union([uri, z.strictObject({ uri, ...resourceProjection, ...audience })])).optional(),
  /** The resource templates that are shown, and whose resources may be read: all of the upstream's. */
  resourceTemplates: list(
    z.union([uriTemplate, z.strictObject({ uriTemplate, ...resourceProjection, ...audience })]),
  ).optional(),
  /** Who sees the entries: everybody. */
  accessControl: z.union([
    option<"allPublic" | CapabilityRule, "allPublic" | CapabilityRule>(
      { expected: '"allPublic", { mode: "rolesAndGroups" }, or a function' },
      (value, refuse) => {
        if (value !== "allPublic" && typeof value !== "function") {
          refuse(
            typeof value === "string"
              ? `${JSON.stringify(value)} is not a choice here`
              : `A word, an object or a function is expected, but ${typeName(value)} was given`,
          );
        }
        // What a function takes and returns cannot be seen at run time; what it returns is read with care each time.
        return value as "allPublic" | CapabilityRule;
      },
    ),
    z.strictObject({
      /** Entries say for which roles and groups they are; what says nothing is for nobody. */
      mode: choice(["rolesAndGroups"]),
      /** The claim that holds the user's roles: `roles`. */
      roleClaim: text({ expected: "the name of a claim", example: "https://example.com/roles" })
        .default("roles"),
      /** The claim that holds the user's groups: `groups`. */
      groupClaim: text({ expected: "the name of a claim", example: "cognito:groups" }).default("groups"),
    }),
  ]).default("allPublic"),
});

/** The schema of `CapabilityFilterOptions`. */
export const capabilityFilterSchema = withRules(filterOptions, (options) => {
  const access = options.accessControl;
  const byRole = isPlainObject(access) && access.mode === "rolesAndGroups";
  if (byRole && CAPABILITY_KINDS.every((kind) => options[kind] === undefined)) {
    return [{
      path: "accessControl",
      problem: "There is no list whose entries could say for whom they are, so everybody sees everything",
      mend: `Give one of ${CAPABILITY_KINDS.join(", ")}`,
    }];
  }
  return CAPABILITY_KINDS.flatMap((kind) => {
    const list: unknown = options[kind];
    return Array.isArray(list)
      ? list.flatMap((entry, index) => isPlainObject(entry) ? brokenMarks(entry, [kind, index], byRole) : [])
      : [];
  });
});

/** Whom an entry is for, if that cannot be. */
function brokenMarks(entry: Record<string, unknown>, path: ConfigPath, byRole: boolean): BrokenRule[] {
  const marks = MARKS.filter((mark) => entry[mark] !== undefined);
  if (!byRole) {
    return marks.map((mark) => ({
      path: [...path, mark],
      problem: "Everybody sees the same here, so nothing would come of it",
      mend: 'Set accessControl: { mode: "rolesAndGroups" }, or remove it',
    }));
  }
  return marks.flatMap((mark) => {
    const value = entry[mark];
    if (entry["public"] === true && mark !== "public") {
      const problem = `The entry is for everybody, and for some ${mark} only`;
      return [{ path: [...path, "public"], problem, mend: `Keep either public or ${mark}` }];
    }
    if (!Array.isArray(value) || value.length > 0) return [];
    const problem = "The list is empty, and so nobody is on it";
    return [{ path: [...path, mark], problem, mend: "Name somebody, or remove it" }];
  });
}

const MARKS = ["public", "roles", "groups"] as const;
