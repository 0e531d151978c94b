/** The rows of our registrations: found by the client that they made, and by nothing that only looks alike. */
import assert from "node:assert/strict";
import { upstreamClients } from "../../../lib/store/upstream_schema.ts";
import {
  findRegistration,
  forgetRegistration,
  manualId,
  registrationId,
} from "../../../lib/upstream/registration_records.ts";
import { testServices } from "../../support/services.ts";
import { CALLBACK, CLIENT, ISSUER } from "./stage.ts";

Deno.test("a row is found by the client that it made; the note of a configured client is none of them (UP-10)", async () => {
  using services = await testServices();
  const { store, clock } = services;
  const record = {
    issuer: ISSUER,
    redirectUri: CALLBACK,
    client: CLIENT,
    management: null,
    registeredAt: 0,
    expiresAt: clock.now() + 1e9,
  };
  const id = registrationId({ issuer: ISSUER, redirectUri: CALLBACK });
  await store.write().set(upstreamClients, ["acme", manualId(CLIENT.clientId)], record).commit();
  assert.equal(await findRegistration(services, "acme", CLIENT.clientId), null);
  await store.write().set(upstreamClients, ["acme", id], record).commit();
  const entry = await findRegistration(services, "acme", CLIENT.clientId);
  assert.equal(entry?.id[1], id);
  for (const [connection, client] of [["other", CLIENT.clientId], ["acme", "unknown"]] as const) {
    assert.equal(await findRegistration(services, connection, client), null);
  }
  // Whoever forgets first has done it; a row that was written anew stays.
  assert.ok(entry);
  await store.write().set(upstreamClients, ["acme", id], {
    ...record,
    client: { ...CLIENT, clientId: "next" },
  }).commit();
  assert.equal(await forgetRegistration(services, entry), false);
  assert.ok(await findRegistration(services, "acme", "next"));
});

Deno.test("issuer and redirect URI are two parts, wherever the one ends (UP-10)", () => {
  assert.notEqual(
    registrationId({ issuer: "a", redirectUri: "bc" }),
    registrationId({ issuer: "ab", redirectUri: "c" }),
  );
});
