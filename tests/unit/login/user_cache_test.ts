/** `UserCache`: a user's record is read at most once a second, and anew after a login. */
import assert from "node:assert/strict";
import type { Identity } from "../../../lib/login/identity.ts";
import { userIdOf } from "../../../lib/login/identity.ts";
import { rememberUser } from "../../../lib/login/user.ts";
import { UserCache } from "../../../lib/login/user_cache.ts";
import { testServices } from "../../support/services.ts";

const identity: Identity = {
  issuer: "https://idp.example",
  subject: "alice",
  name: null,
  email: null,
  emailVerified: false,
};
const id = userIdOf(identity);
const outcome = (claims: Record<string, unknown>) => ({
  identity,
  claims,
  idToken: null,
  refreshToken: null,
});

Deno.test("a login elsewhere is seen within a second, one here at once", async () => {
  using services = await testServices();
  const cache = new UserCache(services);
  assert.equal(await cache.find(id), null);
  assert.equal(cache.peek(id), null, "that nobody is known is known");
  await rememberUser(services, outcome({ roles: ["a"] }), 60);
  assert.equal(cache.peek(id), null);
  services.clock.advance({ seconds: 1 });
  assert.equal(cache.peek(id), undefined);
  assert.deepEqual((await cache.find(id))?.claims, { roles: ["a"] });
  await rememberUser(services, outcome({ roles: ["b"] }), 60);
  assert.deepEqual((await cache.find(id))?.claims, { roles: ["a"] });
  cache.forget(id);
  assert.deepEqual((await cache.find(id))?.claims, { roles: ["b"] });
  // The record's own end counts, too.
  services.clock.advance({ seconds: 60 });
  assert.equal(await cache.find(id), null);
});

Deno.test("what is being read while a user signs in is not kept; many at once read once", async () => {
  using services = await testServices();
  await rememberUser(services, outcome({ roles: ["a"] }), 60);
  const cache = new UserCache(services);
  const [first, second] = [cache.find(id), cache.find(id)];
  await rememberUser(services, outcome({ roles: ["b"] }), 60);
  cache.forget(id);
  assert.equal(await first, await second);
  assert.deepEqual((await cache.find(id))?.claims, { roles: ["b"] });
});

Deno.test("records are frozen all the way down, however deep claims nest", async () => {
  using services = await testServices();
  const deep = JSON.parse('{"a":'.repeat(3_000) + "[1]" + "}".repeat(3_000));
  await rememberUser(services, outcome({ roles: ["a"], deep }), 60);
  const user = await new UserCache(services).find(id);
  const roles = user?.claims["roles"];
  assert.ok(Object.isFrozen(user) && Object.isFrozen(user?.claims) && Object.isFrozen(roles));
  assert.throws(() => Array.isArray(roles) && roles.push("admin"), TypeError);
});
