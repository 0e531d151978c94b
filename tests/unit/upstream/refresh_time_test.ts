/** The moment of a refresh: early enough, the same within a process, and spread over processes and owners. */
import assert from "node:assert/strict";
import { systemRandom } from "../../../lib/crypto/secret_token.ts";
import { type Lifetime, RefreshTime } from "../../../lib/upstream/refresh_time.ts";

/** Milliseconds before its expiry at which the token is first renewed. */
function lead(
  time: RefreshTime,
  owner: string,
  lifetime: Lifetime & { accessTokenExpiresAt: number },
): number {
  let [early, late] = [lifetime.obtainedAt, lifetime.accessTokenExpiresAt];
  while (late - early > 1) {
    const middle = Math.floor((early + late) / 2);
    if (time.hasCome(owner, lifetime, middle)) late = middle;
    else early = middle;
  }
  return lifetime.accessTokenExpiresAt - late;
}

const HOUR = { obtainedAt: 1_000_000, accessTokenExpiresAt: 1_000_000 + 3_600_000 };
const owners = Array.from({ length: 400 }, (_, index) => `user-${index}`);

Deno.test("a token is renewed between a whole and a half minute before it expires, or in the last fifth of a short life (UP-18)", () => {
  const time = new RefreshTime("acme", systemRandom);
  for (const owner of owners) {
    const hour = lead(time, owner, HOUR);
    assert.ok(hour >= 30_000 && hour <= 60_000, String(hour));
    const short = lead(time, owner, { obtainedAt: 0, accessTokenExpiresAt: 5_000 });
    assert.ok(short >= 500 && short <= 1_000, String(short));
    assert.equal(time.hasCome(owner, HOUR, HOUR.accessTokenExpiresAt), true);
    assert.equal(time.hasCome(owner, { obtainedAt: 0, accessTokenExpiresAt: null }, 1e15), false);
    // Expired from the start: at once, and not never.
    assert.equal(time.hasCome(owner, { obtainedAt: 5, accessTokenExpiresAt: 5 }, 5), true);
  }
});

Deno.test("the moment is one for an owner, connection and expiry; owners, connections, expiries and processes are spread (UP-18)", () => {
  const fixed = (byte: number) => (length: number) => new Uint8Array(length).fill(byte);
  const leads = (time: RefreshTime) => owners.map((owner) => lead(time, owner, HOUR));
  const first = leads(new RefreshTime("acme", fixed(1)));
  assert.deepEqual(leads(new RefreshTime("acme", fixed(1))), first, "the same at every look");
  for (const other of [new RefreshTime("acme", fixed(2)), new RefreshTime("other", fixed(1))]) {
    const same = leads(other).filter((value, index) => Math.abs(value - (first[index] ?? 0)) < 10).length;
    assert.ok(same < 10, `${same} of ${owners.length} in the same instant`);
  }
  const later = { ...HOUR, accessTokenExpiresAt: HOUR.accessTokenExpiresAt + 1000 };
  assert.notEqual(lead(new RefreshTime("acme", fixed(1)), "user-0", later), first[0]);
  // 400 owners over 30 seconds: each second has some, none has a tenth of them.
  const seconds = Map.groupBy(first, (value) => Math.floor((value - 1) / 1000));
  assert.equal(seconds.size, 30);
  assert.ok(Math.max(...[...seconds.values()].map((each) => each.length)) < 40);
});
