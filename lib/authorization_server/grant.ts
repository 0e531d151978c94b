/** A grant is what a user approved: the root of every code and token issued under it. Deleting it kills them all. */
import type { Services } from "../services.ts";
import { type GrantRecord, grants, grantsByUser } from "../store/schema.ts";
import type { Write } from "../store/store.ts";

/** Adds the grant and its place in the user's list to `write`. */
export function writeGrant(write: Write, grant: GrantRecord): Write {
  return write
    .set(grants, [grant.grantId], grant)
    .set(grantsByUser, [grant.userId, grant.grantId], {
      clientId: grant.clientId,
      expiresAt: grant.expiresAt,
    });
}

/**
 * Ends a grant, at once and in every process. It needs no version check: whoever issues something under the grant commits only
 * if the grant is still as it was read, so a refresh that runs beside a revocation loses.
 */
export async function revokeGrant(
  services: Pick<Services, "store" | "revocations" | "events">,
  grant: { readonly grantId: string; readonly clientId: string; readonly userId: string },
  reason: string,
): Promise<void> {
  const { store, revocations, events } = services;
  const { grantId, clientId, userId } = grant;
  const write = store.write().delete(grants, grantId).delete(grantsByUser, userId, grantId);
  await revocations.record(write, grantId).commit();
  revocations.announce(grantId);
  events.emit("warn", "mcp_auth_downstream_grant_revoked", {
    grantId,
    clientId,
    subjectId: userId,
    reasonCode: reason,
  });
}
