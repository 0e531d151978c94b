/** Registrations over three months of a clock that the test moves: the unused ones push each other out, the used ones stay. */
import assert from "node:assert/strict";
import { findClient, renewClient } from "../../lib/authorization_server/client.ts";
import { registerClient, UNUSED_REGISTRATIONS } from "../../lib/authorization_server/client_registration.ts";
import { testServices } from "../support/services.ts";
import { address } from "./flood.ts";
import { printTable, takeStock } from "./measures.ts";

const DAYS = 100;
const PER_DAY = 1_200;
const WIDTH = 50;
const sources = { configured: [], documents: null };
const policy = { schemes: new Set<string>(), ownOrigins: [] };

Deno.test("120,000 anonymous registrations in 100 days: the store stays bounded, a client in use stays, unused ones end (B17 259, B17 260)", async () => {
  using services = await testServices();
  const register = (n: number) =>
    registerClient(services, {
      client_name: `Client ${n}`,
      redirect_uris: ["https://client.example/callback"],
      token_endpoint_auth_method: "none",
    }, { ...policy, address: address(n) });
  const use = async (clientId: string) => {
    const client = await findClient(services, sources, clientId);
    assert.ok(client, "a client in use is gone");
    await renewClient(services, client);
  };
  const { clientId: used } = await register(0);
  await use(used);
  const { clientId: unused } = await register(1);
  let fresh = 0;
  for (let day = 0; day < DAYS; day++) {
    // Registered today, connected a few minutes and many registrations later.
    const { clientId } = await register(1_000_000 + day);
    for (let n = 0; n < PER_DAY; n += WIDTH) {
      await Promise.all(
        Array.from({ length: WIDTH }, (_, index) => register(10 + day * PER_DAY + n + index)),
      );
    }
    if (await findClient(services, sources, clientId) !== null) fresh++;
    await use(used);
    services.reads.length = 0;
    services.clock.advance({ days: 1 });
  }
  assert.equal(await findClient(services, sources, unused), null);
  const stock = await takeStock(services.kv);
  await printTable(`${DAYS * PER_DAY} registrations in ${DAYS} days, each from an address of its own`, [
    ["kind", "rows", "MiB"],
    ...[...stock].map(([kind, { rows, bytes }]) => [kind, rows, (bytes / 1_048_576).toFixed(1)]),
    ["served after 1,200 more", `${fresh} of ${DAYS}`, ""],
  ]);
  // An unused client is pushed out by the next 1,200 with a probability of 2.4 %.
  assert.ok(fresh >= 90, `${fresh} of ${DAYS}`);
  for (const kind of ["client", "client_twin", "unused_registration"]) {
    assert.ok((stock.get(kind)?.rows ?? 0) <= UNUSED_REGISTRATIONS + 10, kind);
  }
});
