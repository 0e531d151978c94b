/** What a link names: one user's need at one connection, for fifteen minutes, until it is met. */
import assert from "node:assert/strict";
import { pendingConnects } from "../../../lib/store/upstream_schema.ts";
import {
  closePendingConnect,
  findPendingConnect,
  openPendingConnect,
} from "../../../lib/upstream/pending_connect.ts";
import { testServices } from "../../support/services.ts";

const ABOUT = { userId: "alice", connectionId: "acme", operationId: "alpha", scope: ["write"] };

Deno.test("a pending connect is found by its user at its connection, and by nobody else (B14 219, UP-15)", async () => {
  using services = await testServices();
  const id = await openPendingConnect(services, ABOUT);
  assert.deepEqual((await findPendingConnect(services, id, ABOUT))?.scope, ["write"]);
  for (const who of [{ ...ABOUT, userId: "bob" }, { ...ABOUT, connectionId: "other" }]) {
    assert.equal(await findPendingConnect(services, id, who), null);
  }
  for (const other of ["", "unknown", `${id}x`, "x".repeat(10_000)]) {
    assert.equal(await findPendingConnect(services, other, ABOUT), null);
  }
});

Deno.test("it ends with its time and with its use; its id is in no key (B14 218, B15 244)", async () => {
  using services = await testServices();
  const [first, second] = [
    await openPendingConnect(services, ABOUT),
    await openPendingConnect(services, ABOUT),
  ];
  for await (const { id } of services.store.list(pendingConnects)) {
    assert.ok(![first, second].includes(id[0]));
  }
  await closePendingConnect(services, first);
  assert.equal(await findPendingConnect(services, first, ABOUT), null);
  services.clock.advance({ seconds: 899 });
  assert.ok(await findPendingConnect(services, second, ABOUT));
  services.clock.advance({ seconds: 1 });
  assert.equal(await findPendingConnect(services, second, ABOUT), null);
  await closePendingConnect(services, second);
});
