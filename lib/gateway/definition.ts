/** What a builder returns: frozen data that knows how to be checked and compiled, and never shows its options. */
import type { z } from "zod";
import type { PublicUrlSetting } from "../http/public_url.ts";
import type { CapabilityFilter } from "../mcp/capability_settings.ts";
import type { ConfigPath } from "./config_error.ts";
import { EnvReference } from "./env.ts";
import type { Connection, Mode, OAuthSettings, RateLimit, Route, UpstreamCredential } from "./gateway.ts";
import type { Secret } from "../runtime/secret.ts";

/** How one builder's options are checked, and what they become. */
export interface DefinitionSpec<Schema extends z.ZodType, Compiled> {
  /** The builder's name as a configuration writes it, such as `mcpProxy`. */
  readonly builder: string;
  readonly schema: Schema;
  /** Called only with options that satisfy the schema. Rules across options report through `context.fault`. */
  compile(options: z.output<Schema>, context: CompileContext): Compiled;
}

/** Where the gateway will stand, as far as policies and routes have rules about it. */
export interface Site {
  readonly mode: Mode;
  readonly publicUrl: PublicUrlSetting;
  /** Clients reach the gateway at a loopback origin only. */
  readonly loopback: boolean;
  /** The listen address, when known. */
  readonly bindHostname: string | null;
  /** `outbound.allowLoopback`: metadata may be fetched from this machine, over plain http. */
  readonly allowLoopback: boolean;
}

/** What a `compile` function may use. */
export interface CompileContext {
  readonly site: Site;
  /** Reports a fault; `path` is relative to the options at hand. */
  fault(path: ConfigPath, problem: string, mend: string): void;
  /** Whether the value at `path` stands in for a variable that is not set, and so need not be a real one. */
  isPlaceholder(path: ConfigPath): boolean;
  /** Compiles a definition nested in the options; `null` when it has faults (they are then reported). */
  open<Compiled>(definition: Definition<string, Compiled>, path: ConfigPath): Compiled | null;
}

/** Reads raw options by a schema: the half of the compiler that definitions depend on. */
export interface OptionReader {
  /** `null` when there are faults; they are then reported. */
  read<Schema extends z.ZodType>(
    schema: Schema,
    input: unknown,
    path: ConfigPath,
  ): { readonly options: z.output<Schema> } | null;
  contextAt(path: ConfigPath): CompileContext;
}

let open: <Compiled>(
  definition: Definition<string, Compiled>,
  reader: OptionReader,
  path: ConfigPath,
) => Compiled | null;

/**
 * The value that a builder returns. Its options are private: printing it shows the builder's name only.
 *
 * @internal
 */
export class Definition<Kind extends string = string, Compiled = unknown> {
  readonly kind: Kind;
  readonly builder: string;
  readonly #input: unknown;
  readonly #compile: (reader: OptionReader, path: ConfigPath) => Compiled | null;

  constructor(kind: Kind, spec: { builder: string }, content: {
    input: unknown;
    compile: (reader: OptionReader, path: ConfigPath) => Compiled | null;
  }) {
    this.kind = kind;
    this.builder = spec.builder;
    this.#input = content.input;
    this.#compile = content.compile;
    Object.freeze(this);
  }

  static {
    open = (definition, reader, path) => definition.#compile(reader, path);
  }

  /** The options as they were written, for the compiler's rules across definitions. */
  static inputOf(definition: Definition): unknown {
    return definition.#input;
  }

  toString(): string {
    return `${this.builder}(…)`;
  }

  toJSON(): string {
    return this.toString();
  }

  [Symbol.for("Deno.customInspect")](): string {
    return this.toString();
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

/** Makes the definition of a builder: `input` is copied and frozen, and looked at only when compiled. */
export function define<Kind extends string, Schema extends z.ZodType, Compiled>(
  kind: Kind,
  spec: DefinitionSpec<Schema, Compiled>,
  input: unknown,
): Definition<Kind, Compiled> {
  const frozen = frozenCopy(input, 0);
  return new Definition(kind, spec, {
    input: frozen,
    compile(reader, path) {
      const read = reader.read(spec.schema, frozen, path);
      return read === null ? null : spec.compile(read.options, reader.contextAt(path));
    },
  });
}

/** Checks and compiles a definition; `null` when it has faults, which `reader` has then collected. */
export function openDefinition<Compiled>(
  definition: Definition<string, Compiled>,
  reader: OptionReader,
  path: ConfigPath,
): Compiled | null {
  return open(definition, reader, path);
}

/** Whether a value is an object literal: anything else is a leaf of the configuration. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function frozenCopy(value: unknown, depth: number): unknown {
  // Nothing an operator writes is that deep; the bound keeps a cyclic object from hanging the import.
  if (depth > 32 || value instanceof EnvReference) return value;
  if (Array.isArray(value)) return Object.freeze(value.map((item) => frozenCopy(item, depth + 1)));
  if (!isPlainObject(value)) return value;
  const entries = Object.entries(value).map(([key, item]) => [key, frozenCopy(item, depth + 1)]);
  return Object.freeze(Object.fromEntries(entries));
}

/** A connection as its policy alone describes it; the route adds its upstream. */
export type PolicyConnection = Omit<Connection, "upstream">;

/**
 * What a credential policy contributes.
 *
 * @internal
 */
export type PolicyCredential =
  | Exclude<UpstreamCredential, { readonly kind: "tokenExchange" }>
  | { readonly kind: "tokenExchange"; readonly settings: PolicyConnection };

/**
 * What one route policy contributes to its route.
 *
 * @internal
 */
export type RoutePolicyPart =
  | { readonly kind: "credential"; readonly credential: PolicyCredential }
  | { readonly kind: "headers"; readonly headers: readonly (readonly [string, Secret])[] }
  | { readonly kind: "rateLimit"; readonly rateLimit: RateLimit }
  | { readonly kind: "capabilities"; readonly filter: CapabilityFilter };

/** A policy for `defineGateway({ oauth })`. */
export type OAuthPolicy = Definition<"oauth", OAuthSettings>;
/** A policy that authenticates the gateway to an upstream: at most one per route. */
export type CredentialPolicy = Definition<"credential", RoutePolicyPart>;
/** A policy that says what of an upstream is shown: at most one per route. */
export type CapabilityPolicy = Definition<"capabilities", RoutePolicyPart>;
/** A policy for `mcpProxy(path, { policies })`. */
export type RoutePolicy = Definition<RoutePolicyPart["kind"], RoutePolicyPart>;
/** What `mcpProxy` returns. */
export type RouteDefinition = Definition<"route", Route>;
