/** What a process knows of the upstreams' word on our client ids: which of them were honoured a moment ago. */
import type { Clock } from "../runtime/clock.ts";

/** How long a client that was honoured is believed to be known there, in milliseconds. */
const KNOWN_MS = 5 * 60_000;

/** The clients of one connection in one process: never more than its registrations. */
export class KnownClients {
  readonly #clock: Clock;
  readonly #until = new Map<string, number>();
  readonly #asking = new Map<string, Promise<boolean>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The server has answered this client as one that it knows: just now, or `at`, in milliseconds since the epoch. */
  note(clientId: string, at: number = this.#clock.now()): void {
    this.#until.set(clientId, Math.max(this.#until.get(clientId) ?? 0, at + KNOWN_MS));
  }

  /** Whether the server knows the client: by what was noted in the last five minutes, else by `ask`, once for all who wonder. */
  async knows(clientId: string, ask: () => Promise<boolean>): Promise<boolean> {
    if ((this.#until.get(clientId) ?? 0) > this.#clock.now()) return true;
    const asking = this.#asking.get(clientId) ?? ask().finally(() => this.#asking.delete(clientId));
    this.#asking.set(clientId, asking);
    return await asking;
  }
}
