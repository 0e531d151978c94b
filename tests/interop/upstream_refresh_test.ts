/** Two gateway processes, one KV file, and `oidc-provider` with tokens of three seconds: the short form of `tests/soak/refresh_test.ts`. */
import assert from "node:assert/strict";
import { assertOneRefreshPerExpiry, load, underLoad } from "../support/refresh_load.ts";

const LENGTH = { users: 2, clients: 6, calls: 90, seconds: 10, tokenSeconds: 3 };

Deno.test("one refresh per expiry while parallel clients call through two processes; each one-time refresh token is used once (UP-18, UP-19)", () =>
  underLoad(LENGTH, async (scene) => {
    const figures = await load(scene, LENGTH);
    assertOneRefreshPerExpiry(figures, scene.upstream);
    // Each user's tokens ran out several times.
    assert.ok(figures.refreshes >= 2 * LENGTH.users, `${figures.refreshes} refreshes`);
  }));

Deno.test("one user's provider is out of order for a while: when the token has run out that user's calls fail without asking to reconnect, and later go on; nobody else notices (F24, UP-18)", () =>
  underLoad(LENGTH, async ({ fleet, upstream, users }) => {
    const [unlucky, other] = users;
    assert.ok(unlucky && other);
    const okay = async (node: number, user: typeof unlucky) => {
      const { status, retryAfter, body } = await fleet.call(node, user);
      if (body.result?.content?.[0]?.text === user.name) return true;
      assert.deepEqual([status, user.name], [502, unlucky.name], JSON.stringify(body));
      assert.ok(Number(retryAfter) >= 1, `Retry-After: ${retryAfter}`);
      return false;
    };
    const until = async (wanted: boolean) => {
      for (let node = 0; await okay(node % 2, unlucky) !== wanted; node++) {
        assert.ok(await okay(node % 2, other));
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    };
    upstream.trouble.set(unlucky.name, (response) => response.writeHead(500).end());
    await until(false);
    upstream.trouble.set(
      unlucky.name,
      (response) => response.writeHead(429, { "retry-after": "2" }).end('{"error":"slow_down"}'),
    );
    const asked = () => upstream.presented.filter(({ account }) => account === unlucky.name);
    const before = asked().length;
    while (asked().length < before + 2) {
      await okay(0, unlucky);
      await okay(1, unlucky);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    upstream.trouble.clear();
    await until(true);
    const [first = 0, second = 0] = asked().slice(before).map(({ at }) => at);
    assert.ok(second - first >= 2_000, `asked again after ${second - first} ms`);
    assert.equal(upstream.revokedGrants, 0);
    assert.ok(!fleet.events().some(({ event }) => event === "mcp_auth_upstream_connection_lost"));
  }));
