/** A lease: of all processes on one store, one does the work and the others wait for its outcome. It ends by itself if its holder dies. */
import { createIdentifier, type Random } from "../crypto/secret_token.ts";
import type { Clock } from "../runtime/clock.ts";
import { leases } from "./upstream_schema.ts";
import type { Store } from "./store.ts";

/** What leases are kept in. */
export interface LeaseServices {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
}

/** A lease that was taken. */
export interface Lease {
  /** Lets it end `ttlMs` milliseconds from now. `false`: it has ended, and may be somebody else's. */
  extend(ttlMs: number): Promise<boolean>;
  /** Gives it back. It never throws: one that cannot be given back ends by itself. */
  release(): Promise<void>;
}

/** Takes the lease for `ttlMs` milliseconds; `null` if somebody else holds it. */
export async function takeLease(
  { store, clock, random }: LeaseServices,
  name: string,
  ttlMs: number,
): Promise<Lease | null> {
  const holder = createIdentifier(random);
  const former = await store.getExpired(leases, name);
  if (former !== null && former.value.expiresAt > clock.now()) return null;
  const write = store.write().set(leases, [name], { holder, expiresAt: clock.now() + ttlMs });
  if (former === null) write.absent(leases, name);
  else write.check(former);
  if (!await write.commit()) return null;
  const mine = async () => {
    const entry = await store.get(leases, name);
    return entry?.value.holder === holder ? entry : null;
  };
  return {
    async extend(ttlMs) {
      const entry = await mine();
      if (entry === null) return false;
      const extended = { holder, expiresAt: clock.now() + ttlMs };
      return await store.write().check(entry).set(leases, [name], extended).commit();
    },
    async release() {
      try {
        const entry = await mine();
        if (entry !== null) await store.write().check(entry).delete(leases, name).commit();
      } catch {
        // What was done under the lease is done.
      }
    },
  };
}
