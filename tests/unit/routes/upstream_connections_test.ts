/** Where an upstream finds us. */
import assert from "node:assert/strict";
import { ownAddress } from "../../../routes/upstream_connections.ts";

Deno.test("our metadata document is named only where an upstream could fetch it (UP-07, UP-08)", () => {
  const documentAt = (origin: string) =>
    ownAddress(origin, { basePath: "/base" }, { id: "acme", authMode: "user-oauth" }).documentUrl;
  assert.equal(
    documentAt("https://gw.test"),
    "https://gw.test/.well-known/oauth-client/acme?authProfileId=acme%3Auser-oauth",
  );
  const hidden = ["http://gw.test", "https://localhost", "https://10.0.0.5", "https://[fd00::1]:8443"];
  for (const origin of [...hidden, "https://gateway.internal", "https://gw.corp.lan:8443"]) {
    assert.equal(documentAt(origin), null, origin);
  }
});
