/** One run of the compiler: reads options by their schemas, resolves `env()`, and collects every fault and setting. */
import type { z } from "zod";
import { type ConfigFault, type ConfigPath, formatPath } from "./config_error.ts";
import {
  type CompileContext,
  type Definition,
  isPlainObject,
  openDefinition,
  type OptionReader,
  type Site,
} from "./definition.ts";
import { EnvReference } from "./env.ts";
import { faultsOf, flatten, pathOf, valueAt } from "./issues.ts";

/** One value of the resolved configuration, as `describe` prints it. */
export interface Setting {
  readonly path: string;
  readonly value: unknown;
  /** The environment variable it was read from. */
  readonly variable: string | null;
}

/** What {@linkcode Compilation} needs from outside. */
export interface CompilationOptions {
  env(name: string): string | undefined;
  /** Stands in a plausible value for each variable that is not set. */
  placeholders: boolean;
}

/** A place in the options that named a variable. */
interface Variable {
  readonly path: ConfigPath;
  readonly name: string;
  readonly missing: boolean;
}

// What options ask for, from the most general shape to the most particular; schemas add their own examples.
const PLACEHOLDERS = [
  "placeholder",
  "https://placeholder.example",
  "placeholder.example",
  "00000000-0000-4000-8000-000000000000",
  "placeholder.apps.googleusercontent.com",
  "client_placeholder",
  "-----BEGIN CERTIFICATE-----\nplaceholder\n-----END CERTIFICATE-----",
  "-----BEGIN PRIVATE KEY-----\nplaceholder\n-----END PRIVATE KEY-----",
];

/** Collects what is found while definitions are read. It is thrown away when the gateway has been built. */
export class Compilation implements OptionReader {
  readonly faults: ConfigFault[] = [];
  readonly settings: Setting[] = [];
  readonly #options: CompilationOptions;
  /** The variable behind each path that has one. */
  readonly #names = new Map<string, string>();
  /** Paths whose value is made up. */
  readonly #placeholders = new Set<string>();
  #site: Site | null = null;

  constructor(options: CompilationOptions) {
    this.#options = options;
  }

  /** Tells definitions where the gateway will stand; call it before any of them is opened. */
  placeAt(site: Site): void {
    this.#site = site;
  }

  fault(path: ConfigPath, problem: string, mend: string): void {
    const place = formatPath(path);
    const variable = this.#names.get(place);
    this.faults.push({ path: place, ...(variable === undefined ? {} : { variable }), problem, mend });
  }

  /** {@linkcode OptionReader.read}; `variable` is where the whole input came from, if not from the configuration. */
  read<Schema extends z.ZodType>(
    schema: Schema,
    input: unknown,
    path: ConfigPath,
    variable?: string,
  ): { readonly options: z.output<Schema> } | null {
    const variables: Variable[] = variable === undefined
      ? []
      : [{ path: [], name: variable, missing: false }];
    // A holder gives the input itself a place, so that setting a value by path needs no special case.
    const holder = { value: this.#resolve(input, [], variables) };
    if (this.#options.placeholders) fillPlaceholders(schema, holder, variables);
    const missing = this.#options.placeholders ? [] : variables.filter((variable) => variable.missing);
    for (const each of variables) {
      const place = formatPath([...path, ...each.path]);
      this.#names.set(place, each.name);
      if (this.#options.placeholders && each.missing) this.#placeholders.add(place);
    }
    const parsed = schema.safeParse(holder.value);
    const found = parsed.success ? [] : faultsOf(parsed.error.issues, { schema, input: holder.value });
    for (const { name, path: tail } of missing) {
      const wanted = found.find((fault) => !fault.unknown && formatPath(fault.path) === formatPath(tail));
      const { problem, mend } = missingVariable(name, wanted?.mend);
      this.faults.push({ path: formatPath([...path, ...tail]), variable: name, problem, mend });
    }
    if (parsed.success) {
      this.#record(parsed.data, path);
      return missing.length === 0 ? { options: parsed.data } : null;
    }
    const silent = new Set(missing.map((each) => formatPath(each.path)));
    for (const fault of found) {
      // That the option is required has just been said in terms of its variable.
      if (silent.has(formatPath(fault.path)) && !fault.unknown) continue;
      this.fault([...path, ...fault.path], fault.problem, fault.mend);
    }
    // Unknown options are reported; without them the rules across the known ones can still be checked.
    const known = withoutUnknown(holder.value, parsed.error.issues);
    const again = known === undefined ? undefined : schema.safeParse(known);
    if (!again?.success || missing.length > 0) return null;
    this.#record(again.data, path);
    return { options: again.data };
  }

  contextAt(path: ConfigPath): CompileContext {
    if (this.#site === null) throw new Error("a definition was opened before placeAt()");
    return {
      site: this.#site,
      fault: (tail, problem, mend) => this.fault([...path, ...tail], problem, mend),
      isPlaceholder: (tail) => this.#placeholders.has(formatPath([...path, ...tail])),
      open: <Compiled>(definition: Definition<string, Compiled>, tail: ConfigPath) =>
        openDefinition(definition, this, [...path, ...tail]),
    };
  }

  /** The text of an option as far as it can be known without its schema. */
  textOf(value: unknown): string | undefined {
    if (typeof value === "string") return value;
    return value instanceof EnvReference && isVariableName(value.name)
      ? value.resolve(this.#options.env)
      : undefined;
  }

  /** A mutable copy with the references replaced; a missing variable leaves `undefined`. */
  #resolve(value: unknown, path: ConfigPath, variables: Variable[]): unknown {
    if (value instanceof EnvReference) {
      const found = this.textOf(value);
      variables.push({ path, name: value.name, missing: found === undefined });
      return found;
    }
    if (Array.isArray(value)) {
      return value.map((item, index) => this.#resolve(item, [...path, index], variables));
    }
    if (!isPlainObject(value)) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, this.#resolve(item, [...path, key], variables)]),
    );
  }

  /** Notes every value below `path`; a list of plain values stays one setting. */
  #record(value: unknown, path: ConfigPath, from: string | null = null): void {
    const variable = this.#names.get(formatPath(path)) ?? from;
    if (Array.isArray(value) && value.some((item) => typeof item === "object" && item !== null)) {
      value.forEach((item, index) => this.#record(item, [...path, index], variable));
    } else if (isPlainObject(value)) {
      for (const [name, item] of Object.entries(value)) this.#record(item, [...path, name], variable);
    } else if (value !== undefined) {
      const within = Array.isArray(value)
        ? value.flatMap((_, index) => this.#names.get(formatPath([...path, index])) ?? [])
        : [];
      const origin = within.length === 0 ? variable : within.join(", ");
      this.settings.push({ path: formatPath(path), value, variable: origin });
    }
  }
}

/** `wanted` is what the option itself would say: "Give an https URL, for example …". */
function missingVariable(name: string, wanted: string | undefined): { problem: string; mend: string } {
  if (!isVariableName(name)) {
    return {
      problem: "env() was given something that cannot be the name of an environment variable",
      mend: 'Name one, such as env("LOGIN_CLIENT_ID"): letters, digits and underscores, no digit first',
    };
  }
  return {
    problem: "The environment variable is not set, or is empty",
    mend: wanted?.startsWith("Give ")
      ? wanted.replace("Give", `Set ${name} to`)
      : `Set ${name}, or name a fallback: env("${name}", { default: "…" })`,
  };
}

function isVariableName(name: unknown): boolean {
  return typeof name === "string" && /^[A-Za-z_]\w*$/.test(name);
}

function fillPlaceholders(
  schema: z.ZodType,
  holder: { value: unknown },
  variables: readonly Variable[],
): void {
  for (const { path, missing } of variables) {
    if (!missing) continue;
    const key = formatPath(path);
    // The example that a refusal suggests is appended while the loop runs, and so gets its turn last.
    const candidates = new Set(PLACEHOLDERS);
    for (const candidate of candidates) {
      assign(holder, ["value", ...path], candidate);
      const issues = flatten(schema.safeParse(holder.value).error?.issues ?? [], holder.value);
      const issue = issues.find((issue) => formatPath(pathOf(issue)) === key);
      if (issue === undefined) break;
      const example = issue.code === "custom" ? issue.params?.["example"] : undefined;
      if (typeof example === "string") candidates.add(example);
    }
  }
}

function assign(target: unknown, path: ConfigPath, value: string): void {
  const [head, ...tail] = path;
  if (typeof target !== "object" || target === null || head === undefined) return;
  if (tail.length === 0) Reflect.set(target, head, value);
  else assign(Reflect.get(target, head), tail, value);
}

/** The input without its unknown options, or `undefined` when those are not the only issues. */
function withoutUnknown(input: unknown, issues: readonly z.core.$ZodIssue[]): unknown {
  const copy = { value: structure(input) };
  for (const issue of issues) {
    if (issue.code !== "unrecognized_keys") return undefined;
    const owner = valueAt(copy.value, pathOf(issue));
    if (typeof owner === "object" && owner !== null) {
      for (const key of issue.keys) Reflect.deleteProperty(owner, key);
    }
  }
  return copy.value;
}

function structure(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(structure);
  if (!isPlainObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, structure(item)]));
}
