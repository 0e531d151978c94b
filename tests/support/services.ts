/** The services of a gateway on a store of the test's own, with a clock that the test moves: for unit tests below the router. */
import { createKeyRingEntry, type KeyRing, parseKeyRing } from "../../lib/crypto/keyring.ts";
import { type Random, systemRandom } from "../../lib/crypto/secret_token.ts";
import type { EventFields, EventLevel, EventName } from "../../lib/observability/events.ts";
import { createServices, type Services } from "../../lib/services.ts";
import { FakeClock } from "./fake_clock.ts";
import { observeReads } from "./kv_file.ts";

/** An event as it was emitted. */
export type EmittedEvent = { readonly level: EventLevel; readonly event: EventName } & EventFields;

/** Services, and what a test looks at behind them. */
export interface TestServices extends Services, Disposable {
  readonly clock: FakeClock;
  readonly kv: Deno.Kv;
  readonly emitted: readonly EmittedEvent[];
  /** Keys of all single reads since the start; a test may empty it. */
  readonly reads: Deno.KvKey[];
}

/** What a test may bring along; everything else is made. */
export interface TestServicesOptions {
  readonly kv?: Deno.Kv;
  readonly clock?: FakeClock;
  readonly random?: Random;
  readonly keyRing?: KeyRing;
}

/** A key ring with one new key. */
export function newKeyRing(id = "test"): KeyRing {
  return parseKeyRing(createKeyRingEntry(id, systemRandom), systemRandom);
}

/** Makes the services; dispose of them with `using`. A store that was brought along stays open. */
export async function testServices(options: TestServicesOptions = {}): Promise<TestServices> {
  const kv = options.kv ?? await Deno.openKv(":memory:");
  const clock = options.clock ?? new FakeClock();
  const emitted: EmittedEvent[] = [];
  const reads: Deno.KvKey[] = [];
  const services = createServices({
    clock,
    random: options.random ?? systemRandom,
    keyRing: options.keyRing ?? newKeyRing(),
    kv: observeReads(kv, (key) => reads.push(key)),
    events: {
      emit: (level, event, fields) =>
        void emitted.push({
          level,
          event,
          ...("members" in fields ? JSON.parse(`{${fields.members.slice(1)}}`) : fields),
        }),
    },
  });
  return {
    ...services,
    clock,
    kv,
    emitted,
    reads,
    [Symbol.dispose]() {
      if (options.kv === undefined) kv.close();
    },
  };
}
