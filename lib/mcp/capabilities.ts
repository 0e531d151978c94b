/** What a caller may see and use of an MCP server: the one answer that lists, calls, subscriptions and completions are held against. */
import { parseUriTemplate, type UriTemplate, UriTemplateError } from "./uri_template.ts";

/** The lists that a server publishes, by the name of the member that holds them in an answer. */
export const CAPABILITY_KINDS = ["tools", "prompts", "resources", "resourceTemplates"] as const;

/** One of the lists. */
export type CapabilityKind = typeof CAPABILITY_KINDS[number];

/** The member of a list's entry that names it. */
export const IDENTIFIER: Readonly<Record<CapabilityKind, string>> = {
  tools: "name",
  prompts: "name",
  resources: "uri",
  resourceTemplates: "uriTemplate",
};

/** Members of an entry that are shown otherwise than the upstream says; objects are merged into its own. `null`: none. */
export type Projection = Readonly<Record<string, unknown>> | null;

/** The entries that are shown, by identifier; `null`: whatever the upstream has. */
export type AllowedEntries = ReadonlyMap<string, Projection> | null;

/** For each list what is shown of it. */
export type AllowedLists = Readonly<Record<CapabilityKind, AllowedEntries>>;

/** What one caller may see and use. Callers who may see the same share one. */
export class Allowance {
  readonly lists: AllowedLists;
  /** Others may see something else, so that nobody may keep an answer for everybody. */
  readonly perUser: boolean;
  readonly #templates: readonly UriTemplate[];

  constructor(lists: AllowedLists, perUser: boolean) {
    this.lists = lists;
    this.perUser = perUser;
    this.#templates = [...lists.resourceTemplates?.keys() ?? []].flatMap(templateOf);
  }

  /** Whether an entry is shown. Identifiers are compared as they are: no case, Unicode form or encoding is another's equal. */
  shows(kind: CapabilityKind, identifier: unknown): boolean {
    const entries = this.lists[kind];
    return entries === null || (typeof identifier === "string" && entries.has(identifier));
  }

  /** Whether resources are curated at all: then a URI has to be found in one of the two lists. */
  get limitsResources(): boolean {
    return this.lists.resources !== null || this.lists.resourceTemplates !== null;
  }

  /** Whether a resource may be read and watched: it is listed, or a listed template expands to it. */
  allowsResource(uri: unknown): boolean {
    if (!this.limitsResources) return true;
    if (typeof uri !== "string") return false;
    return this.lists.resources?.has(uri) === true ||
      this.#templates.some((template) => template.matches(uri));
  }

  /** Whether the arguments of a resource or template may be completed: what is named is a template as it is listed, or a resource. */
  allowsResourceReference(uri: unknown): boolean {
    if (this.allowsResource(uri)) return true;
    return typeof uri === "string" && this.lists.resourceTemplates?.has(uri) === true;
  }
}

/** Nothing at all: what is allowed when it cannot be told. */
export const NOTHING: Allowance = new Allowance(
  { tools: new Map(), prompts: new Map(), resources: new Map(), resourceTemplates: new Map() },
  true,
);

/** A template that a rule returned may be none; it then matches nothing. */
function templateOf(template: string): UriTemplate[] {
  try {
    return [parseUriTemplate(template)];
  } catch (error) {
    if (error instanceof UriTemplateError) return [];
    throw error;
  }
}
