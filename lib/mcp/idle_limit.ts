/**
 * `timeouts.idleMs`: ends an answer whose upstream has fallen silent in the middle of it. Watching takes the bytes through JavaScript, which
 * costs some 45 KB for each open stream (see `event_stream.ts`), so that only routes with a limit have it.
 */
import type { Deadlines } from "../runtime/deadlines.ts";
import type { EventStream } from "./event_stream.ts";

const CHUNK_BYTES = 4096;

/** How long the upstream may be silent, and who is told that it was. */
export interface IdleLimit {
  /** In milliseconds, more than 0. */
  readonly idleMs: number;
  readonly deadlines: Deadlines;
  readonly onIdle: () => void;
}

/**
 * The same bytes, cut off once the upstream has sent nothing for `idleMs`: the client's connection is cut, too, so that it does not take
 * a part for the whole. While the client itself takes nothing, no time passes.
 */
export function limitIdle(
  upstream: ReadableStream<Uint8Array<ArrayBuffer>>,
  { idleMs, deadlines, onIdle }: IdleLimit,
): EventStream {
  const reader = upstream.getReader({ mode: "byob" });
  const end = () => void reader.cancel().catch(ignore);
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      let idle = false;
      const deadline = deadlines.start(idleMs, () => {
        idle = true;
        // The read that waits is then done.
        end();
      });
      try {
        const { done, value } = await reader.read(new Uint8Array(CHUNK_BYTES));
        if (!idle) return done ? controller.close() : controller.enqueue(value);
      } finally {
        deadline.stop();
      }
      onIdle();
      controller.error(`The upstream sent nothing for ${idleMs} ms.`);
    },
    cancel: end,
  }, { highWaterMark: 0 });
  return { body, end };
}

/** Cancelling what has failed already fails the same way; whoever reads the stream has been told. */
function ignore(): void {}
