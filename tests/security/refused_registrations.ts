/** Registrations that have to be refused, for corpus B2. */
import assert from "node:assert/strict";
import { assertOAuthError } from "./answers.ts";
import type { WatchedGateway } from "./watched_gateway.ts";

/** A redirect URI list that is in order, so that something else is the fault. */
export const redirect_uris: readonly string[] = ["https://client.example/callback"];

let peers = 0;

/** Every body is refused with one of the errors, and nothing is written. */
export async function refusesAll(
  gateway: WatchedGateway,
  bodies: readonly unknown[],
  error: string | readonly string[],
): Promise<void> {
  const before = await gateway.contents();
  for (const body of bodies) {
    const what = JSON.stringify(body).slice(0, 200);
    // One address each, so that no quota answers instead.
    const response = await gateway.fetch("/oauth/register", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      peer: `2001:4860::${(++peers).toString(16)}`,
    });
    await assertOAuthError(response, error, { what });
  }
  assert.deepEqual(await gateway.contents(), before);
}
