/** One try to connect an upstream that lies, and what has to hold of it however it ends. */
import assert from "node:assert/strict";
import { browserOf, setupOf, upstreamScene, type UpstreamSceneOptions } from "../support/upstream_scene.ts";
import type { UpstreamScene } from "../support/upstream_scene.ts";
import type { ServerRequest, UpstreamServer } from "../support/upstream_server.ts";

/** How a try ended. */
export interface Attempt {
  readonly status: number;
  readonly html: string;
  /** Why, by the event log; `null` if nothing was refused. */
  readonly reason: string | null;
  readonly upstream: UpstreamServer;
}

/** Signs Alice in and presses Connect. `prepare` bends the upstream once its address is known. */
export async function tryToConnect(
  options: UpstreamSceneOptions,
  prepare: (scene: UpstreamScene) => void = () => {},
): Promise<Attempt> {
  await using scene = await upstreamScene(options);
  prepare(scene);
  return await connectIn(scene);
}

/** The same in a scene that goes on. */
export async function connectIn(scene: UpstreamScene): Promise<Attempt> {
  const browser = browserOf(scene.gateway);
  const page = await browser.submit(await setupOf(scene, browser), { decision: "connect" });
  const refused = scene.gateway.events.findLast(({ event }) => event === "mcp_auth_browser_request_refused");
  return {
    status: page.status,
    html: page.html,
    reason: refused === undefined ? null : String(refused.reasonCode),
    upstream: scene.upstream,
  };
}

/** Refused on a page of ours before the browser went anywhere, and no token was asked for. */
export function assertStopped({ status, html, upstream }: Attempt, what: string): void {
  assert.equal(status, 502, `${what}: ${html.slice(0, 200)}`);
  assert.equal(upstream.at("/authorize").length, 0, what);
  assert.equal(upstream.at("/token").length, 0, what);
}

/** A challenge of the upstream that says `parameters`, instead of its own. */
export function challengeWith(parameters: string): (request: ServerRequest) => Response | null {
  return ({ path, headers }) =>
    path === "/mcp" && !headers.has("authorization")
      ? new Response(null, { status: 401, headers: { "www-authenticate": `Bearer ${parameters}` } })
      : null;
}
