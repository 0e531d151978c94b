/** A secret does not get out by accident, by any way that things are usually printed. */
import assert from "node:assert/strict";
import { inspect } from "node:util";
import { Secret } from "../../../lib/runtime/secret.ts";

const secret = new Secret("s3cret");

Deno.test("`reveal()` gives the value", () => {
  assert.equal(secret.reveal(), "s3cret");
});

Deno.test("no way of printing shows it (B16 254)", () => {
  const nested = { a: [secret], map: new Map([["k", secret]]), error: new Error("x", { cause: secret }) };
  const printed = [
    String(secret),
    `${secret}`,
    secret + "",
    JSON.stringify({ secret, nested }),
    Deno.inspect(secret),
    Deno.inspect(nested, { depth: 10, showHidden: true }),
    inspect(secret, { showHidden: true }),
    inspect(nested, { depth: 10, showHidden: true }),
    JSON.stringify(Object.entries(secret)),
    JSON.stringify(Object.getOwnPropertyDescriptors(secret)),
    String(Reflect.ownKeys(secret)),
  ];
  for (const text of printed) assert.ok(!text.includes("s3cret"), text);
  assert.ok(printed[0] === "[secret]" && printed[3]?.includes('"secret":"[secret]"'));
});

Deno.test("a copy by structure carries nothing along", () => {
  assert.deepEqual(structuredClone({ secret }), { secret: {} });
  assert.deepEqual(Object.keys({ ...secret }), []);
});
