/** What is kept of a user: sealed, bounded, and findable by an address only while it is verified and theirs. */
import assert from "node:assert/strict";
import { type Identity, userIdOf } from "../../../lib/login/identity.ts";
import { findUserByEmail, type LoginOutcome, rememberUser } from "../../../lib/login/user.ts";
import { users } from "../../../lib/store/schema.ts";
import { testServices } from "../../support/services.ts";

const TTL = 3_600;

function person(subject: string, changes: Partial<Identity> = {}): Identity {
  const email = `${subject}@example.test`;
  return { issuer: "https://idp.test", subject, name: subject, email, emailVerified: true, ...changes };
}

function outcome(identity: Identity, changes: Partial<LoginOutcome> = {}): LoginOutcome {
  return { identity, claims: { sub: identity.subject }, idToken: null, refreshToken: null, ...changes };
}

Deno.test("`rememberUser()` keeps the latest login, and the refresh token of an earlier one, for as long as it is told", async () => {
  using services = await testServices();
  const alice = person("alice");
  const idToken = { value: "a.b.c", expiresAt: services.clock.now() + 300_000 };
  assert.equal(
    await rememberUser(
      services,
      outcome(alice, { idToken, refreshToken: "r", claims: { roles: ["x"] } }),
      TTL,
    ),
    true,
  );
  const kept = await services.store.get(users, userIdOf(alice));
  assert.deepEqual(kept?.value, {
    ...alice,
    claims: { roles: ["x"] },
    idToken: "a.b.c",
    idTokenExpiresAt: idToken.expiresAt,
    providerRefreshToken: "r",
    signedInAt: services.clock.now(),
    expiresAt: services.clock.now() + TTL * 1000,
  });
  await rememberUser(services, outcome(alice), TTL);
  const later = await services.store.get(users, userIdOf(alice));
  assert.deepEqual([later?.value.claims, later?.value.idToken, later?.value.providerRefreshToken], [
    { sub: "alice" },
    null,
    "r",
  ]);
  services.clock.advance({ seconds: TTL });
  assert.equal(await services.store.get(users, userIdOf(alice)), null);
});

Deno.test("each part is kept or not by its own size in bytes, and never keeps the others out", async () => {
  using services = await testServices();
  const alice = person("alice");
  const small = { claims: { sub: "alice" }, idToken: { value: "a.b.c", expiresAt: 1 }, refreshToken: "r" };
  for (
    const [changes, kept] of [
      [{}, [true, true, true]],
      [{ claims: { groups: "g".repeat(32_700) } }, [true, true, true]],
      [{ claims: { groups: "g".repeat(33_000) } }, [false, true, true]],
      [{ claims: { groups: "ü".repeat(16_400) } }, [false, true, true]],
      [{ claims: { groups: "\u0000".repeat(6_000) } }, [false, true, true]],
      [{ idToken: { value: "t".repeat(16_400), expiresAt: 1 } }, [true, false, true]],
      [{ refreshToken: "r".repeat(8_200) }, [true, true, false]],
      // All of them at the limit still fit into one record.
      [{
        claims: { groups: "g".repeat(32_700) },
        idToken: { value: "t".repeat(16_380), expiresAt: 1 },
        refreshToken: "r".repeat(8_180),
      }, [true, true, true]],
      [{ claims: { groups: "g".repeat(1_000_000) }, refreshToken: "r".repeat(1_000_000) }, [
        false,
        true,
        false,
      ]],
    ] as const
  ) {
    const all = { ...small, ...changes };
    assert.equal(await rememberUser(services, outcome(alice, all), TTL), kept.every((each) => each));
    const user = await services.store.get(users, userIdOf(alice));
    assert.deepEqual([
      Object.keys(user?.value.claims ?? {}).length > 0,
      user?.value.idToken !== null,
      user?.value.providerRefreshToken !== null,
    ], [...kept]);
  }
});

Deno.test("claims with odd names are kept as they are, and change nothing else", async () => {
  using services = await testServices();
  const alice = person("alice");
  const claims = JSON.parse('{"__proto__":{"polluted":true},"constructor":1,"":2}');
  assert.equal(await rememberUser(services, outcome(alice, { claims }), TTL), true);
  assert.ok(!("polluted" in {}));
  assert.equal((await services.store.get(users, userIdOf(alice)))?.value.subject, "alice");
});

Deno.test("an address leads to its user only if it was verified, in any case (B7 118)", async () => {
  using services = await testServices();
  await rememberUser(services, outcome(person("alice", { email: "Alice@Example.test" })), TTL);
  await rememberUser(
    services,
    outcome(person("mallory", { email: "mallory@example.test", emailVerified: false })),
    TTL,
  );
  await rememberUser(services, outcome(person("nobody", { email: null })), TTL);
  for (const spelt of ["alice@example.test", " ALICE@example.TEST "]) {
    assert.equal(await findUserByEmail(services, spelt), userIdOf(person("alice")));
  }
  for (const other of ["mallory@example.test", "alice@example.test.evil", "alice", ""]) {
    assert.equal(await findUserByEmail(services, other), null, other);
  }
});

Deno.test("an address that its user gave up, or that is no longer verified, leads nowhere (B7 118)", async () => {
  using services = await testServices();
  const alice = person("alice");
  const old = alice.email ?? "";
  await rememberUser(services, outcome(alice), TTL);
  assert.equal(await findUserByEmail(services, old), userIdOf(alice));
  await rememberUser(services, outcome(person("alice", { email: "alice@elsewhere.test" })), TTL);
  assert.equal(await findUserByEmail(services, old), null);
  assert.equal(await findUserByEmail(services, "alice@elsewhere.test"), userIdOf(alice));
  await rememberUser(services, outcome(person("alice", { emailVerified: false })), TTL);
  assert.equal(await findUserByEmail(services, old), null);
  // It was given to somebody else, who has signed in.
  const bob = person("bob", { email: old });
  await rememberUser(services, outcome(bob), TTL);
  assert.equal(await findUserByEmail(services, old), userIdOf(bob));
});

Deno.test("nothing of it can be read in the store, keys included (B15 243)", async () => {
  using services = await testServices();
  const identity = person("alice-canary");
  const all = {
    claims: { roles: ["role-canary"] },
    idToken: { value: "token-canary", expiresAt: 1 },
    refreshToken: "refresh-canary",
  };
  await rememberUser(services, outcome(identity, all), TTL);
  let rows = 0;
  for await (const { key, value } of services.kv.list({ prefix: [] })) {
    rows++;
    const text = JSON.stringify(key) + new TextDecoder("latin1").decode(value as Uint8Array); // every row is bytes
    assert.doesNotMatch(text, /canary|example\.test|idp\.test/);
  }
  assert.equal(rows, 2);
});
