/** A client that was honoured a moment ago is known; who wonders at once asks once. */
import assert from "node:assert/strict";
import { KnownClients } from "../../../lib/upstream/known_clients.ts";
import { FakeClock } from "../../support/fake_clock.ts";

Deno.test("`knows()` believes what was noted for five minutes, and then asks", async () => {
  const clock = new FakeClock();
  const known = new KnownClients(clock);
  let asked = 0;
  const no = () => {
    asked++;
    return Promise.resolve(false);
  };
  known.note("a");
  clock.advance({ seconds: 299 });
  assert.equal(await known.knows("a", no), true);
  assert.equal(await known.knows("b", no), false);
  clock.advance({ seconds: 1 });
  assert.equal(await known.knows("a", no), false);
  assert.equal(asked, 2);
});

Deno.test("`knows()` asks once for all who wonder, and again after a failure", async () => {
  const known = new KnownClients(new FakeClock());
  let asked = 0;
  const slow = async () => {
    asked++;
    await Promise.resolve();
    return true;
  };
  await Promise.all(Array.from({ length: 20 }, () => known.knows("a", slow)));
  assert.equal(asked, 1);
  await assert.rejects(known.knows("a", () => Promise.reject(new Error("down"))));
  assert.equal(await known.knows("a", slow), true);
});
