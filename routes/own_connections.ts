/** Which upstreams a signed-in user may connect, and whether they are: for the setup page and the account page. */
import type { Route } from "../lib/gateway/gateway.ts";
import type { SessionRecord } from "../lib/store/schema.ts";
import type { Standing } from "../lib/upstream/connection.ts";
import { ownerOf } from "../lib/upstream/connection_settings.ts";
import type { Deployment } from "./context.ts";
import type { UpstreamConnection } from "./upstream_connections.ts";

/** An upstream and how the user stands to it. */
export interface OwnConnection {
  readonly upstream: UpstreamConnection;
  /** `null`: it is not connected. */
  readonly standing: Standing | null;
}

/** The upstream of a route, if there is one for this user to connect. */
export async function connectionFor(
  deployment: Deployment,
  route: Route | undefined,
  session: SessionRecord,
): Promise<OwnConnection | null> {
  const { credential } = route ?? {};
  const upstream = credential?.kind === "tokenExchange"
    ? deployment.upstreams.get(credential.connection.id)
    : undefined;
  return upstream !== undefined && mayConnect(deployment, upstream, session)
    ? await ownConnection(upstream, session)
    : null;
}

/** All upstreams that this user may connect. */
export async function connectionsOf(
  deployment: Deployment,
  session: SessionRecord,
): Promise<OwnConnection[]> {
  const mine = [...deployment.upstreams.values()].filter((upstream) =>
    mayConnect(deployment, upstream, session)
  );
  return await Promise.all(mine.map((upstream) => ownConnection(upstream, session)));
}

function mayConnect(
  { gateway }: Deployment,
  { settings }: UpstreamConnection,
  session: SessionRecord,
): boolean {
  if (settings.authMode === "shared-oauth") return gateway.admins(session) === true;
  return settings.authMode === "user-oauth";
}

async function ownConnection(upstream: UpstreamConnection, session: SessionRecord): Promise<OwnConnection> {
  const owner = ownerOf(upstream.settings, session.userId);
  return { upstream, standing: await upstream.connections.standing(owner) };
}
