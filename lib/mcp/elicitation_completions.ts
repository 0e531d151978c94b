/**
 * `notifications/elicitation/complete` for sessions of 2025-11-25: told to the session that was asked to open a URL, and to no other, once its
 * user has acted. The session's own stream ends when the connection is made, since it was opened with the credential of before;
 * what the client gets when it comes back begins with the notification.
 *
 * It is kept in memory, for the process that has asked. A client whose stream is in another process is not told, and need not be: the
 * notification is a courtesy (MUST NOT go elsewhere, MAY be sent), and a retry works without it.
 */
import type { RevocationFeed } from "../store/revocation_feed.ts";
import type { Clock } from "../runtime/clock.ts";

/** As long as a connect link lives, in milliseconds. */
const TTL_MS = 15 * 60_000;
const MAX_SESSIONS = 10_000;

/** A URL that a session's client was asked to open. */
export interface AskedElicitation {
  readonly elicitationId: string;
  /** What the revocation feed announces once the user has acted. */
  readonly completedBy: string;
}

interface Waiting extends AskedElicitation {
  completed: boolean;
  readonly until: number;
}

/** What the sessions of one process were asked. */
export class ElicitationCompletions {
  readonly #clock: Clock;
  readonly #sessions = new Map<string, Map<string, Waiting>>();

  constructor(options: { readonly clock: Clock; readonly revocations: RevocationFeed }) {
    this.#clock = options.clock;
    options.revocations.listen((id) => this.#complete(id));
  }

  /** Notes what the client of this session was asked. */
  note(sessionId: string, asked: AskedElicitation): void {
    const session = this.#sessions.get(sessionId) ?? new Map<string, Waiting>();
    session.set(asked.elicitationId, { ...asked, completed: false, until: this.#clock.now() + TTL_MS });
    this.#sessions.delete(sessionId);
    const [oldest] = this.#sessions.keys();
    if (this.#sessions.size >= MAX_SESSIONS && oldest !== undefined) this.#sessions.delete(oldest);
    this.#sessions.set(sessionId, session);
  }

  /** The events that this session's next stream begins with, as they go over the wire; `null`: nothing was completed. */
  take(sessionId: string): Uint8Array<ArrayBuffer> | null {
    const session = this.#sessions.get(sessionId);
    if (session === undefined) return null;
    const done = [...session.values()].filter(({ completed, until }) =>
      completed && until > this.#clock.now()
    );
    for (const { elicitationId } of done) session.delete(elicitationId);
    if (session.size === 0) this.#sessions.delete(sessionId);
    // Without an id of its own, so that the client's place in the upstream's stream stays what it was.
    const events = done.map(({ elicitationId }) =>
      `event: message\ndata: ${notification(elicitationId)}\n\n`
    );
    return events.length === 0 ? null : new TextEncoder().encode(events.join(""));
  }

  #complete(announced: string): void {
    const now = this.#clock.now();
    for (const [sessionId, session] of this.#sessions) {
      for (const waiting of session.values()) {
        if (waiting.until <= now) session.delete(waiting.elicitationId);
        else if (waiting.completedBy === announced) waiting.completed = true;
      }
      if (session.size === 0) this.#sessions.delete(sessionId);
    }
  }
}

function notification(elicitationId: string): string {
  return JSON.stringify({
    jsonrpc: "2.0",
    method: "notifications/elicitation/complete",
    params: { elicitationId },
  });
}
