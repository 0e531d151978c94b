/** What a fault between us and an upstream says of itself. */
import assert from "node:assert/strict";
import { UpstreamError } from "../../../lib/upstream/upstream_error.ts";

Deno.test("an upstream's fault says who can mend it and why, and nothing in the server's own words", () => {
  const cause = new Error("secret words of the server");
  const error = new UpstreamError("refused", "issuer_differs", { cause });
  assert.deepEqual([error.name, error.kind, error.reason, error.retryAfterMs], [
    "UpstreamError",
    "refused",
    "issuer_differs",
    null,
  ]);
  assert.equal(error.message, "Upstream authorization failed: issuer_differs");
  assert.equal(error.cause, cause);
  assert.equal(new UpstreamError("unavailable", "busy", { retryAfterMs: 5 }).retryAfterMs, 5);
});
