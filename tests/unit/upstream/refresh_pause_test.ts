/** How long a token endpoint that has failed is left alone, for which credential, and who knows of it. */
import assert from "node:assert/strict";
import { RefreshPauses } from "../../../lib/upstream/refresh_pause.ts";
import { UpstreamError } from "../../../lib/upstream/upstream_error.ts";
import { testServices } from "../../support/services.ts";

const failed = (retryAfterMs: number | null = null) =>
  new UpstreamError("unavailable", "broken", { retryAfterMs });

Deno.test("pauses double from a second to half a minute, a quarter longer at most, for whoever asks in any process (F24)", async () => {
  using services = await testServices();
  const [one, other] = [new RefreshPauses(services, "acme"), new RefreshPauses(services, "acme")];
  const credential = { obtainedAt: services.clock.now() };
  for (let failures = 0; failures < 8; failures++) {
    assert.equal(await one.failures("alice", credential), failures);
    const error = await one.begin("alice", credential, { cause: failed(), failures });
    const wanted = Math.min(1_000 * 2 ** failures, 30_000);
    const got = error.retryAfterMs ?? 0;
    assert.ok(got >= wanted && got <= wanted * 1.25 + 1, `${failures}: ${got}`);
    assert.equal(error.reason, "broken");
    assert.equal(one.known("alice", credential)?.retryAfterMs, got);
    // The other process hears of it when it looks, and remembers.
    if (failures === 0) assert.equal(other.known("alice", credential), null);
    await assert.rejects(other.failures("alice", credential), {
      reason: "refresh_paused",
      retryAfterMs: got,
    });
    assert.equal(other.known("alice", credential)?.retryAfterMs, got);
    services.clock.advance({ seconds: got / 1000 });
    assert.equal(one.known("alice", credential), null);
  }
});

Deno.test("a server gets the time it asks for, from the usual pause to a quarter of an hour (F24)", async () => {
  using services = await testServices();
  const pauses = new RefreshPauses(services, "acme");
  const credential = { obtainedAt: 1 };
  const begin = async (retryAfterMs: number) =>
    (await pauses.begin("alice", credential, { cause: failed(retryAfterMs), failures: 0 })).retryAfterMs ?? 0;
  assert.equal(await begin(120_000), 120_000);
  assert.equal(await begin(86_400_000), 900_000);
  assert.ok(await begin(0) >= 1_000);
});

Deno.test("a pause is about one credential of one owner at one connection", async () => {
  using services = await testServices();
  const pauses = new RefreshPauses(services, "acme");
  await pauses.begin("alice", { obtainedAt: 1 }, { cause: failed(), failures: 4 });
  await assert.rejects(pauses.failures("alice", { obtainedAt: 1 }));
  assert.equal(await pauses.failures("alice", { obtainedAt: 2 }), 0);
  assert.equal(pauses.known("alice", { obtainedAt: 2 }), null);
  assert.equal(await pauses.failures("bob", { obtainedAt: 1 }), 0);
  assert.equal(await new RefreshPauses(services, "other").failures("alice", { obtainedAt: 1 }), 0);
});
