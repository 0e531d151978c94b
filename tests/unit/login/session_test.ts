/** Sessions: opaque, hashed, ending. */
import assert from "node:assert/strict";
import { closeSession, findSession, openSession } from "../../../lib/login/session.ts";
import { hashSecret } from "../../../lib/crypto/secret_token.ts";
import { userIdOf } from "../../../lib/login/identity.ts";
import { testServices } from "../../support/services.ts";

const alice = {
  issuer: "urn:idp",
  subject: "alice",
  name: "Alice",
  email: "alice@example.test",
  emailVerified: true,
};

Deno.test("a session says who signed in and when, to the holder of its cookie", async () => {
  using services = await testServices();
  const cookie = await openSession(services, alice, 3600);
  assert.match(cookie, /^se_[A-Za-z0-9_-]{43}$/);
  const session = await findSession(services, cookie);
  assert.deepEqual(session, {
    userId: userIdOf(alice),
    ...alice,
    signedInAt: services.clock.now(),
    expiresAt: services.clock.now() + 3_600_000,
  });
});

Deno.test("any other cookie is nobody's (B6 100)", async () => {
  using services = await testServices();
  const cookie = await openSession(services, alice, 3600);
  for (
    const other of [
      undefined,
      "",
      "se_",
      `${cookie}x`,
      cookie.slice(0, -1),
      hashSecret(cookie),
      "x".repeat(100_000),
      "\u0000",
    ]
  ) {
    assert.equal(await findSession(services, other), null);
  }
});

Deno.test("every login opens a new session; the name and address in the store are sealed (B6 098, B15 243)", async () => {
  using services = await testServices();
  const [one, two] = [await openSession(services, alice, 3600), await openSession(services, alice, 3600)];
  assert.notEqual(one, two);
  for await (const { key, value } of services.kv.list<Uint8Array>({ prefix: [] })) {
    const text = JSON.stringify(key) + new TextDecoder().decode(value);
    for (const secret of [one, two, "Alice", "alice"]) assert.ok(!text.includes(secret));
  }
});

Deno.test("a session ends by time and by signing out, alone (B6 102)", async () => {
  using services = await testServices();
  const [one, two] = [await openSession(services, alice, 3600), await openSession(services, alice, 7200)];
  await closeSession(services, one);
  await closeSession(services, undefined);
  assert.equal(await findSession(services, one), null);
  assert.ok(await findSession(services, two));
  services.clock.advance({ seconds: 7200 });
  assert.equal(await findSession(services, two), null);
});
