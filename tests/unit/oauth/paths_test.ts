import assert from "node:assert/strict";
import { ALIASES, connectCallbackPath, connectPath, PATHS, WELL_KNOWN } from "../../../lib/oauth/paths.ts";

Deno.test("the endpoints are where the contract says (contract 3, AS-06)", () => {
  assert.deepEqual(PATHS, {
    register: "/oauth/register",
    authorize: "/oauth/authorize",
    callback: "/oauth/callback",
    setup: "/oauth/setup",
    token: "/oauth/token",
    revoke: "/oauth/revoke",
    devLogin: "/oauth/dev-login",
    connections: "/auth/connections",
    account: "/account",
    landing: "/",
    healthz: "/healthz",
    readyz: "/readyz",
  });
  assert.deepEqual(ALIASES, { authorize: "/authorize", token: "/token", register: "/register" });
  for (const path of Object.values(WELL_KNOWN)) assert.match(path, /^\/\.well-known\/[a-z.-]+$/);
});

Deno.test("a connection's paths keep its name in one segment", () => {
  assert.equal(connectPath("linear"), "/auth/connections/linear/connect");
  assert.equal(connectCallbackPath("linear"), "/auth/connections/linear/callback");
  assert.equal(connectPath("../x?y"), "/auth/connections/..%2Fx%3Fy/connect");
});
