/** Whose credential a call carries, with processes and a provider that knows its users: nobody else's, whatever happens to the store. */
import assert from "node:assert/strict";
import { startOidcUpstream } from "../support/oidc_upstream.ts";
import { factsOf } from "../support/refresh_load.ts";
import { type FleetUser, nextStep, startFleet } from "../support/upstream_fleet.ts";

const USERS = ["alice", "bob", "carol"];

Deno.test("two users' rows that are swapped beneath running processes fail closed in each, until their user connects anew (UP-10, UP-17, B14 241)", async () => {
  await using upstream = await startOidcUpstream({ users: USERS, tokenSeconds: 600 });
  await using fleet = await startFleet({ upstream: upstream.url, users: USERS });
  const [alice, bob] = [await fleet.connect("alice"), await fleet.connect("bob")];
  for (const node of [0, 1]) {
    for (const user of [alice, bob]) {
      assert.equal((await fleet.call(node, user)).body.result?.content?.[0]?.text, user.name);
    }
  }
  await swapConnections(fleet.folder);
  // A process may use what it has read for five seconds.
  for (const node of [0, 1]) {
    for (const user of [alice, bob]) await untilRefused(() => fleet.call(node, user), user);
  }
  const before = upstream.calls.length;
  const { body } = await fleet.call(0, alice);
  assert.equal(body.error?.data?.state, "authenticating");
  assert.equal(upstream.calls.length, before);
  const page = await alice.browser.get(body.error?.data?.authUrl ?? "");
  const back = await alice.browser.submit(page, { decision: "connect" });
  assert.equal(back.url.pathname, "/account");
  for (const node of [0, 1]) {
    assert.equal((await fleet.call(node, alice)).body.result?.content?.[0]?.text, "alice");
    assert.notEqual((await fleet.call(node, bob)).body.error, undefined);
  }
  // Each account was only ever used for its own user.
  assert.ok(upstream.calls.every(({ account, token }) => factsOf(upstream).accountOf(token) === account));
});

Deno.test("a user who has not connected gets nothing of those who have, in any process, also right after their refresh (B14 241)", async () => {
  await using upstream = await startOidcUpstream({ users: USERS, tokenSeconds: 600, callsPerToken: 1 });
  await using fleet = await startFleet({ upstream: upstream.url, users: USERS });
  const alice = await fleet.connect("alice");
  const carol = await fleet.connect("carol");
  const account = await carol.browser.get(`${fleet.nodes[0]?.origin}/account`);
  await carol.browser.submit(account, { action: "disconnect" });
  const before = upstream.calls.length;
  const rounds = Array.from({ length: 10 }, (_, round) => round);
  const [ofAlice, ofCarol] = await Promise.all([
    // One after the other, each with an access token of its own: what the process knows is spent, and so is what the other one has stored.
    (async () => {
      const answers = [];
      for (const round of rounds) answers.push(await fleet.call(round % 2, alice));
      return answers;
    })(),
    Promise.all(
      rounds.flatMap((round) => [fleet.call(round % 2, carol), fleet.call((round + 1) % 2, carol)]),
    ),
  ]);
  for (const { body } of ofAlice) assert.equal(body.result?.content?.[0]?.text, "alice");
  for (const { body } of ofCarol) assert.equal(body.error?.data?.state, "authenticating");
  assert.deepEqual(
    [...new Set(upstream.calls.slice(before).map((call) => call.account))],
    ["alice"],
  );
  await fleet.check(factsOf(upstream));
  assert.deepEqual(nextStep(await carol.browser.get(ofCarol[0]?.body.error?.data?.authUrl ?? ""), "carol"), {
    decision: "connect",
  });
});

/** As whoever can write to the file, but has no key. */
async function swapConnections(folder: string): Promise<void> {
  const kv = await Deno.openKv(`${folder}/gateway.kv`);
  try {
    const [one, other, ...more] = await Array.fromAsync(kv.list({ prefix: ["connection"] }));
    assert.ok(one && other && more.length === 0);
    await kv.atomic().set(one.key, other.value).set(other.key, one.value).commit();
  } finally {
    kv.close();
  }
}

async function untilRefused(
  call: () => ReturnType<Awaited<ReturnType<typeof startFleet>>["call"]>,
  user: FleetUser,
): Promise<void> {
  for (const startedAt = performance.now(); performance.now() - startedAt < 30_000;) {
    const { body } = await call();
    if (body.error !== undefined) return;
    assert.equal(body.result?.content?.[0]?.text, user.name, "another user's credential was used");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail("the swapped row is still in use");
}
