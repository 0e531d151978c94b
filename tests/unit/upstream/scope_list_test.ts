/** Lists of an upstream's own making, and the row that has to hold them beside the next refresh token. */
import assert from "node:assert/strict";
import { type ConnectionRecord, connections } from "../../../lib/store/upstream_schema.ts";
import { chooseScope } from "../../../lib/upstream/connect.ts";
import { boundedScopes } from "../../../lib/upstream/scope_list.ts";
import { readServer } from "../../../lib/upstream/server_metadata.ts";
import { refreshTokens } from "../../../lib/upstream/token_endpoint.ts";
import { testServices } from "../../support/services.ts";
import { CLIENT, ISSUER, network, server, settings, tokenEndpoint, UPSTREAM } from "./stage.ts";

const many = (count: number, prefix: string) => Array.from({ length: count }, (_, index) => prefix + index);

Deno.test("`boundedScopes()` keeps each scope once, in order, from the front as many as fit, by bytes and not by characters", () => {
  assert.deepEqual(boundedScopes(["b", "a", "b"]), ["b", "a"]);
  const fifty = many(50, "https://as.test/auth/some-service.some-resource.readonly-");
  assert.deepEqual(boundedScopes(fifty), fifty);
  for (const prefix of ["scope", "\u0001", "ü"]) {
    const all = many(10_000, prefix);
    const kept = boundedScopes(all);
    assert.deepEqual(kept, all.slice(0, kept.length));
    const bytes = new TextEncoder().encode(JSON.stringify(kept)).length;
    assert.ok(bytes > 6_000 && bytes < 6_200, `${prefix} ${bytes}`);
  }
  assert.deepEqual(boundedScopes(["x".repeat(7_000), "a"]), []);
});

Deno.test("the largest connection that an upstream can make fits into its row (UP-18)", async () => {
  using services = await testServices();
  const long = (path: string) => `${ISSUER}/${path}`.padEnd(2_048, "x");
  const issuer = long("issuer");
  const found = readServer({
    issuer,
    authorization_endpoint: long("authorize"),
    token_endpoint: long("token"),
    registration_endpoint: long("register"),
    revocation_endpoint: long("revoke"),
    token_endpoint_auth_methods_supported: ["none", ...many(20_000, "method")],
    scopes_supported: ["offline_access", ...many(20_000, "scope")],
    code_challenge_methods_supported: ["S256"],
  }, {
    issuer,
    assumePkce: false,
    hosts: { home: "https://up.test", allowLoopback: false, allowPrivateNetwork: false },
  });
  const discovered = { server: found, resource: UPSTREAM, challengeScope: null };
  const asked = chooseScope(settings(), { ...discovered, resourceScopes: many(20_000, "a") }, null);
  assert.equal(asked?.at(-1), "offline_access");
  const token = "t".repeat(16_384);
  const net = network(() =>
    Response.json({
      access_token: token,
      refresh_token: token,
      token_type: "Bearer",
      scope: many(20_000, "granted").join(" "),
    })
  );
  const request = { server: server(), client: CLIENT, resource: null, refreshToken: "refresh" };
  const endpoint = tokenEndpoint(net, services.clock);
  const unasked = await refreshTokens(endpoint, { ...request, scope: null });
  assert.ok(unasked.scope !== null && unasked.scope.length > 100 && unasked.scope.length < 1_000);
  // A server that says a thing twice grants it once.
  const repeating = network(() =>
    Response.json({ access_token: "t", token_type: "Bearer", scope: "a ".repeat(9_000) })
  );
  const repeated = await refreshTokens(tokenEndpoint(repeating, services.clock), {
    ...request,
    scope: ["a"],
  });
  assert.deepEqual(repeated.scope, ["a"]);
  const now = services.clock.now();
  const record: ConnectionRecord = {
    upstreamOrigin: new URL(UPSTREAM).origin,
    server: found,
    client: {
      clientId: "c".repeat(2_048),
      clientSecret: "s".repeat(2_048),
      authMethod: "client_secret_basic",
    },
    resource: UPSTREAM,
    accessToken: unasked.accessToken,
    refreshToken: unasked.refreshToken,
    scope: [...unasked.scope ?? []],
    obtainedAt: now,
    accessTokenExpiresAt: now,
    missingScope: boundedScopes(many(20_000, "missing")),
    dead: false,
    connectedAt: now,
    expiresAt: now + 60_000,
  };
  assert.ok(await services.store.write().set(connections, ["u".repeat(64), "acme"], record).commit());
});

Deno.test("a row from before the list of scopes was cut down to a word is read, and loses the list", () => {
  const { offersOfflineAccess: _, ...before } = server();
  const row = {
    upstreamOrigin: new URL(UPSTREAM).origin,
    server: { ...before, scopesSupported: many(2_000, "scope") },
    client: CLIENT,
    resource: UPSTREAM,
    accessToken: "t",
    refreshToken: "r",
    scope: [],
    obtainedAt: 1,
    accessTokenExpiresAt: null,
    missingScope: null,
    dead: false,
    connectedAt: 1,
    expiresAt: 2,
  };
  assert.deepEqual(connections.schema.parse(row).server, server());
});
