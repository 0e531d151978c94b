/** The claims of an ID-JAG, without a signature. */
import assert from "node:assert/strict";
import { readIdJagClaims } from "../../../lib/oauth/id_jag.ts";

Deno.test("`readIdJagClaims()` keeps an assertion's id for as long as it would be accepted, skew included (B11 167, EM-06)", () => {
  const claims = { iss: "https://idp.test", sub: "s", aud: "https://gw.test", client_id: "c", jti: "j" };
  const read = (now: number) =>
    readIdJagClaims({ ...claims, iat: 1000, exp: 1300 }, {
      audience: "https://gw.test",
      clientId: "c",
      now: now * 1000,
    });
  assert.equal(read(1359).replayableUntil, 1_360_000);
  assert.throws(() => read(1360));
});
