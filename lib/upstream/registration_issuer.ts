/**
 * A client that was registered by hand belongs to the issuer at which it was first used: an upstream that names another one must not get its
 * secret. `overrides.issuer` is how the operator agrees to a move.
 */
import type { Services } from "../services.ts";
import type { Entry, Store, Write } from "../store/store.ts";
import { type UpstreamClientRecord, upstreamClients } from "../store/upstream_schema.ts";
import type { ClientAtServer } from "./registration_check.ts";
import { manualId } from "./registration_records.ts";
import { UpstreamError } from "./upstream_error.ts";

const TTL_MS = 10 * 365 * 86_400_000;

/**
 * Before a browser is sent there. Nothing is noted yet: an upstream that has no metadata for a moment seems to be its own issuer, and the
 * client would be its for ten years. @throws {UpstreamError} `refused`
 */
export async function requireSameIssuer(
  { store }: Pick<Services, "store">,
  at: ClientAtServer,
): Promise<void> {
  const known = await findNote(store, at);
  if (known?.value.issuer !== at.server.issuer) {
    await commitIfFree(store, at, { known, write: store.write() });
  }
}

/**
 * Notes the issuer that has answered a browser, right before it is sent the secret for the first time.
 * @throws {UpstreamError} `refused`: it was another one that answered first
 */
export async function noteIssuer(
  { store, clock }: Pick<Services, "store" | "clock">,
  at: ClientAtServer & { readonly redirectUri: string },
): Promise<void> {
  const { settings, server, client, redirectUri } = at;
  const known = await findNote(store, at);
  if (known?.value.issuer === server.issuer) return;
  const now = clock.now();
  const write = store.write().set(upstreamClients, [settings.id, manualId(client.clientId)], {
    issuer: server.issuer,
    redirectUri,
    client: { ...client, clientSecret: null },
    management: null,
    registeredAt: now,
    expiresAt: now + TTL_MS,
  });
  await commitIfFree(store, at, { known, write });
}

async function findNote(store: Store, { settings, client }: ClientAtServer) {
  return await store.get(upstreamClients, settings.id, manualId(client.clientId));
}

/** Commits unless another issuer is noted, or comes to be meanwhile. @throws {UpstreamError} `refused` */
async function commitIfFree(
  store: Store,
  at: ClientAtServer,
  { known, write }: { readonly known: Entry<UpstreamClientRecord> | null; readonly write: Write },
): Promise<void> {
  const { settings, server, client } = at;
  const agreed = settings.overrides.issuer === server.issuer;
  if (known !== null && !agreed) throw new UpstreamError("refused", "issuer_changed");
  if (known !== null) write.check(known);
  // A row that cannot be read still counts as somebody's, unless the operator has named the issuer.
  else if (!agreed) write.absent(upstreamClients, settings.id, manualId(client.clientId));
  if (await write.commit()) return;
  const winner = await findNote(store, at);
  if (winner?.value.issuer !== server.issuer) throw new UpstreamError("refused", "issuer_unconfirmed");
}
