/** What was asked of the fixture, for tests that wait until something has been. */

/** A request that has been answered; a stream counts as answered once it is open. */
export interface SeenRequest {
  readonly method: string;
  readonly lastEventId: string | null;
  readonly status: number;
  /** Whether whoever asked has gone before the answer's stream was at its end. */
  readonly lost: boolean;
}

/** All requests so far. */
export class RequestLog {
  readonly #requests: SeenRequest[] = [];
  readonly #waiting = new Set<() => void>();

  /** Notes a request; returns its answer, whose stream is watched from now on. */
  add({ method, headers }: Request, response: Response): Response {
    const seen = { method, lastEventId: headers.get("last-event-id"), status: response.status, lost: false };
    this.#requests.push(seen);
    this.#look();
    if (response.body === null) return response;
    const body = watched(response.body, () => {
      seen.lost = true;
      this.#look();
    });
    return new Response(body, response);
  }

  /** Resolves when there are `count` requests that `match`, past ones included; rejects after 20 s. */
  waitFor(match: (request: SeenRequest) => boolean, count: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        settle();
      };
      const look = () => {
        if (this.#requests.filter(match).length >= count) end(resolve);
      };
      const late = () => {
        const seen = this.#requests.map((request) => JSON.stringify(request)).join("\n");
        end(() => reject(new Error(`Not ${count} such requests within 20 s:\n${seen}`)));
      };
      const timer = setTimeout(late, 20_000);
      this.#waiting.add(look);
      look();
    });
  }

  #look(): void {
    for (const look of [...this.#waiting]) look();
  }
}

/** The same stream; `lost` is called when its reader gives it up. */
function watched(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  lost: () => void,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reader = stream.getReader();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel(reason) {
      lost();
      return reader.cancel(reason);
    },
  });
}
