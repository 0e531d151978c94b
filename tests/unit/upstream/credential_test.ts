/** What a record is worth. */
import assert from "node:assert/strict";
import { credentialOf, STALE } from "../../../lib/upstream/credential.ts";
import type { ConnectionRecord } from "../../../lib/store/upstream_schema.ts";

Deno.test("`credentialOf()` is the token, or stale when the upstream has ended it", () => {
  // The rest of a record says nothing about it.
  const record = { accessToken: "t", dead: false } as ConnectionRecord;
  assert.deepEqual(credentialOf(record), { kind: "ready", accessToken: "t", refreshed: false });
  assert.deepEqual(credentialOf(record, { refreshed: true }), {
    kind: "ready",
    accessToken: "t",
    refreshed: true,
  });
  assert.deepEqual(credentialOf({ ...record, dead: true }), STALE);
});
