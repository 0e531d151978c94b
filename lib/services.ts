/** What the gateway runs on. A function that needs a part of it says which: `Pick<Services, "store" | "clock">`. */
import type { KeyRing } from "./crypto/keyring.ts";
import type { Random } from "./crypto/secret_token.ts";
import type { Events } from "./observability/events.ts";
import type { Clock } from "./runtime/clock.ts";
import { RevocationFeed } from "./store/revocation_feed.ts";
import { Store } from "./store/store.ts";

/** Made once at startup. */
export interface Services {
  readonly clock: Clock;
  readonly random: Random;
  readonly keyRing: KeyRing;
  readonly store: Store;
  readonly revocations: RevocationFeed;
  readonly events: Events;
}

/** The services on an open key-value store; whoever opened it closes it. */
export function createServices(
  base: Pick<Services, "clock" | "random" | "keyRing" | "events"> & { readonly kv: Deno.Kv },
): Services {
  const { clock, random, keyRing, events, kv } = base;
  const onUnreadable = (collection: string) =>
    events.emit("error", "store_record_unreadable", { collection });
  const store = new Store({ kv, clock, keyRing, onUnreadable });
  return { clock, random, keyRing, events, store, revocations: new RevocationFeed({ store, clock, random }) };
}
