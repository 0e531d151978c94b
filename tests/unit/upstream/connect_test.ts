/** A connect from its start to its code: stored before the browser leaves, found by its own browser and user, redeemed once. */
import assert from "node:assert/strict";
import { hashSecret } from "../../../lib/crypto/secret_token.ts";
import { connects } from "../../../lib/store/upstream_schema.ts";
import { beginConnect, chooseScope, findConnect, redeemConnect } from "../../../lib/upstream/connect.ts";
import type { ConnectionSettings } from "../../../lib/upstream/connection_settings.ts";
import { type TestServices, testServices } from "../../support/services.ts";
import { CALLBACK, connectParts, ISSUER, network, server, settings, UPSTREAM } from "./stage.ts";

/** An upstream that is found, registers and gives tokens. */
function stage(
  services: TestServices,
  changes: Partial<ConnectionSettings> = {},
  metadata: Record<string, unknown> = {},
) {
  const net = network(({ url, method }) => {
    if (url === UPSTREAM) {
      return new Response(null, { status: 401, headers: { "www-authenticate": 'Bearer scope="a b"' } });
    }
    if (url.includes("oauth-protected-resource")) {
      return Response.json({ resource: UPSTREAM, authorization_servers: [ISSUER] });
    }
    if (url.includes("oauth-authorization-server")) {
      return Response.json({
        issuer: ISSUER,
        authorization_endpoint: `${ISSUER}/authorize?tenant=1`,
        token_endpoint: `${ISSUER}/token`,
        registration_endpoint: `${ISSUER}/register`,
        code_challenge_methods_supported: ["S256"],
        authorization_response_iss_parameter_supported: true,
        ...metadata,
      });
    }
    if (url.endsWith("/register")) return Response.json({ client_id: "client" }, { status: 201 });
    return method === "POST" ? Response.json({ access_token: "t", token_type: "Bearer" }) : null;
  });
  const own = settings(changes);
  const parts = connectParts(net, services.clock, own);
  const start = {
    userId: "alice",
    browser: "br_alice",
    origin: "https://gw.test",
    own: { redirectUri: CALLBACK, documentUrl: null },
    returnTo: "/account",
    missingScope: null,
    pendingId: null,
    ttlSeconds: 900,
  };
  const begin = async (change: Partial<typeof start> = {}) =>
    new URL(await beginConnect(services, parts, { ...start, ...change }));
  return { net, parts, begin };
}

Deno.test("the URL carries PKCE, state, resource and what the server's own address had; the record is there before the browser leaves (UP-11, UP-13)", async () => {
  using services = await testServices();
  const { begin } = stage(services);
  const url = await begin();
  const { code_challenge, state, ...rest } = Object.fromEntries(url.searchParams);
  assert.deepEqual(rest, {
    tenant: "1",
    response_type: "code",
    client_id: "client",
    redirect_uri: CALLBACK,
    code_challenge_method: "S256",
    scope: "a b",
    resource: UPSTREAM,
  });
  assert.match(String(code_challenge), /^[\w-]{43}$/);
  const [entry] = await Array.fromAsync(services.store.list(connects));
  assert.deepEqual(entry?.id, [hashSecret(String(state))]);
  assert.deepEqual([entry?.value.server.issuer, entry?.value.owner, entry?.value.userId], [
    ISSUER,
    "alice",
    "alice",
  ]);
  assert.notEqual((await begin()).searchParams.get("state"), state);
});

Deno.test("a server's own address cannot set what is ours: not the client, the redirect, the state or the challenge", async () => {
  using services = await testServices();
  const taken =
    "client_id=x&redirect_uri=x&state=x&code_challenge=x&code_challenge_method=plain&response_type=token&scope=x&resource=x";
  const { begin } = stage(services, {}, { authorization_endpoint: `${ISSUER}/authorize?${taken}` });
  const url = await begin();
  for (const [name, value] of url.searchParams) assert.notEqual(value, "x", name);
  assert.deepEqual(url.searchParams.getAll("code_challenge_method"), ["S256"]);
  assert.deepEqual(url.searchParams.getAll("response_type"), ["code"]);
});

Deno.test("`findConnect()` is for the browser and the user that began it", async () => {
  using services = await testServices();
  const state = (await stage(services).begin()).searchParams.get("state") ?? "";
  assert.ok(await findConnect(services, state, { browser: "br_alice", userId: "alice" }));
  for (
    const [browser, userId] of [["br_alice", "bob"], ["br_bob", "alice"], [undefined, "alice"], [
      "",
      "alice",
    ]] as const
  ) {
    assert.equal(await findConnect(services, state, { browser, userId }), null);
  }
  assert.equal(
    await findConnect(services, hashSecret(state), { browser: "br_alice", userId: "alice" }),
    null,
  );
  services.clock.advance({ seconds: 900 });
  assert.equal(await findConnect(services, state, { browser: "br_alice", userId: "alice" }), null);
});

Deno.test("`redeemConnect()`: a forged answer leaves the connect, a refusal ends it, and of twenty right ones one is redeemed (UP-13, UP-14)", async () => {
  using services = await testServices();
  const { begin, parts, net } = stage(services);
  const who = { browser: "br_alice", userId: "alice" };
  const answered = async (answer: Record<string, string>) => {
    const state = (await begin()).searchParams.get("state") ?? "";
    const entry = await findConnect(services, state, who);
    assert.ok(entry);
    return { entry, state, params: new URLSearchParams({ state, iss: ISSUER, ...answer }) };
  };
  const forged = await answered({ code: "c", iss: "https://evil.test" });
  await assert.rejects(redeemConnect(services, parts, forged.entry, forged.params), { kind: "forged" });
  assert.ok(await findConnect(services, forged.state, who));
  const outage = await answered({ error: "server_error" });
  await assert.rejects(redeemConnect(services, parts, outage.entry, outage.params), { kind: "unavailable" });
  assert.equal(await findConnect(services, outage.state, who), null);
  const denied = await answered({ error: "access_denied" });
  await assert.rejects(redeemConnect(services, parts, denied.entry, denied.params), { kind: "denied" });
  assert.equal(await findConnect(services, denied.state, who), null);
  const asked = net.sent.length;
  const right = await answered({ code: "c" });
  const all = await Promise.all(
    Array.from({ length: 20 }, () => redeemConnect(services, parts, right.entry, right.params)),
  );
  assert.equal(all.filter((tokens) => tokens !== null).length, 1);
  assert.equal(net.sent.slice(asked).filter(({ url }) => url.endsWith("/token")).length, 1);
});

Deno.test("`chooseScope()`: configured, else the challenge's, else the resource's, else none; what is missing is added, refresh where it is offered (UP-12, UP-20)", () => {
  const found = {
    server: server({ offersOfflineAccess: true }),
    resource: null,
    challengeScope: ["c"],
    resourceScopes: ["r"],
  };
  const plain = { ...found, server: server() };
  assert.deepEqual(chooseScope(settings({ scopes: ["x"] }), found, null), ["x"]);
  assert.deepEqual(chooseScope(settings(), found, null), ["c", "offline_access"]);
  assert.deepEqual(chooseScope(settings(), plain, null), ["c"]);
  assert.deepEqual(chooseScope(settings(), { ...plain, challengeScope: null }, null), ["r"]);
  assert.equal(chooseScope(settings(), { ...plain, challengeScope: null, resourceScopes: null }, null), null);
  assert.deepEqual(chooseScope(settings(), { ...plain, challengeScope: null, resourceScopes: null }, ["m"]), [
    "m",
  ]);
  assert.deepEqual(chooseScope(settings(), plain, ["c", "m"]), ["c", "m"]);
  assert.deepEqual(chooseScope(settings({ scopes: ["x"] }), found, ["m"]), ["x", "m"]);
});

Deno.test("`prompt` is sent as configured; without a word consent is asked for with offline access, and never otherwise", async () => {
  using services = await testServices();
  const prompt = async (changes: Partial<ConnectionSettings>, metadata = {}) =>
    (await stage(services, changes, metadata).begin()).searchParams.get("prompt");
  const offline = { scopes_supported: ["offline_access"] };
  assert.equal(await prompt({}), null);
  assert.equal(await prompt({}, offline), "consent");
  assert.equal(await prompt({ prompt: false }, offline), null);
  assert.equal(await prompt({ prompt: "login" }, offline), "login");
});

Deno.test("scopes go out with the configured delimiter", async () => {
  using services = await testServices();
  const { begin } = stage(services, { scopes: ["a", "b"], scopeDelimiter: "," });
  assert.equal((await begin()).searchParams.get("scope"), "a,b");
});
