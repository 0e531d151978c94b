/** The records: each kind has a key of its own, secrets are sealed, and every record ends. */
import assert from "node:assert/strict";
import { z } from "zod";
import { collection, type RecordOf } from "../../../lib/store/collection.ts";
import * as schema from "../../../lib/store/schema.ts";

const collections = Object.values(schema).filter((value) => typeof value === "object" && "schema" in value);

Deno.test("every kind of record has a name of its own and cannot be without an end", () => {
  assert.ok(collections.length >= 11);
  const names = collections.map((each) => each.name);
  assert.equal(new Set(names).size, names.length);
  for (const each of collections) {
    const parsed = each.schema.safeParse({});
    const missing = parsed.success ? [] : parsed.error.issues.map((issue) => issue.path.join("."));
    assert.ok(missing.includes("expiresAt"), each.name);
  }
});

Deno.test("records with something to keep from a reader of the file are sealed", () => {
  const sealed = collections.filter((each) => each.sealed).map((each) => each.name);
  for (const name of ["authorization", "login", "session"]) assert.ok(sealed.includes(name), name);
});

Deno.test("the page that describes the store names every kind of record", async () => {
  const source = await Deno.readTextFile(new URL(import.meta.resolve("../../../lib/store/schema.ts")));
  const described = new Set([...source.matchAll(/^ \* \| `\["([a-z_]+)"/gm)].map(([, name]) => name));
  assert.deepEqual(described, new Set(collections.map((each) => each.name)));
});

Deno.test("`collection()` adds the end to a shape and keeps its members", () => {
  const points = collection("point", { x: z.number() }, { sealed: true });
  const record: RecordOf<typeof points> = { x: 1, expiresAt: 2 };
  assert.deepEqual(points.schema.parse({ ...record, unknown: "dropped" }), record);
  assert.deepEqual([points.name, points.sealed], ["point", true]);
  assert.equal(points.schema.safeParse({ x: "1", expiresAt: 2 }).success, false);
});
