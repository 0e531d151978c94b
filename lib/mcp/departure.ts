/** Notices that a client has left while its answer is being made, so that nobody works for it any longer. */
import type { Deadline, Deadlines } from "../runtime/deadlines.ts";

/**
 * A client that leaves earlier than this, in milliseconds, is noticed then or a tick of the deadlines later. Most answers are there by
 * then, and to hear of a departure is dear: `request.signal` is a task of its own in the runtime, for every request, until its answer has
 * been sent.
 */
const PATIENCE_MS = 100;

/** Watches one client. */
export class Departure {
  /** Is aborted when the client leaves before the answer is {@linkcode over}; others may abort it for reasons of their own. */
  readonly controller: AbortController = new AbortController();
  readonly #request: Request;
  readonly #deadline: Deadline | null = null;
  #left = false;
  #over = false;

  constructor(request: Request, deadlines: Pick<Deadlines, "start">) {
    this.#request = request;
    // Over HTTP/2 Deno 2.9 does not tell of a departure that it was asked about too late. Its requests name their host beside the headers;
    // of a client that names it there as well an early departure is not heard, and the upstream answers for nobody.
    if (request.headers.has("host")) this.#deadline = deadlines.start(PATIENCE_MS, () => this.#attend());
    else this.#attend();
  }

  /** Whether the client has left, as far as is known. */
  get left(): boolean {
    return this.#left;
  }

  /** The answer is on its way: from here on whoever sends it hears of a departure. */
  over(): void {
    this.#over = true;
    this.#deadline?.stop();
  }

  #attend(): void {
    const { signal } = this.#request;
    if (signal.aborted) this.#leave();
    else signal.addEventListener("abort", () => this.#leave(), { once: true });
  }

  #leave(): void {
    if (this.#over) return;
    this.#left = true;
    this.controller.abort();
  }
}
