/** `kill -9` of a gateway process amid connects and refreshes, again and again on one store, which is inspected after each death. */
import assert from "node:assert/strict";
import { parseKeyRing } from "../../lib/crypto/keyring.ts";
import { systemRandom } from "../../lib/crypto/secret_token.ts";
import { HeadlessBrowser } from "./browser.ts";
import { freePort } from "./child_process.ts";
import { type GatewayProcess, startGateway } from "./gateway_process.ts";
import { assertInvariants } from "./invariants.ts";
import { type Askable, registerClient, type TestClient } from "./oauth_flow.ts";
import { type OidcUpstream, startOidcUpstream } from "./oidc_upstream.ts";
import { factsOf } from "./refresh_load.ts";
import { fleetConfiguration } from "./upstream_fleet.ts";
import { noUpstreamCuts, type UpstreamCuts, UpstreamLife } from "./upstream_life.ts";

/** How often, and amid how many. */
export interface KillOptions {
  readonly kills: number;
  readonly users: number;
  /** How many requests a gateway gets at the most before it is killed: a busy machine changes no odds. */
  readonly longestLife: number;
}

/** What came of it. */
export interface KillFigures {
  readonly cuts: UpstreamCuts;
  /** Kills that were let loose by a request to the upstream's token endpoint, or by its answer. */
  readonly aimed: number;
  readonly reconsents: number;
  /** Refreshes that the upstream granted. */
  readonly refreshes: number;
  /** Rows that the checker judged, over all deaths. */
  readonly credentialsChecked: number;
  /** Leases that dead gateways had left. */
  readonly leasesLeft: number;
}

/** Lets users live, kills their gateway at random points, and checks the store and the users' credentials after each. */
export async function killAmidUpstreamOAuth(options: KillOptions): Promise<KillFigures> {
  const names = Array.from({ length: options.users }, (_, index) => `user-${index}`);
  await using upstream = await startOidcUpstream({ users: names, tokenSeconds: 600, callsPerToken: 2 });
  const folder = await Deno.makeTempDir({ prefix: "sallyport-kills-" });
  const port = freePort();
  const config = fleetConfiguration({ upstream: upstream.url, users: names }, [port]);
  const cuts = noUpstreamCuts();
  const lives = names.map((name) => new UpstreamLife(name, cuts));
  const counted = { aimed: 0, credentialsChecked: 0, leasesLeft: 0 };
  let client: TestClient | null = null;
  try {
    for (let kill = 0; kill <= options.kills; kill++) {
      const gateway = await startGateway({ config, folder, port });
      const isLast = kill === options.kills;
      using ask = askable(gateway);
      let alive = true;
      try {
        client ??= await registerClient(ask);
        const known = client;
        const living = Promise.all(lives.map((life) => life.live(ask, known, () => alive)));
        // In the end everybody finds out what became of their credential, and goes on.
        const death = isLast ? pause(3_000) : fatalMoment(upstream, ask, options);
        const aimed = await Promise.race([living, death]);
        if (aimed === true) counted.aimed++;
        alive = false;
        if (!isLast) await gateway.child.stop({ signal: "SIGKILL" });
        await living;
      } finally {
        alive = false;
        upstream.onToken = null;
        await gateway.child.stop({ signal: "SIGKILL" });
      }
      const seen = await inspect(folder, upstream);
      counted.credentialsChecked += seen.credentials;
      counted.leasesLeft += seen.leases;
    }
    assert.deepEqual(upstream.errors, []);
    return {
      ...counted,
      cuts,
      reconsents: lives.reduce((sum, life) => sum + life.reconsents, 0),
      refreshes: upstream.granted.length,
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Half of the gateways die at any request; half when the upstream is asked for tokens or has just answered: the moments that matter. */
function fatalMoment(upstream: OidcUpstream, ask: Counting, { longestLife }: KillOptions): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const soon = (aimed: boolean) => void setTimeout(() => resolve(aimed), Math.random() * 6);
  let left = Math.ceil(longestLife * (0.1 + 0.9 * Math.random()));
  ask.onRequest = () => --left === 0 && soon(false);
  if (Math.random() < 0.5) {
    const stage = Math.random() < 0.3 ? "asked" : "answered";
    let skip = Math.floor(Math.random() * 10);
    upstream.onToken = (reached) => {
      if (reached !== stage || skip-- > 0) return;
      upstream.onToken = null;
      soon(true);
    };
  }
  return promise.finally(() => {
    ask.onRequest = null;
    upstream.onToken = null;
  });
}

/** The rules of the store; and the leases of the dead, which end within seconds: the test does not wait for that. */
async function inspect(
  folder: string,
  upstream: OidcUpstream,
): Promise<{ readonly credentials: number; readonly leases: number }> {
  const keyRing = parseKeyRing((await Deno.readTextFile(`${folder}/gateway.keys`)).trim(), systemRandom);
  const kv = await Deno.openKv(`${folder}/gateway.kv`);
  try {
    await assertInvariants(kv, { now: Date.now(), keyRing, upstream: factsOf(upstream) });
    const credentials = await Array.fromAsync(kv.list({ prefix: ["connection"] }));
    const leases = await Array.fromAsync(kv.list({ prefix: ["lease"] }));
    for (const { key } of leases) await kv.delete(key);
    return { credentials: credentials.length, leases: leases.length };
  } finally {
    kv.close();
  }
}

interface Counting extends Askable, Disposable {
  onRequest: (() => void) | null;
}

function askable({ origin }: GatewayProcess): Counting {
  const client = Deno.createHttpClient({ poolMaxIdlePerHost: 64 });
  const self: Counting = {
    origin,
    onRequest: null,
    fetch(url, init) {
      self.onRequest?.();
      return fetch(new URL(url, origin), { ...init, client, redirect: "manual" });
    },
    browser: () => new HeadlessBrowser(),
    [Symbol.dispose]: () => client.close(),
  };
  return self;
}

function pause(ms: number): Promise<boolean> {
  return new Promise((resolve) => setTimeout(resolve, ms, false));
}
