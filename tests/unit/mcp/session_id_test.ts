/** Session ids: worth something to their holder alone, in every process with the same keys. */
import assert from "node:assert/strict";
import { createKeyRingEntry, parseKeyRing } from "../../../lib/crypto/keyring.ts";
import { systemRandom } from "../../../lib/crypto/secret_token.ts";
import { bindSessionId, openSessionId } from "../../../lib/mcp/session_id.ts";
import { newKeyRing } from "../../support/services.ts";

const holder = { userId: "alice", clientId: "c", operationId: "alpha" };
const keys = newKeyRing();

Deno.test("the holder gets the upstream's id back, dots and all", () => {
  for (const id of ["abc", "a.b.c", "...", "sp1.x.y.z", "!~", "x".repeat(512)]) {
    const bound = bindSessionId(keys, id, holder);
    assert.match(bound ?? "", /^[\x21-\x7e]+$/);
    assert.equal(openSessionId(keys, bound ?? "", holder), id);
  }
});

Deno.test("an id of the upstream that MCP does not allow is not passed on", () => {
  for (const id of ["", "a b", "a\tb", "ü", "a\r\nb", "x".repeat(513)]) {
    assert.equal(bindSessionId(keys, id, holder), null);
  }
});

Deno.test("another user, client or route gets nothing from it (TR-26, B12 186)", () => {
  const bound = bindSessionId(keys, "abc", holder) ?? "";
  for (
    const other of [
      { ...holder, userId: "bob" },
      { ...holder, clientId: "d" },
      { ...holder, operationId: "beta" },
      { userId: "c", clientId: "alice", operationId: "alpha" },
      { ...holder, userId: 'alice","c' },
    ]
  ) assert.equal(openSessionId(keys, bound, other), null);
});

Deno.test("a forged, altered or cut id opens nothing and keeps no state (B13 208)", () => {
  const bound = bindSessionId(keys, "abc", holder) ?? "";
  for (let length = 0; length < bound.length; length++) {
    assert.equal(openSessionId(keys, bound.slice(0, length), holder), null);
  }
  const [prefix, keyId, code] = bound.split(".");
  for (
    const forged of [
      "abc",
      `${prefix}.${keyId}.${code}.abd`,
      `${prefix}.${keyId}.${code}.abc.`,
      `${prefix}.${keyId}..abc`,
      `${prefix}.other.${code}.abc`,
      `sp2.${keyId}.${code}.abc`,
      `${prefix}.${keyId}.${"A".repeat(22)}.abc`,
      `${bound} `,
      ".....",
    ]
  ) assert.equal(openSessionId(keys, forged, holder), null, forged);
  assert.equal(openSessionId(newKeyRing("test"), bound, holder), null);
});

Deno.test("after a rotation of the keys open sessions go on, until the old key is gone", () => {
  const [old, fresh] = [createKeyRingEntry("old", systemRandom), createKeyRingEntry("new", systemRandom)];
  const bound = bindSessionId(parseKeyRing(old, systemRandom), "abc", holder) ?? "";
  assert.equal(openSessionId(parseKeyRing(`${fresh},${old}`, systemRandom), bound, holder), "abc");
  assert.equal(openSessionId(parseKeyRing(fresh, systemRandom), bound, holder), null);
});
