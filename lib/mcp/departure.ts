/** Notices that a client has left while its answer is being made, so that nobody works for it any longer. */
import type { Deadlines } from "../runtime/deadlines.ts";

/**
 * A client that leaves earlier than this is noticed then, in milliseconds. Most answers are there by then, and to hear of a departure is
 * dear: `request.signal` is a task of its own in the runtime, for every request, until its answer has been sent.
 */
const PATIENCE_MS = 100;

/** Watches one client. */
export class Departure {
  #left = false;
  readonly #stop: () => void;

  /** Calls `onLeft` once if the client leaves before {@linkcode over}. */
  constructor(request: Request, { deadlines, onLeft }: {
    readonly deadlines: Pick<Deadlines, "start">;
    readonly onLeft: () => void;
  }) {
    let isOver = false;
    const left = () => {
      if (isOver) return;
      this.#left = true;
      onLeft();
    };
    const attend = () => {
      if (request.signal.aborted) left();
      else request.signal.addEventListener("abort", left, { once: true });
    };
    // Over HTTP/2, whose requests name no host among their headers, Deno 2.9 does not tell of a departure that it was asked about too late.
    const stopWaiting = request.headers.has("host") ? deadlines.start(PATIENCE_MS, attend) : attend();
    this.#stop = () => {
      isOver = true;
      stopWaiting?.();
    };
  }

  /** Whether the client has left, as far as is known. */
  get left(): boolean {
    return this.#left;
  }

  /** The answer is on its way: from here on whoever sends it hears of a departure. */
  over(): void {
    this.#stop();
  }
}
