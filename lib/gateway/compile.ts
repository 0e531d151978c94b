/** `compileGateway()`: a configuration in, a `Gateway` with nothing optional out, or every fault at once. */
import type { z } from "zod";
import { compileClients, DEFAULT_REDIRECT_SCHEMES } from "./client_options.ts";
import { Compilation, type Setting } from "./compilation.ts";
import { checkPlaces, compileRoutes } from "./compile_routes.ts";
import { ConfigError } from "./config_error.ts";
import { type AdminOptions, gatewayOptions } from "./define_gateway.ts";
import { Definition, isPlainObject, openDefinition } from "./definition.ts";
import type { AdminCandidate, AdminRule, Gateway, Mode } from "./gateway.ts";
import { unknownOption } from "./issues.ts";
import { typeName } from "./options.ts";
import { readSite } from "./site.ts";

/** Options of {@linkcode compileGateway}. */
export interface CompileOptions {
  readonly mode: Mode;
  /** Reads one environment variable. */
  readonly env: (name: string) => string | undefined;
  /** `GATEWAY_PUBLIC_URL`: overrides the configuration's `publicUrl`; an empty one counts as missing. */
  readonly publicUrl?: string | undefined;
  /** The address that the gateway will listen on. */
  readonly bindHostname?: string | undefined;
  /** Stand in a plausible value for every variable that is not set, to check a configuration without its environment. */
  readonly placeholders?: boolean | undefined;
}

/** A compiled gateway, and where each of its settings came from. */
export interface ResolvedGateway {
  readonly gateway: Gateway;
  readonly settings: readonly Setting[];
}

/**
 * Compiles what a configuration module exports.
 *
 * @throws {ConfigError} with every fault of the configuration.
 */
export function compileGateway(definition: unknown, options: CompileOptions): Gateway {
  return resolveGateway(definition, options).gateway;
}

/**
 * {@linkcode compileGateway}, with the settings as they were resolved: for printing.
 *
 * @throws {ConfigError} with every fault of the configuration.
 */
export function resolveGateway(definition: unknown, options: CompileOptions): ResolvedGateway {
  const raw = rawOptions(definition, options.mode);
  const compilation = new Compilation({ env: options.env, placeholders: options.placeholders === true });
  const gateway = build(raw, compilation, options);
  if (gateway === null || compilation.faults.length > 0) throw new ConfigError(compilation.faults);
  return { gateway: Object.freeze(gateway), settings: compilation.settings };
}

function rawOptions(definition: unknown, mode: Mode): Record<string, unknown> {
  const refuse = (problem: string, mend: string) =>
    new ConfigError([{ path: "export default", problem, mend }]);
  if (!(definition instanceof Definition) || definition.kind !== "gateway") {
    throw refuse(
      `The result of defineGateway is expected, but ${typeName(definition)} was given`,
      "Write: export default defineGateway({ oauth: …, routes: [ … ] })",
    );
  }
  let input = Definition.inputOf(definition);
  if (typeof input === "function") {
    try {
      input = input(Object.freeze({ mode }));
    } catch (error) {
      throw refuse(`The function given to defineGateway failed: ${error}`, "Let it return the configuration");
    }
  }
  if (isPlainObject(input)) return input;
  throw input instanceof Promise
    ? refuse(
      "The function given to defineGateway returns a promise",
      "Make it synchronous: it only describes",
    )
    : refuse(`An object is expected, but ${typeName(input)} was given`, "Give { oauth: …, routes: [ … ] }");
}

function build(
  raw: Record<string, unknown>,
  compilation: Compilation,
  options: CompileOptions,
): Gateway | null {
  const shape = gatewayOptions.shape;
  const read = <Schema extends z.ZodType>(key: string, schema: Schema) =>
    compilation.read(schema, raw[key], [key])?.options ?? null;
  for (const key of Object.keys(raw).filter((key) => !Object.hasOwn(shape, key))) {
    const { problem, mend } = unknownOption(key, [], Object.keys(shape));
    compilation.fault([key], problem, mend);
  }
  const site = readSite(raw["publicUrl"], compilation, options);
  const outbound = read("outbound", shape.outbound);
  const allowLoopback = outbound?.allowLoopback ?? site.loopback;
  compilation.placeAt({ ...site, allowLoopback });
  const context = compilation.contextAt([]);

  const allowedHosts = read("allowedHosts", shape.allowedHosts);
  const trustedProxies = read("trustProxy", shape.trustProxy);
  const basePath = read("basePath", shape.basePath);
  const admins = read("admins", shape.admins);
  const redirectSchemes = read("redirectSchemes", shape.redirectSchemes);
  const clients = read("clients", shape.clients);
  const corsOrigins = read("corsOrigins", shape.corsOrigins);
  const limits = read("limits", shape.limits);
  const registry = read("registry", shape.registry);
  const schemes = new Set(redirectSchemes ?? DEFAULT_REDIRECT_SCHEMES);
  const compiledClients = clients === null ? null : compileClients(clients, { ...context, schemes });
  if (limits !== null && limits.streamsPerUser > limits.streams) {
    context.fault(
      ["limits", "streamsPerUser"],
      "One user may open more streams than all users together",
      "Lower it",
    );
  }

  const oauthPolicy = read("oauth", shape.oauth);
  const oauth = oauthPolicy === null ? null : openDefinition(oauthPolicy, compilation, ["oauth"]);
  read("routes", shape.routes);
  const needs = { hasAdmins: hasAdmins(admins, raw["admins"]), login: oauth?.login ?? null };
  const routes = compileRoutes(raw["routes"], needs, compilation);
  if (basePath !== null && registry !== null) {
    checkPlaces(
      raw["routes"],
      { basePath, registryPath: registry.enabled ? registry.path : null },
      compilation,
    );
  }
  // Each null has left a fault behind.
  if (
    allowedHosts === null || trustedProxies === null || basePath === null || compiledClients === null ||
    corsOrigins === null || outbound === null || limits === null || registry === null || oauth === null
  ) return null;
  return {
    mode: site.mode,
    publicUrl: site.publicUrl,
    allowedHosts: new Set(allowedHosts),
    trustedProxies,
    basePath,
    admins: adminRule(admins),
    clients: compiledClients,
    redirectSchemes: schemes,
    corsOrigins: new Set(corsOrigins),
    outbound: { allowLoopback },
    limits,
    registry,
    oauth,
    routes,
  };
}

/** Whether anybody can be an administrator; `null` when the option has faults. */
function hasAdmins(admins: AdminOptions | null, raw: unknown): boolean | null {
  if (admins === null) return raw === undefined ? false : null;
  if (typeof admins === "function") return true;
  return (admins.emails?.length ?? 0) + (admins.subjects?.length ?? 0) > 0;
}

/** Nobody by default; e-mail addresses count only when the identity provider has verified them. */
function adminRule(admins: AdminOptions | null): AdminRule {
  if (admins === null) return () => false;
  // `=== true`: a function that returns a promise must not make everyone an administrator.
  if (typeof admins === "function") return (identity) => admins(identity) === true;
  const emails = new Set(admins.emails?.map((email) => email.toLowerCase()));
  const subjects = new Set(admins.subjects);
  return ({ email, emailVerified, subject }: AdminCandidate) =>
    subjects.has(subject) || (emailVerified && email !== null && emails.has(email.toLowerCase()));
}
