/** `capabilityFilter({ … })`: what of an upstream clients see and may use, and which users do. */
import type { z } from "zod";
import type {
  CapabilityAccess,
  CapabilityEntry,
  CapabilityFilter,
  CapabilityRule,
} from "../lib/mcp/capability_settings.ts";
import {
  type CapabilityPolicy,
  type CompileContext,
  define,
  type DefinitionSpec,
  type RoutePolicyPart,
} from "../lib/gateway/definition.ts";
import type { Text } from "../lib/gateway/options.ts";
import { type CapabilityKind, IDENTIFIER } from "../lib/mcp/capabilities.ts";
import { capabilityFilterSchema, type JsonObject } from "./capability_filter_options.ts";

/** @internal */
type Output = z.output<typeof capabilityFilterSchema>;

/** What is shown otherwise than the upstream says; objects are merged into its own. */
export interface CapabilityProjection {
  /** Shown in place of the upstream's. */
  description?: Text;
  /** Merged into the upstream's. */
  annotations?: JsonObject;
  /** Merged into the upstream's. */
  _meta?: JsonObject;
}

/** The same for a resource or a resource template. */
export interface ResourceProjection extends CapabilityProjection {
  /** Shown in place of the upstream's. */
  name?: Text;
  /** Shown in place of the upstream's. */
  mimeType?: Text;
}

/** Whom an entry is for, with `accessControl: { mode: "rolesAndGroups" }`. */
export type CapabilityAudience =
  | {
    /** Everybody sees it. */
    public: true;
    /** It is for everybody. */
    roles?: never;
    /** It is for everybody. */
    groups?: never;
  }
  | {
    /** Not everybody sees it. */
    public?: false;
    /** Who has one of these roles sees it. */
    roles?: readonly Text[];
    /** Who is in one of these groups sees it. */
    groups?: readonly Text[];
  };

/** What is shown when everybody sees the same, or a function decides. */
export interface CapabilityFilterLists {
  /** The tools that are shown: all of the upstream's. */
  tools?: readonly (Text | ({ name: Text } & CapabilityProjection))[];
  /** The prompts that are shown: all of the upstream's. */
  prompts?: readonly (Text | ({ name: Text } & CapabilityProjection))[];
  /** The resources that are shown and may be read: all of the upstream's. */
  resources?: readonly (Text | ({ uri: Text } & ResourceProjection))[];
  /** The resource templates that are shown, and whose resources may be read: all of the upstream's. */
  resourceTemplates?: readonly (Text | ({ uriTemplate: Text } & ResourceProjection))[];
  /** Who sees the entries: everybody, or whom a function lets. */
  accessControl?: "allPublic" | CapabilityRule;
}

/** What is shown to whom, by role and group. What says nothing of roles and groups is for nobody. */
export interface CapabilityFilterByRole {
  /** The tools that are shown: all of the upstream's. */
  tools?: readonly (Text | ({ name: Text } & CapabilityProjection & CapabilityAudience))[];
  /** The prompts that are shown: all of the upstream's. */
  prompts?: readonly (Text | ({ name: Text } & CapabilityProjection & CapabilityAudience))[];
  /** The resources that are shown and may be read: all of the upstream's. */
  resources?: readonly (Text | ({ uri: Text } & ResourceProjection & CapabilityAudience))[];
  /** The resource templates that are shown, and whose resources may be read: all of the upstream's. */
  resourceTemplates?: readonly (Text | ({ uriTemplate: Text } & ResourceProjection & CapabilityAudience))[];
  /** The entries say for which roles and groups they are. */
  accessControl: {
    /** The entries say for which roles and groups they are. */
    mode: "rolesAndGroups";
    /** The claim of the ID token that holds the user's roles: `roles`. */
    roleClaim?: Text;
    /** The claim of the ID token that holds the user's groups: `groups`. */
    groupClaim?: Text;
  };
}

/** Options of {@linkcode capabilityFilter}. */
export type CapabilityFilterOptions = CapabilityFilterLists | CapabilityFilterByRole;

const spec: DefinitionSpec<typeof capabilityFilterSchema, RoutePolicyPart> = {
  builder: "capabilityFilter",
  schema: capabilityFilterSchema,
  compile: (options, context) => ({ kind: "capabilities", filter: filterOf(options, context) }),
};

/** Shows only what is listed; everything else cannot be listed, used, watched or completed. */
export function capabilityFilter(options: CapabilityFilterOptions): CapabilityPolicy {
  return define("capabilities", spec, options);
}

function filterOf(options: Output, context: CompileContext): CapabilityFilter {
  const access = accessOf(options.accessControl);
  const rules = { byRole: access.kind === "rolesAndGroups", context };
  const lists = {
    tools: entriesOf(options, "tools", rules),
    prompts: entriesOf(options, "prompts", rules),
    resources: entriesOf(options, "resources", rules),
    resourceTemplates: entriesOf(options, "resourceTemplates", rules),
  };
  return { lists, access };
}

function accessOf(given: Output["accessControl"]): CapabilityAccess {
  if (given === "allPublic") return { kind: "allPublic" };
  if (typeof given === "function") return { kind: "rule", rule: given };
  return { kind: given.mode, roleClaim: given.roleClaim, groupClaim: given.groupClaim };
}

/** What decides whether the entries of a list are sound. */
interface EntryRules {
  readonly byRole: boolean;
  readonly context: CompileContext;
}

function entriesOf(options: Output, kind: CapabilityKind, rules: EntryRules): CapabilityEntry[] | null {
  const given = options[kind];
  if (given === undefined) return null;
  const first = new Map<string, number>();
  return given.map((item, index) => {
    const entry = entryOf(item, kind, rules.byRole);
    const path = typeof item === "string" ? [kind, index] : [kind, index, IDENTIFIER[kind]];
    const other = first.get(entry.id);
    if (other === undefined) {
      first.set(entry.id, index);
    } else if (!rules.context.isPlaceholder(path)) {
      rules.context.fault(path, `${kind}[${other}] is ${JSON.stringify(entry.id)} already`, "Name each once");
    }
    return entry;
  });
}

function entryOf(
  item: NonNullable<Output[CapabilityKind]>[number],
  kind: CapabilityKind,
  byRole: boolean,
): CapabilityEntry {
  if (typeof item === "string") return { id: item, projection: null, public: !byRole, roles: [], groups: [] };
  const { public: isPublic, roles, groups, ...rest } = item;
  const { [IDENTIFIER[kind]]: id, ...shown }: Record<string, unknown> = rest;
  const projection = Object.fromEntries(Object.entries(shown).filter(([, value]) => value !== undefined));
  return {
    id: String(id),
    projection: Object.keys(projection).length === 0 ? null : projection,
    public: !byRole || isPublic === true,
    roles: roles ?? [],
    groups: groups ?? [],
  };
}
