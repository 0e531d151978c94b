/** Rules about upstream connections that no policy can know alone: those that involve the route, other routes, and the login. */
import { isLoopbackHost } from "../http/network_address.ts";
import { parseHttpUri } from "../oauth/http_uri.ts";
import type { Compilation } from "./compilation.ts";
import { maskUrl } from "./config_error.ts";
import { type CompileContext, type ConnectionSettings, Definition } from "./definition.ts";
import type { Connection, ConnectionOverrides, Gateway, OAuthSettings, Route } from "./gateway.ts";

/** Adds the route's upstream to a connection. `context` is the route's; `index` is where the policy stands on it. */
export function connectTo(
  upstream: string,
  settings: ConnectionSettings,
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
  if (resource !== null && !isParent(resource, upstream)) {
    context.fault(
      ["policies", index, "overrides", "resource"],
      `${JSON.stringify(resource)} is no parent path of the upstream ${JSON.stringify(maskUrl(upstream))}`,
      "Give the origin of the upstream, with as much of its path as the metadata names",
    );
  }
  return Object.freeze({ ...settings, upstream });
}

/** Whether `child` lies at or below `parent`, at the same origin; paths are compared as they are written. */
function isParent(parent: string, child: string): boolean {
  const [above, below] = [parseHttpUri(parent), parseHttpUri(child)];
  if (above === null || below === null || above.origin !== below.origin) return false;
  if ([above, below].some(({ path }) => /(?:^|\/)\.{1,2}(?:\/|$)/.test(path))) return false;
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

/** A connection, and where it was first met. */
interface Known {
  readonly policy: unknown;
  readonly index: number;
  readonly connection: Connection;
}

/**
 * Gives routes with the same policy value the very same connection, and reports those that cannot share one: another
 * upstream behind the same value, or another value with the same id.
 */
export function shareConnections(
  compiled: readonly CompiledRoute[],
  needs: ConnectionNeeds,
  compilation: Compilation,
): Route[] {
  const byId = new Map<string, Known>();
  return compiled.map(({ route, index, policies }) => {
    if (route.credential.kind !== "tokenExchange") return route;
    const { connection } = route.credential;
    const place = policies.findIndex(isTokenExchange);
    const policy = policies[place];
    const at = ["routes", index, "policies", place];
    const known = byId.get(connection.id);
    if (known === undefined) {
      byId.set(connection.id, { policy, index, connection });
      checkNeeds(connection, needs, (problem, mend) => compilation.fault([...at, "authMode"], problem, mend));
      return route;
    }
    const id = JSON.stringify(connection.id);
    if (known.policy !== policy) {
      const problem =
        `routes[${known.index}] has a tokenExchange with the id ${id} already, with options of its own`;
      const mend = "Give each an id of its own, or write the policy once and name it on both routes";
      compilation.fault([...at, "id"], problem, mend);
      return route;
    }
    if (known.connection.upstream !== connection.upstream) {
      const [here, there] = [connection.upstream, known.connection.upstream].map((each) => maskUrl(each));
      const problem =
        `routes[${index}] and routes[${known.index}] share the connection ${id}, and have the upstreams ${here} and ${there}`;
      const mend = "Give each upstream a tokenExchange with an id of its own";
      compilation.fault(["routes", index, "upstream"], problem, mend);
      return route;
    }
    return { ...route, credential: { kind: "tokenExchange", connection: known.connection } };
  });
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
