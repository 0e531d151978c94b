/** Small configurations for the tests of the configuration language, and what the compiler makes of them. */
import { compileGateway, type CompileOptions } from "../../../lib/gateway/compile.ts";
import { ConfigError, type ConfigFault } from "../../../lib/gateway/config_error.ts";
import { defineGateway } from "../../../lib/gateway/define_gateway.ts";
import type { RouteDefinition } from "../../../lib/gateway/definition.ts";
import type { Gateway, Route } from "../../../lib/gateway/gateway.ts";
import { mcpProxy } from "../../../lib/gateway/mcp_proxy.ts";
import { mcpDevOAuth } from "../../../policies/mcp_dev_oauth.ts";
import { mcpOAuth } from "../../../policies/mcp_oauth.ts";

/** An option object whose misuse the types would refuse: a configuration may be untyped JavaScript. */
export type Loose = Record<string, unknown>;

/** Calls a builder with options that its types would refuse. */
export function loosely<Result>(builder: (options: never) => Result, options: unknown): Result {
  // The point of these tests is what happens beyond the types.
  return builder(options as never);
}

/** One sound route; `changes` may be anything. */
export function route(changes: Loose = {}, path = "/mcp/one"): RouteDefinition {
  const build = (options: Parameters<typeof mcpProxy>[1]) => mcpProxy(path, options);
  return loosely(build, { operationId: "one", upstream: "https://up.example/mcp", ...changes });
}

/** Sound options of the generic OAuth policy. */
export const OIDC = {
  oidc: { issuer: "https://idp.example", jwksUrl: "https://idp.example/jwks" },
  browserLogin: {
    url: "https://idp.example/authorize",
    tokenUrl: "https://idp.example/token",
    clientId: "gw",
    clientSecret: "idp-client-secret",
  },
} as const;

/** Sound development options with `changes` over them. */
export function options(changes: Loose = {}): Loose {
  return { oauth: mcpDevOAuth(), routes: [route()], ...changes };
}

/** Sound options for production at https://gw.example, with `changes` over them. */
export function publicOptions(changes: Loose = {}): Loose {
  return { oauth: mcpOAuth(OIDC), routes: [route()], publicUrl: "https://gw.example", ...changes };
}

/** Compiles options, in development and with an empty environment unless said otherwise. */
export function compile(given: unknown, how: Partial<CompileOptions> = {}): Gateway {
  return compileGateway(loosely(defineGateway, given), { mode: "development", env: () => undefined, ...how });
}

/** The faults of options; none when they compile. */
export function faults(given: unknown, how: Partial<CompileOptions> = {}): readonly ConfigFault[] {
  try {
    compile(given, how);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
}

/** The faults as `path: problem` lines. */
export function report(given: unknown, how: Partial<CompileOptions> = {}): string[] {
  return faults(given, how).map((fault) => `${fault.path}: ${fault.problem}`);
}

/** The only route of options that compile. */
export function onlyRoute(changes: Loose): Route {
  const [compiled] = compile(options({ routes: [route(changes)] })).routes;
  if (compiled === undefined) throw new Error("no route");
  return compiled;
}

/** One row of a table: options that are wrong, and the one fault they must give. */
export interface WrongRow {
  readonly name: string;
  readonly given: Loose;
  readonly how?: Partial<CompileOptions>;
  readonly path: string;
  readonly problem: RegExp;
}
