/** Who somebody is: issuer and subject, and nothing that can be changed or chosen. */
import assert from "node:assert/strict";
import { userIdOf } from "../../../lib/login/identity.ts";

Deno.test("a user id is a hash over issuer and subject, 128 bits in base64url (AS-65)", () => {
  const id = userIdOf({ issuer: "https://idp.example", subject: "42" });
  assert.match(id, /^[A-Za-z0-9_-]{22}$/);
  assert.equal(userIdOf({ issuer: "https://idp.example", subject: "42" }), id);
  const others = [
    { issuer: "https://idp.example", subject: "43" },
    { issuer: "https://idp2.example", subject: "42" },
    { issuer: "https://idp.example42", subject: "" },
    { issuer: "", subject: "https://idp.example42" },
    { issuer: 'https://idp.example","42', subject: "" },
    { issuer: "https://idp.example", subject: "42 " },
  ];
  const ids = new Set([id, ...others.map(userIdOf)]);
  assert.equal(ids.size, others.length + 1);
});
