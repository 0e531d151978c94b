/** Token revocation (RFC 7009): a refresh token ends its grant, an access token only itself. */
import { tokenId } from "../crypto/secret_token.ts";
import type { Services } from "../services.ts";
import { accessTokens, refreshTokens } from "../store/schema.ts";
import type { Client } from "./client.ts";
import { revokeGrant } from "./grant.ts";

/** Revokes the token if it is this client's; an unknown or foreign token is left alone, which the answer does not show. */
export async function revokeToken(
  services: Pick<Services, "store" | "revocations" | "events">,
  client: Client,
  token: string,
): Promise<void> {
  const { store, revocations, events } = services;
  const rowId = tokenId(token);
  const refreshToken = await store.get(refreshTokens, rowId);
  if (refreshToken !== null) {
    if (refreshToken.value.clientId === client.clientId) {
      await revokeGrant(services, refreshToken.value, "revoked_by_client");
    }
    return;
  }
  const accessToken = await store.get(accessTokens, rowId);
  if (accessToken === null || accessToken.value.clientId !== client.clientId) return;
  await revocations.record(store.write().delete(accessTokens, rowId), rowId).commit();
  revocations.announce(rowId);
  const { clientId, userId: subjectId, grantId } = accessToken.value;
  events.emit("info", "mcp_auth_downstream_token_revoked", { clientId, subjectId, grantId });
}
