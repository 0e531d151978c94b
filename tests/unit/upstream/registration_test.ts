/** Which client we are at a server: the configured one, our document, or a registration of ours, in that order. */
import assert from "node:assert/strict";
import { Secret } from "../../../lib/runtime/secret.ts";
import { currentClient, obtainClient } from "../../../lib/upstream/registration.ts";
import { type TestServices, testServices } from "../../support/services.ts";
import { CALLBACK, ISSUER, type Network, network, server, settings, tokenEndpoint } from "./stage.ts";

const DOCUMENT = "https://gw.test/.well-known/oauth-client/acme?authProfileId=acme%3Auser-oauth";
const own = { redirectUri: CALLBACK, documentUrl: DOCUMENT };

/** A server that registers everybody under a new id, and knows all whom it has registered. */
function registrar(changes: Record<string, unknown> = {}): Network {
  let count = 0;
  return network(({ url }) =>
    url.endsWith("/register")
      ? Response.json({ client_id: `registered-${++count}`, ...changes }, { status: 201 })
      : Response.json({ error: "invalid_grant" }, { status: 400 })
  );
}

function obtain(
  services: TestServices,
  net: Network,
  request: Partial<Parameters<typeof obtainClient>[2]> = {},
) {
  return obtainClient(services, tokenEndpoint(net, services.clock), {
    settings: settings(),
    server: server(),
    own,
    ...request,
  });
}

const byHand = (clientSecret: string | null, tokenEndpointAuthMethod: "private_key_jwt" | null = null) =>
  settings({
    clientRegistration: {
      mode: "manual",
      clientId: "by-hand",
      clientSecret: clientSecret === null ? null : new Secret(clientSecret),
      tokenEndpointAuthMethod,
    },
  });

Deno.test("configured, else our document where the server takes it and can fetch it, else registered, else an error for the operator (UP-07)", async () => {
  using services = await testServices();
  const net = registrar();
  const takes = server({ takesMetadataDocuments: true, authMethods: ["private_key_jwt", "none"] });
  assert.equal((await obtain(services, net, { settings: byHand("s"), server: takes })).clientId, "by-hand");
  assert.deepEqual(await obtain(services, net, { server: takes }), {
    clientId: DOCUMENT,
    clientSecret: null,
    authMethod: "private_key_jwt",
  });
  const unsigned = server({ takesMetadataDocuments: true, authMethods: ["none"] });
  assert.equal((await obtain(services, net, { server: unsigned })).authMethod, "none");
  assert.equal(net.sent.length, 0);
  const unreachable = { redirectUri: CALLBACK, documentUrl: null };
  assert.equal((await obtain(services, net, { server: takes, own: unreachable })).clientId, "registered-1");
  await assert.rejects(
    obtain(services, net, { server: server({ registrationEndpoint: null, issuer: "https://other.test" }) }),
    {
      kind: "refused",
      reason: "registration_impossible",
    },
  );
});

Deno.test("a registration says what we are, and is one per issuer and redirect URI, for all who ask at once (UP-09, UP-10)", async () => {
  using services = await testServices();
  const net = registrar();
  const clients = await Promise.all(Array.from({ length: 20 }, () => obtain(services, net)));
  assert.deepEqual([...new Set(clients.map(({ clientId }) => clientId))], ["registered-1"]);
  const [{ body } = { body: "" }] = net.sent;
  assert.deepEqual(JSON.parse(body), {
    client_name: "Sallyport",
    application_type: "web",
    redirect_uris: [CALLBACK],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  });
  const elsewhere = { ...own, redirectUri: "https://other.test/callback" };
  assert.equal((await obtain(services, net, { own: elsewhere })).clientId, "registered-2");
  assert.equal(
    (await obtain(services, net, { server: server({ issuer: "https://next.test" }) })).clientId,
    "registered-3",
  );
  assert.equal(
    (await obtain(services, net, { settings: settings({ id: "other" }) })).clientId,
    "registered-4",
  );
  assert.equal((await obtain(services, net)).clientId, "registered-1");
});

Deno.test("a registration ends with its secret, and the next connect makes a new one", async () => {
  using services = await testServices();
  const ends = Math.floor(services.clock.now() / 1000) + 60;
  const net = registrar({
    client_secret: "s",
    client_secret_expires_at: ends,
    token_endpoint_auth_method: "client_secret_post",
  });
  assert.deepEqual(await obtain(services, net), {
    clientId: "registered-1",
    clientSecret: "s",
    authMethod: "client_secret_post",
  });
  services.clock.advance({ seconds: 61 });
  assert.equal((await obtain(services, net)).clientId, "registered-2");
});

Deno.test("the method: the server's word on the client, else the strongest that both can, Basic for a secret if it says nothing (UP-21)", async () => {
  using services = await testServices();
  const cases = [
    [["client_secret_post", "client_secret_basic"], { client_secret: "s" }, "client_secret_basic"],
    [["client_secret_post"], { client_secret: "s" }, "client_secret_post"],
    [["private_key_jwt"], { client_secret: "s" }, "client_secret_basic"],
    [["client_secret_basic"], {}, "none"],
    [
      ["none"],
      { client_secret: "s", token_endpoint_auth_method: "client_secret_post" },
      "client_secret_post",
    ],
  ] as const;
  for (const [index, [authMethods, answer, expected]] of cases.entries()) {
    const at = server({ authMethods: [...authMethods], issuer: `${ISSUER}/${index}` });
    assert.equal(
      (await obtain(services, registrar(answer), { server: at })).authMethod,
      expected,
      String(index),
    );
  }
  const net = registrar();
  assert.equal((await obtain(services, net, { settings: byHand(null) })).authMethod, "none");
  const secret = settings({ ...byHand("s"), id: "two" });
  assert.equal(
    (await obtain(services, net, {
      settings: secret,
      server: server({ authMethods: ["client_secret_post"] }),
    })).authMethod,
    "client_secret_post",
  );
  const signs = settings({ ...byHand(null, "private_key_jwt"), id: "three" });
  assert.equal((await obtain(services, net, { settings: signs })).authMethod, "private_key_jwt");
});

Deno.test("`currentClient()` takes a configured secret as it is now, and leaves other clients alone", () => {
  const former = { clientId: "by-hand", clientSecret: null, authMethod: "client_secret_post" } as const;
  assert.equal(currentClient(byHand("rotated"), former).clientSecret, "rotated");
  // And the way to authenticate, if it is configured.
  assert.equal(currentClient(byHand("rotated"), former).authMethod, "client_secret_post");
  assert.deepEqual(currentClient(byHand(null, "private_key_jwt"), former), {
    clientId: "by-hand",
    clientSecret: null,
    authMethod: "private_key_jwt",
  });
  assert.deepEqual(currentClient(byHand("rotated"), { ...former, clientId: "other" }), {
    ...former,
    clientId: "other",
  });
  assert.deepEqual(currentClient(settings(), former), former);
});

Deno.test("a server that does not answer, errs or refuses is told apart (UP-09)", async () => {
  using services = await testServices();
  const cases = [
    [() => Promise.reject(new TypeError("down")), "unavailable"],
    [() => new Response(null, { status: 503 }), "unavailable"],
    [() => new Response(null, { status: 429 }), "unavailable"],
    [() => Response.json({ error: "invalid_client_metadata" }, { status: 400 }), "refused"],
    [() => new Response("<h1>", { status: 201, headers: { "content-type": "text/html" } }), "refused"],
  ] as const;
  for (const [answer, kind] of cases) await assert.rejects(obtain(services, network(answer)), { kind });
});
