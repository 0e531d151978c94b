/** The rows of our registrations at upstreams' authorization servers: by connection, issuer and redirect URI. */
import { hashSecret } from "../crypto/secret_token.ts";
import type { Services } from "../services.ts";
import type { Entry } from "../store/store.ts";
import { type UpstreamClientRecord, upstreamClients } from "../store/upstream_schema.ts";

/** Id of a registration that was made dynamically. */
export function registrationId(of: { readonly issuer: string; readonly redirectUri: string }): string {
  return hashSecret(JSON.stringify([of.issuer, of.redirectUri]));
}

/** Id of the note at which issuer a client that was registered by hand is used. */
export function manualId(clientId: string): string {
  return hashSecret(JSON.stringify(["manual", clientId]));
}

/** The registration that made this client id; `null`: it was replaced, or is none of our making. */
export async function findRegistration(
  { store }: Pick<Services, "store">,
  connectionId: string,
  clientId: string,
): Promise<Entry<UpstreamClientRecord> | null> {
  for await (const entry of store.list(upstreamClients, connectionId)) {
    if (entry.value.client.clientId === clientId && entry.id[1] !== manualId(clientId)) return entry;
  }
  return null;
}

/** Forgets a registration that the server no longer knows, unless somebody did before. */
export async function forgetRegistration(
  { store }: Pick<Services, "store">,
  entry: Entry<UpstreamClientRecord>,
): Promise<boolean> {
  return await store.write().check(entry).delete(upstreamClients, ...entry.id).commit();
}
