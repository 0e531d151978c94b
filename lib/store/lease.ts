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

/** Takes the lease for `ttlMs` milliseconds, and returns what gives it back; `null` if somebody else holds it. */
export async function takeLease(
  { store, clock, random }: LeaseServices,
  name: string,
  ttlMs: number,
): Promise<(() => Promise<void>) | null> {
  const holder = createIdentifier(random);
  const former = await store.getExpired(leases, name);
  if (former !== null && former.value.expiresAt > clock.now()) return null;
  const write = store.write().set(leases, [name], { holder, expiresAt: clock.now() + ttlMs });
  if (former === null) write.absent(leases, name);
  else write.check(former);
  if (!await write.commit()) return null;
  return async () => {
    const mine = await store.get(leases, name);
    if (mine?.value.holder === holder) await store.write().check(mine).delete(leases, name).commit();
  };
}
