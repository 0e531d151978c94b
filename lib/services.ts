/** What the gateway runs on. A function that needs a part of it says which: `Pick<Services, "store" | "clock">`. */
import type { KeyRing } from "./crypto/keyring.ts";
import type { Random } from "./crypto/secret_token.ts";
import type { Events } from "./observability/events.ts";
import type { Clock } from "./runtime/clock.ts";
import type { RevocationFeed } from "./store/revocation_feed.ts";
import type { Store } from "./store/store.ts";

/** Made once at startup, from the environment, by `main.ts`. */
export interface Services {
  readonly clock: Clock;
  readonly random: Random;
  readonly keyRing: KeyRing;
  readonly store: Store;
  readonly revocations: RevocationFeed;
  readonly events: Events;
}
