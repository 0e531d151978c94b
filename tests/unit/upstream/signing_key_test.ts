/** The gateway's own key: one for all processes, whoever makes it first, and another one when it is of no use any more. */
import assert from "node:assert/strict";
import { parseKeyRing } from "../../../lib/crypto/keyring.ts";
import { systemRandom } from "../../../lib/crypto/secret_token.ts";
import { Store } from "../../../lib/store/store.ts";
import { signingKey } from "../../../lib/upstream/signing_key.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { TEST_KEYS } from "../../support/harness.ts";
import { kvFile } from "../../support/kv_file.ts";

Deno.test("forty makers on two connections to one file, at once, end up with one key, whose halves belong together (UP-08)", async () => {
  await using file = await kvFile();
  const clock = new FakeClock();
  const services = [file.kv, await file.open()].map((kv) => ({
    store: new Store({ kv, clock, keyRing: parseKeyRing(TEST_KEYS, systemRandom) }),
    clock,
    random: systemRandom,
  }));
  const make = async () => {
    const keys = await Promise.all(
      Array.from({ length: 20 }, () => services.map((each) => signingKey(each))).flat(),
    );
    const [first] = keys;
    assert.ok(first);
    assert.deepEqual([...new Set(keys.map(({ keyId }) => keyId))], [first.keyId]);
    assert.ok(keys.every(({ publicJwk }) => publicJwk.kid === first.keyId && !("d" in publicJwk)));
    const text = new TextEncoder().encode("signed");
    const algorithm = { name: "ECDSA", hash: "SHA-256" };
    for (const [index, { key }] of keys.entries()) {
      const { kid: _, ...jwk } = keys[keys.length - 1 - index]?.publicJwk ?? {};
      const publicKey = await crypto.subtle.importKey(
        "jwk",
        jwk,
        { name: "ECDSA", namedCurve: "P-256" },
        false,
        ["verify"],
      );
      const signature = await crypto.subtle.sign(algorithm, key, text);
      assert.ok(await crypto.subtle.verify(algorithm, publicKey, signature, text));
    }
    return first.keyId;
  };
  const first = await make();
  assert.equal(await make(), first);
  clock.advance({ seconds: 11 * 365 * 86_400 });
  const second = await make();
  assert.notEqual(second, first);
});
