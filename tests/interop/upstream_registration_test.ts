/** Dynamic registration at `oidc-provider` by two processes at once: made once, and once more when the provider has forgotten it. */
import assert from "node:assert/strict";
import { startOidcUpstream } from "../support/oidc_upstream.ts";
import { factsOf } from "../support/refresh_load.ts";
import { startFleet } from "../support/upstream_fleet.ts";

const USERS = Array.from({ length: 8 }, (_, index) => `user-${index}`);

Deno.test("eight users who connect at once through two processes share one registration; when it is forgotten they share one new one (UP-09, F06)", async () => {
  await using upstream = await startOidcUpstream({ users: USERS, tokenSeconds: 600, callsPerToken: 1 });
  await using fleet = await startFleet({ upstream: upstream.url, users: USERS });
  const users = await Promise.all(USERS.map((name, index) => fleet.connect(name, index % 2)));
  assert.equal(upstream.registrations.length, 1);
  const callAll = () => Promise.all(users.map((user, index) => fleet.call(index % 2, user)));
  // Each call but the first takes a refresh.
  for (let round = 0; round < 2; round++) {
    for (const [index, { body }] of (await callAll()).entries()) {
      assert.equal(body.result?.content?.[0]?.text, USERS[index]);
    }
  }
  assert.deepEqual(upstream.tokenErrors, []);
  await upstream.forgetClients();
  const refused = await callAll();
  for (const { body } of refused) {
    assert.equal(body.error?.data?.state, "reconsent_required", JSON.stringify(body));
  }
  assert.equal(upstream.registrations.length, 1);
  await Promise.all(users.map(async ({ browser }, index) => {
    const page = await browser.get(refused[index]?.body.error?.data?.authUrl ?? "");
    const back = await browser.submit(page, { decision: "connect" });
    assert.deepEqual([back.url.pathname, back.status], ["/account", 200], back.html);
  }));
  assert.equal(upstream.registrations.length, 2);
  for (const [index, { body }] of (await callAll()).entries()) {
    assert.equal(body.result?.content?.[0]?.text, USERS[index]);
  }
  assert.deepEqual(upstream.errors, []);
  await fleet.check(factsOf(upstream));
});
