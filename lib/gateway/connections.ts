/** Rules about upstream connections that no policy can know alone: those that involve the route, other routes, and the login. */
import { isLoopbackHost } from "../http/network_address.ts";
import { parseHttpUri } from "../oauth/http_uri.ts";
import type { Compilation } from "./compilation.ts";
import { type ConfigPath, maskUrl } from "./config_error.ts";
import { type CompileContext, Definition, type PolicyConnection } from "./definition.ts";
import type { ConnectionOverrides } from "../upstream/connection_settings.ts";
import type { Connection, Gateway, OAuthSettings, Route } from "./gateway.ts";

/** Adds the route's upstream to a connection. `context` is the route's; `index` is where the policy stands on it. */
export function connectTo(
  upstream: string,
  settings: PolicyConnection,
  { context, index }: { context: CompileContext; index: number },
): Connection {
  const { hostname, protocol } = new URL(upstream);
  if (protocol === "http:" && !isLoopbackHost(hostname)) {
    context.fault(
      ["upstream"],
      "The upstream uses plain http, so anyone on the way could read the users' tokens",
      "Give an https upstream, or use another policy than tokenExchange",
    );
  } else if (protocol === "http:" && !context.site.allowLoopback) {
    context.fault(
      ["upstream"],
      "The upstream is on loopback, where its OAuth metadata may not be fetched from, and the gateway is not",
      "Set outbound: { allowLoopback: true }, or give an https upstream",
    );
  }
  const { resource } = settings.overrides;
  const overridePath = ["policies", index, "overrides", "resource"];
  const madeUp = [["upstream"], overridePath].some((path) => context.isPlaceholder(path));
  if (resource !== null && !madeUp && !isParent(resource, upstream)) {
    context.fault(
      overridePath,
      `${JSON.stringify(resource)} is no parent path of the upstream ${JSON.stringify(maskUrl(upstream))}`,
      "Give the origin of the upstream, with as much of its path as the metadata names",
    );
  }
  return Object.freeze({ ...settings, upstream });
}

// A parser resolves these, so that a path is not what it seems.
const DOT_SEGMENT = /(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)/i;

/** Whether `child` lies at or below `parent`, at the same origin; paths are compared as they are written. */
function isParent(parent: string, child: string): boolean {
  const [above, below] = [parseHttpUri(parent), parseHttpUri(child)];
  if (above === null || below === null || above.origin !== below.origin) return false;
  if ([above, below].some(({ path }) => DOT_SEGMENT.test(path))) return false;
  const base = above.path.replace(/\/$/, "");
  return below.path === base || below.path.startsWith(`${base}/`);
}

/** A compiled route and the policies it was written with. */
export interface CompiledRoute {
  readonly route: Route;
  /** Its place among the routes. */
  readonly index: number;
  /** As they were written: their order is that of the configuration. */
  readonly policies: readonly unknown[];
}

/** What the rest of the configuration has to offer a connection; `null` where that has faults of its own. */
export interface ConnectionNeeds {
  /** Somebody may be an administrator. */
  readonly hasAdmins: boolean | null;
  readonly login: OAuthSettings["login"] | null;
}

/**
 * Gives routes with the same policy value the very same connection, and reports those that cannot share one: another
 * upstream behind the same value, another way to reach it, or another value with the same id.
 */
export function shareConnections(
  compiled: readonly CompiledRoute[],
  needs: ConnectionNeeds,
  compilation: Compilation,
): Route[] {
  const byPolicy = new Map<unknown, { connection: Connection; index: number; route: Route }>();
  const byId = new Map<string, number>();
  const { fault, isPlaceholder } = compilation.contextAt(["routes"]);
  return compiled.map(({ route, index, policies }) => {
    if (route.credential.kind !== "tokenExchange") return route;
    const { connection } = route.credential;
    const place = policies.findIndex(isTokenExchange);
    const known = byPolicy.get(policies[place]);
    if (known !== undefined) {
      const [here, there] = [connection.upstream, known.connection.upstream];
      if (here === there) {
        for (const { options, problem } of networkDifferences(route, known)) {
          const unknown = [index, known.index].some((each) =>
            options.some((option) => isPlaceholder([each, ...option]))
          );
          if (!unknown) fault([index, ...options[0]], problem, SAME_WAY);
        }
        return { ...route, credential: { kind: "tokenExchange", connection: known.connection } };
      }
      if ([index, known.index].some((each) => isPlaceholder([each, "upstream"]))) return route;
      const problem =
        `routes[${known.index}] shares the connection ${JSON.stringify(connection.id)}, and its upstream ` +
        `is ${JSON.stringify(maskUrl(there))}, not ${JSON.stringify(maskUrl(here))}`;
      fault([index, "upstream"], problem, "Give each upstream a tokenExchange with an id of its own");
      return route;
    }
    byPolicy.set(policies[place], { connection, index, route });
    const at = [index, "policies", place];
    checkNeeds(connection, needs, (problem, mend) => fault([...at, "authMode"], problem, mend));
    if (isPlaceholder([...at, "id"])) return route;
    const other = byId.get(connection.id);
    if (other === undefined) {
      byId.set(connection.id, index);
    } else {
      const problem = `routes[${other}] has a tokenExchange with the id ${
        JSON.stringify(connection.id)
      } already`;
      fault(
        [...at, "id"],
        problem,
        "Give each an id of its own, or make one value and put it on both routes",
      );
    }
    return route;
  });
}

const SAME_WAY = "Give both routes the same, or each a tokenExchange with an id of its own";

/** What of a route decides how its connection's servers are asked: a connection is asked in one way only. */
function networkDifferences(
  route: Route,
  known: { readonly connection: Connection; readonly index: number; readonly route: Route },
): { readonly options: readonly [ConfigPath, ...ConfigPath[]]; readonly problem: string }[] {
  const shares = `routes[${known.index}] shares the connection ${JSON.stringify(known.connection.id)}`;
  const [here, there] = [route.clientCertificate, known.route.clientCertificate];
  const same = here?.cert === there?.cert && here?.key.reveal() === there?.key.reveal();
  const which = there === null ? "no" : here === null ? "a" : "another";
  const network = known.route.allowPrivateNetwork;
  return [
    ...(route.allowPrivateNetwork === network ? [] : [{
      options: [["allowPrivateNetwork"]] as const,
      problem: `${shares}, and has allowPrivateNetwork: ${network}`,
    }]),
    ...(same ? [] : [{
      options: [["clientCertificate"], ["clientCertificate", "cert"], ["clientCertificate", "key"]] as const,
      problem: `${shares}, and has ${which} client certificate`,
    }]),
  ];
}

function isTokenExchange(value: unknown): boolean {
  return value instanceof Definition && value.builder === "tokenExchange";
}

function checkNeeds(
  { authMode }: Connection,
  { hasAdmins, login }: ConnectionNeeds,
  fault: (problem: string, mend: string) => void,
): void {
  if (authMode === "shared-oauth" && hasAdmins === false) {
    fault(
      "An administrator has to connect this upstream, and nobody is one",
      "Name somebody: admins: { emails: [ … ] } in defineGateway",
    );
  }
  if (authMode !== "id-jag" || login === null) return;
  if (login.kind === "local") {
    fault(
      "The local login is no identity provider, so there is no identity assertion to exchange",
      'Use an identity provider, or another authMode for ({ mode }) => mode === "development"',
    );
  } else if (login.identitySource.kind !== "id_token") {
    fault(
      "This login provider gives no ID token, so there is no identity assertion to exchange",
      "Sign in at a provider that gives one, or use another authMode",
    );
  }
}

/** A rule that is relaxed for one upstream. */
export interface OverrideInUse {
  /** The connection's id. */
  readonly connection: string;
  readonly override: keyof ConnectionOverrides;
  /** The URL that is expected instead, or `true`. */
  readonly value: string | true;
}

/** Every override of a gateway, each connection once: for the startup events and the table. */
export function overridesInUse(gateway: Pick<Gateway, "routes">): OverrideInUse[] {
  const connections = gateway.routes.flatMap(({ credential }) =>
    credential.kind === "tokenExchange" ? [credential.connection] : []
  );
  return [...new Set(connections)].flatMap(({ id, overrides }) => {
    return OVERRIDES.flatMap((override) => {
      const value = overrides[override];
      return value === null || value === false ? [] : [{ connection: id, override, value }];
    });
  });
}

const OVERRIDES = ["issuer", "resource", "assumePkce", "omitResource"] as const;
