/** Whether a server has forgotten us: asked more than once, and its own registration has a say. */
import assert from "node:assert/strict";
import { type UpstreamClientRecord, upstreamClients } from "../../../lib/store/upstream_schema.ts";
import { askAsClient, isKnown, isRegistered } from "../../../lib/upstream/registration_check.ts";
import { findRegistration, registrationId } from "../../../lib/upstream/registration_records.ts";
import { TokenRefusedError } from "../../../lib/upstream/token_endpoint.ts";
import { type TestServices, testServices } from "../../support/services.ts";
import { CALLBACK, CLIENT, ISSUER, network, server, settings, tokenEndpoint } from "./stage.ts";

const about = { settings: settings(), server: server(), client: CLIENT };
const forgotten = () => Promise.reject(new TokenRefusedError("invalid_client"));

async function register(services: TestServices, management: UpstreamClientRecord["management"] = null) {
  const id = registrationId({ issuer: ISSUER, redirectUri: CALLBACK });
  await services.store.write().set(upstreamClients, ["acme", id], {
    issuer: ISSUER,
    redirectUri: CALLBACK,
    client: CLIENT,
    management,
    registeredAt: 0,
    expiresAt: services.clock.now() + 1e9,
  }).commit();
}

const registered = (services: TestServices) => findRegistration(services, "acme", CLIENT.clientId);

Deno.test("one wrong answer costs nothing: the server is asked again, and what it says then counts (UP-09)", async () => {
  using services = await testServices();
  await register(services);
  const parts = tokenEndpoint(network(() => null), services.clock);
  let asked = 0;
  assert.equal(
    await askAsClient(services, parts, about, () => ++asked === 1 ? forgotten() : Promise.resolve("answer")),
    "answer",
  );
  assert.equal(asked, 2);
  assert.ok(await registered(services));
});

Deno.test("three times `invalid_client` is certain: the registration is forgotten, and an event tells (UP-09)", async () => {
  using services = await testServices();
  await register(services);
  const parts = tokenEndpoint(network(() => null), services.clock);
  await assert.rejects(askAsClient(services, parts, about, forgotten), {
    name: "TokenRefusedError",
    code: "invalid_client",
  });
  assert.equal(await registered(services), null);
  assert.deepEqual(services.emitted.map(({ event }) => event), ["mcp_auth_upstream_registration_lost"]);
});

Deno.test("a registration that can still be read speaks for the client; one that cannot, or is another's, does not (UP-09)", async () => {
  const management = { uri: `${ISSUER}/register/client`, token: "management-token" };
  const cases = [
    [() => Response.json({ client_id: "client" }), true],
    [() => Response.json({ client_id: "other" }), false],
    [() => Response.json({ error: "invalid_token" }, { status: 401 }), false],
    [() => new Response("<h1>"), false],
    [() => Promise.reject(new TypeError("down")), false],
  ] as const;
  await Promise.all(cases.map(async ([answer, there]) => {
    using services = await testServices();
    await register(services, management);
    const net = network(answer);
    const asking = askAsClient(services, tokenEndpoint(net, services.clock), about, forgotten);
    await assert.rejects(asking, there ? { kind: "unavailable" } : { code: "invalid_client" });
    assert.equal(await registered(services) !== null, there);
    assert.deepEqual([net.sent[0]?.url, net.sent[0]?.headers.get("authorization")], [
      management.uri,
      "Bearer management-token",
    ]);
  }));
});

Deno.test("a configured client and our document are never forgotten, and asked about once (UP-09)", async () => {
  const manual = {
    mode: "manual",
    clientId: "client",
    clientSecret: null,
    tokenEndpointAuthMethod: null,
  } as const;
  assert.equal(isRegistered(settings({ clientRegistration: manual }), CLIENT), false);
  const document = { ...CLIENT, clientId: "https://gw.test/.well-known/oauth-client/acme?authProfileId=x" };
  assert.equal(isRegistered(settings(), document), false);
  assert.equal(isRegistered(settings(), CLIENT), true);
  using services = await testServices();
  let asked = 0;
  const ask = () => {
    asked++;
    return forgotten();
  };
  const parts = tokenEndpoint(network(() => null), services.clock);
  await assert.rejects(askAsClient(services, parts, { ...about, client: document }, ask), {
    code: "invalid_client",
  });
  assert.equal(asked, 1);
});

Deno.test("`isKnown()` asks with a token that nobody gave out, once in five minutes; only `invalid_client` means no (UP-09)", async () => {
  using services = await testServices();
  const net = network(() => Response.json({ error: "invalid_grant" }, { status: 400 }));
  const parts = tokenEndpoint(net, services.clock);
  const all = await Promise.all(Array.from({ length: 20 }, () => isKnown(services, parts, about)));
  assert.ok(all.every(Boolean));
  await isKnown(services, parts, about);
  assert.equal(net.sent.length, 1);
  assert.ok((net.sent[0]?.form.get("refresh_token") ?? "").length >= 43);
  services.clock.advance({ seconds: 301 });
  await isKnown(services, parts, about);
  assert.equal(net.sent.length, 2);
  const down = tokenEndpoint(network(() => new Response(null, { status: 503 })), services.clock);
  assert.equal(await isKnown(services, down, about), true);
});
