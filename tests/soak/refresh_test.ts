/** A minute of calls through two gateway processes on one KV file, while the upstream's tokens live five seconds and refresh tokens once. */
import assert from "node:assert/strict";
import type { OidcUpstream } from "../support/oidc_upstream.ts";
import {
  assertOneRefreshPerExpiry,
  load,
  type LoadFigures,
  type LoadLength,
  underLoad,
} from "../support/refresh_load.ts";
import { pause, printTable } from "./measures.ts";

const LENGTH = { clients: 20, calls: 200, seconds: 60, tokenSeconds: 5 };

for (const users of [1, 5]) {
  Deno.test(`200 calls of 20 clients of ${users} user(s) in a minute: one refresh per expiry, no failure, no lost credential (UP-18, UP-19)`, () =>
    underLoad({ ...LENGTH, users }, async (scene) => {
      const figures = await load(scene, { ...LENGTH, users });
      await printFigures(`${users} user(s)`, figures, scene.upstream);
      assert.equal(figures.calls, LENGTH.calls);
      assertOneRefreshPerExpiry(figures, scene.upstream);
    }));
}

Deno.test("2,000 calls of 100 clients of ten users in a minute: one refresh per expiry, no failure, no lost credential (UP-18)", async () => {
  const length: LoadLength = { ...LENGTH, users: 10, clients: 100, calls: 2_000 };
  await underLoad(length, async (scene) => {
    const figures = await load(scene, length);
    await printFigures("10 users, 100 clients", figures, scene.upstream);
    assertOneRefreshPerExpiry(figures, scene.upstream);
  });
});

Deno.test("one of five users has a provider that fails, then limits, then hangs, then recovers: no credential is lost, and the other four notice nothing (F24, F25)", async () => {
  const length: LoadLength = { ...LENGTH, users: 5, calls: 600 };
  await underLoad(length, async (scene) => {
    const { upstream, users, fleet } = scene;
    const [unlucky] = users;
    assert.ok(unlucky);
    const presented = () => upstream.presented.filter(({ account }) => account === unlucky.name).length;
    let askedInTrouble = 0;
    const misfortune = (async () => {
      await pause(8_000);
      const before = presented();
      upstream.trouble.set(unlucky.name, (response) => response.writeHead(500).end());
      await pause(8_000);
      upstream.trouble.set(unlucky.name, (response) => response.writeHead(429, { "retry-after": "3" }).end());
      await pause(8_000);
      upstream.trouble.set(unlucky.name, () => {});
      await pause(12_000);
      askedInTrouble = presented() - before;
      upstream.trouble.clear();
    })();
    const figures = await load(scene, length);
    await misfortune;
    await printFigures(`one in trouble, asked ${askedInTrouble} times meanwhile`, figures, upstream);
    for (const { user, status, retryAfter, state, body } of figures.failures) {
      assert.deepEqual([user, status, state], [unlucky.name, 502, undefined], body);
      assert.ok(Number(retryAfter) >= 1, body);
    }
    // Pauses grow: some 120 calls in half a minute of trouble are no stampede.
    assert.ok(askedInTrouble <= 12, `${askedInTrouble} refreshes`);
    for (const startedAt = performance.now();;) {
      const { status } = await fleet.call(0, unlucky);
      if (status === 200) break;
      assert.ok(performance.now() - startedAt < 60_000, "the credential did not come back");
      await pause(500);
    }
    assert.equal(upstream.revokedGrants, 0);
  });
});

async function printFigures(title: string, figures: LoadFigures, upstream: OidcUpstream): Promise<void> {
  await printTable(`Refresh under load: ${title}`, [
    ["calls", "failed", "refreshes", "expiries", "sent again after 401", "grants revoked"],
    [
      figures.calls,
      figures.failures.length,
      figures.refreshes,
      figures.expiries,
      figures.refused,
      upstream.revokedGrants,
    ],
  ]);
}
