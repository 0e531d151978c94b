/** A gateway that is told to end while it refreshes ends after it has stored what it got. */
import assert from "node:assert/strict";
import { freePort } from "../support/child_process.ts";
import { startGateway } from "../support/gateway_process.ts";
import { registerClient } from "../support/oauth_flow.ts";
import { startOidcUpstream } from "../support/oidc_upstream.ts";
import { factsOf } from "../support/refresh_load.ts";
import { askableAt, callAs, checkStore, connectUser, fleetConfiguration } from "../support/upstream_fleet.ts";

Deno.test("SIGTERM during a refresh loses no credential, whether or not somebody still waits for the call (F07, UP-18)", async () => {
  await using upstream = await startOidcUpstream({
    users: ["alice"],
    tokenSeconds: 600,
    callsPerToken: 1,
    latencyMs: 1_000,
  });
  const folder = await Deno.makeTempDir({ prefix: "sallyport-shutdown-" });
  const port = freePort();
  const config = fleetConfiguration({ upstream: upstream.url, users: ["alice"] }, [port]);
  const start = () => startGateway({ config, folder, port });
  let gateway = await start();
  try {
    const node = askableAt(gateway.origin);
    const alice = await connectUser(node, await registerClient(node), "alice");
    const okay = async () => {
      const { body } = await callAs(node, alice);
      assert.equal(body.result?.content?.[0]?.text, "alice", JSON.stringify(body));
    };
    await okay();
    for (const waits of [true, false]) {
      const refreshing = Promise.withResolvers<void>();
      upstream.onToken = (stage) => stage === "asked" && refreshing.resolve();
      const aborter = new AbortController();
      const call = callAs(
        { fetch: (url, init) => node.fetch(url, { ...init, signal: aborter.signal }) },
        alice,
      )
        .catch(() => null);
      await refreshing.promise;
      if (!waits) aborter.abort();
      const status = await gateway.child.stop({ signal: "SIGTERM", timeoutMs: 5_000 });
      assert.equal(status.code, 0);
      const answer = await call;
      if (waits) assert.equal(answer?.body.result?.content?.[0]?.text, "alice", JSON.stringify(answer));
      await checkStore(folder, factsOf(upstream));
      gateway = await start();
      await okay();
    }
    assert.deepEqual(upstream.tokenErrors, []);
    assert.equal(upstream.revokedGrants, 0);
  } finally {
    await gateway.stop();
    await Deno.remove(folder, { recursive: true });
  }
});
