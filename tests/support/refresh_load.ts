/** Many clients calling through two gateway processes while their upstream's tokens expire under them; and what came of it. */
import assert from "node:assert/strict";
import type { OidcUpstream } from "./oidc_upstream.ts";
import { type Fleet, type FleetUser, startFleet } from "./upstream_fleet.ts";
import { startOidcUpstream } from "./oidc_upstream.ts";
import type { UpstreamFacts } from "./invariants.ts";

/** How long, and how much. */
export interface LoadLength {
  readonly users: number;
  /** All of them at once, dealt out to the users. */
  readonly clients: number;
  /** By all clients together. */
  readonly calls: number;
  readonly seconds: number;
  readonly tokenSeconds: number;
}

/** An answer that a user would notice. */
export interface LoadFailure {
  readonly user: string;
  readonly status: number;
  readonly retryAfter: string | null;
  /** Why the user has to act, if they are asked to. */
  readonly state: string | undefined;
  readonly body: string;
}

/** What was counted. */
export interface LoadFigures {
  readonly calls: number;
  readonly failures: readonly LoadFailure[];
  /** Requests with a refresh token, as the provider's token endpoint saw them. */
  readonly refreshes: number;
  /** Access tokens that ran out, or were about to, while their user went on calling. */
  readonly expiries: number;
  /** Calls that met an access token that was no longer good, and were sent again. */
  readonly refused: number;
}

/** A provider, processes, and users who are connected. */
export interface LoadScene {
  readonly fleet: Fleet;
  readonly upstream: OidcUpstream;
  readonly users: readonly FleetUser[];
}

/** The scene: a provider with short tokens, two gateway processes, users who are connected. */
export async function underLoad(
  length: LoadLength,
  act: (scene: LoadScene) => Promise<void>,
): Promise<void> {
  const names = Array.from({ length: length.users }, (_, index) => `user-${index}`);
  await using upstream = await startOidcUpstream({
    users: names,
    tokenSeconds: length.tokenSeconds,
    latencyMs: 50,
  });
  await using fleet = await startFleet({ upstream: upstream.url, users: names });
  const users: FleetUser[] = [];
  for (const name of names) users.push(await fleet.connect(name));
  await act({ fleet, upstream, users });
  assert.deepEqual(upstream.errors, []);
  // Whatever happened, each user has one whole credential, and it is their own.
  await fleet.check(factsOf(upstream));
}

/** Lets the clients call, spread over the time, each through now the one process and now the other. */
export async function load({ fleet, upstream, users }: LoadScene, length: LoadLength): Promise<LoadFigures> {
  const before = { presented: upstream.presented.length, refused: upstream.refused };
  const failures: LoadFailure[] = [];
  const perClient = length.calls / length.clients;
  const slotMs = length.seconds * 1000 / perClient;
  const startedAt = performance.now();
  // Every second time all of them call in the same moment.
  const moments = Array.from({ length: perClient }, (_, index) => index % 2 === 0 ? Math.random() : null);
  let calls = 0;
  const client = async (number: number) => {
    const user = users[number % users.length];
    assert.ok(user);
    for (let index = 0; index < perClient; index++) {
      const due = startedAt + (index + (moments[index] ?? Math.random())) * slotMs;
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
      const { status, body, retryAfter } = await fleet.call(
        Math.floor(number / users.length + index) % fleet.nodes.length,
        user,
      );
      calls++;
      if (body.result?.content?.[0]?.text === user.name) continue;
      const state = body.error?.data?.state;
      failures.push({ user: user.name, status, retryAfter, state, body: JSON.stringify(body).slice(0, 300) });
    }
  };
  await Promise.all(Array.from({ length: length.clients }, (_, number) => client(number)));
  return {
    calls,
    failures,
    refreshes: upstream.presented.length - before.presented,
    expiries: expiriesOf(upstream, length),
    refused: upstream.refused - before.refused,
  };
}

/**
 * How many tokens were at their end when they were replaced: expired by the provider's own word, or in the last fifth of their life. One that
 * is replaced earlier, or twice, makes more refreshes than expiries.
 */
function expiriesOf({ pairs, granted }: OidcUpstream, { tokenSeconds }: LoadLength): number {
  return pairs.filter(({ refreshToken, expiresAt }) =>
    granted.some(({ used, at }) => used === refreshToken && at >= expiresAt - tokenSeconds * 200)
  ).length;
}

/** What the provider knows of its tokens, for the checker of the store. */
export function factsOf({ pairs }: Pick<OidcUpstream, "pairs">): UpstreamFacts {
  const pairOf = (token: string) => pairs.find(({ accessToken }) => accessToken === token);
  return {
    accountOf: (token) => pairOf(token)?.account,
    refreshTokenOf: (token) => pairOf(token)?.refreshToken,
  };
}

/** Exactly one refresh for each expiry, each refresh token presented once, no failure, no grant lost. */
export function assertOneRefreshPerExpiry(figures: LoadFigures, upstream: OidcUpstream): void {
  assert.deepEqual(figures.failures, []);
  assert.deepEqual(upstream.tokenErrors, []);
  assert.equal(upstream.revokedGrants, 0);
  assert.equal(new Set(upstream.presented.map(({ token }) => token)).size, upstream.presented.length);
  assert.equal(figures.refreshes, upstream.granted.length);
  assert.equal(figures.refreshes, figures.expiries);
}
