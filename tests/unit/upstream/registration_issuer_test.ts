/** The issuer of a client that was registered by hand: whoever was the first to be sent its secret, or whom the operator names. */
import assert from "node:assert/strict";
import { Secret } from "../../../lib/runtime/secret.ts";
import { upstreamClients } from "../../../lib/store/upstream_schema.ts";
import { noteIssuer, requireSameIssuer } from "../../../lib/upstream/registration_issuer.ts";
import { testServices } from "../../support/services.ts";
import { CALLBACK, CLIENT, ISSUER, server, settings } from "./stage.ts";

const NEXT = server({ issuer: "https://next.test" });
const byHand = settings({
  clientRegistration: {
    mode: "manual",
    clientId: "client",
    clientSecret: new Secret("secret-by-hand"),
    tokenEndpointAuthMethod: null,
  },
});
const client = { ...CLIENT, clientSecret: "secret-by-hand" };
const first = { settings: byHand, server: server(), client, redirectUri: CALLBACK };
const moved = { ...first, server: NEXT };
const agreed = { ...moved, settings: { ...byHand, overrides: { ...byHand.overrides, issuer: NEXT.issuer } } };
const changed = { kind: "refused", reason: "issuer_changed" };

Deno.test("a configured client stays with the issuer of its first use, unless the operator names the next; its secret is not kept (UP-10)", async () => {
  using services = await testServices();
  await noteIssuer(services, first);
  for await (const { value } of services.store.list(upstreamClients)) {
    assert.equal(value.client.clientSecret, null);
  }
  for (const judge of [noteIssuer, requireSameIssuer]) {
    await assert.rejects(judge(services, moved), changed);
    await judge(services, first);
  }
  await requireSameIssuer(services, agreed);
  await noteIssuer(services, agreed);
  for (const judge of [noteIssuer, requireSameIssuer]) {
    await assert.rejects(judge(services, first), changed);
    await judge(services, moved);
  }
});

Deno.test("`requireSameIssuer()` notes nothing: who was never sent the secret is nobody's first (UP-10)", async () => {
  using services = await testServices();
  await requireSameIssuer(services, moved);
  assert.deepEqual(await Array.fromAsync(services.store.list(upstreamClients)), []);
  await noteIssuer(services, first);
  await assert.rejects(requireSameIssuer(services, moved), changed);
});

Deno.test("twenty first uses of a configured client at once are one, or with two issuers one issuer's (UP-10)", async () => {
  using services = await testServices();
  const all = await Promise.allSettled(
    Array.from({ length: 20 }, (_, index) => noteIssuer(services, index % 2 === 0 ? first : moved)),
  );
  const issuers = new Set(all.flatMap((each, index) => each.status === "fulfilled" ? [index % 2] : []));
  assert.equal(issuers.size, 1);
  const other = { ...first, settings: { ...byHand, id: "b" } };
  await Promise.all(Array.from({ length: 20 }, () => noteIssuer(services, other)));
  const [row] = await Array.fromAsync(services.store.list(upstreamClients, "b"));
  assert.equal(row?.value.issuer, ISSUER);
});
