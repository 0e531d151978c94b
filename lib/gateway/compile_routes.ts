/** Compiles the routes, and checks what no route can know alone: that they do not stand in each other's way. */
import type { Compilation } from "./compilation.ts";
import { type CompiledRoute, type ConnectionNeeds, shareConnections } from "./connections.ts";
import { Definition, isPlainObject, openDefinition, type RouteDefinition } from "./definition.ts";
import type { Route } from "./gateway.ts";
import { ROUTE_POLICY_KINDS } from "./mcp_proxy.ts";
import { internalPathAt, type InternalPlaces, literalPathProblem } from "./route_path.ts";

/** Every route that is one is compiled, also beside entries that are not, so that all faults show at once. */
export function compileRoutes(raw: unknown, needs: ConnectionNeeds, compilation: Compilation): Route[] {
  const compiled = routesOf(raw).flatMap(({ definition, index }): CompiledRoute[] => {
    const route = openDefinition(definition, compilation, ["routes", index]);
    const policies = policiesOf(definition);
    if (route !== null) return [{ route, index, policies }];
    // The route stopped at its own options. Its policies are opened all the same, for their faults.
    policies.forEach((policy, place) => {
      if (isRoutePolicy(policy)) openDefinition(policy, compilation, ["routes", index, "policies", place]);
    });
    return [];
  });
  checkUnique(raw, compilation);
  return shareConnections(compiled, needs, compilation);
}

/** Reports routes, and a registry, that lie where the gateway itself answers. */
export function checkPlaces(raw: unknown, places: InternalPlaces, compilation: Compilation): void {
  const { basePath, registryPath } = places;
  if (registryPath !== null) {
    const taken = internalPathAt(basePath + registryPath, { basePath, registryPath: null });
    if (taken !== undefined) {
      compilation.fault(
        ["registry", "path"],
        `The gateway itself answers at ${taken}`,
        "Choose another path",
      );
    }
  }
  for (const { definition, index } of routesOf(raw)) {
    const path = written(definition, "path", compilation);
    if (path === undefined || literalPathProblem(path) !== undefined) continue;
    const taken = internalPathAt(path, places);
    if (taken === undefined) continue;
    const mend = 'Choose another path, for example one below "/mcp/"';
    compilation.fault(["routes", index, "path"], `The gateway itself answers at ${taken}`, mend);
  }
}

function checkUnique(raw: unknown, compilation: Compilation): void {
  for (const [option, noun] of [["path", "path"], ["operationId", "operationId"]] as const) {
    const first = new Map<string, number>();
    for (const { definition, index } of routesOf(raw)) {
      const value = written(definition, option, compilation);
      if (value === undefined) continue;
      const other = first.get(value);
      if (other === undefined) {
        first.set(value, index);
        continue;
      }
      const problem = `routes[${other}] has the ${noun} ${JSON.stringify(value)} already`;
      compilation.fault(["routes", index, option], problem, `Give each route a ${noun} of its own`);
    }
  }
}

function routesOf(raw: unknown): { definition: RouteDefinition; index: number }[] {
  const list: unknown[] = Array.isArray(raw) ? raw : [];
  return list.flatMap((item, index) => isRoute(item) ? [{ definition: item, index }] : []);
}

function isRoute(value: unknown): value is RouteDefinition {
  return value instanceof Definition && value.kind === "route";
}

function isRoutePolicy(value: unknown): value is Definition {
  return value instanceof Definition && ROUTE_POLICY_KINDS.some((kind) => kind === value.kind);
}

function policiesOf(definition: RouteDefinition): readonly unknown[] {
  const input = Definition.inputOf(definition);
  const policies = isPlainObject(input) ? input["policies"] : undefined;
  return Array.isArray(policies) ? policies : [];
}

/** An option as the configuration states it, whether or not the rest of the route is sound. */
function written(
  definition: RouteDefinition,
  option: "path" | "operationId",
  compilation: Compilation,
): string | undefined {
  const input = Definition.inputOf(definition);
  return isPlainObject(input) ? compilation.textOf(input[option]) : undefined;
}
