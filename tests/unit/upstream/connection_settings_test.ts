/** Whose credential a call carries, and what the way of authenticating is called. */
import assert from "node:assert/strict";
import { authProfileId, ownerOf, SHARED_OWNER } from "../../../lib/upstream/connection_settings.ts";

Deno.test("`ownerOf()` is the user, or for a shared connection somebody whom no user can be (UP-23)", () => {
  for (const authMode of ["user-oauth", "id-jag"] as const) {
    assert.equal(ownerOf({ authMode }, "alice"), "alice");
  }
  assert.equal(ownerOf({ authMode: "shared-oauth" }, "alice"), SHARED_OWNER);
  assert.equal(ownerOf({ authMode: "shared-oauth" }, "bob"), SHARED_OWNER);
  // Users' ids are hashes in base64url.
  assert.ok(!/^[\w-]+$/.test(SHARED_OWNER));
});

Deno.test("`authProfileId()` is the connection and its mode", () => {
  assert.equal(authProfileId({ id: "acme", authMode: "shared-oauth" }), "acme:shared-oauth");
});
