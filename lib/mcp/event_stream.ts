/**
 * Hands an upstream's event stream over to the client in such a way that the gateway can still end it: when its token expires or is
 * revoked (checklist RS-14), and when the process stops.
 *
 * `Deno.serve` sends the body of a `fetch` without a turn through JavaScript, which is what makes thousands of idle streams cheap.
 * But it takes the body away from its stream to do so, and from then on neither the `fetch` signal nor `cancel()` reaches it: a stream
 * would outlive its token for as long as both ends like. Measured on Deno 2.9.6, gateway process alone, 2,000 idle streams, in a bare
 * pass-through:
 *
 * | how the body is handed over | KB per idle stream | can be ended |
 * |---|---|---|
 * | as it is | 49–53 | no |
 * | as it is, but left in place (`leaveInPlace()`) | 53 | yes, the connection is cut |
 * | through a BYOB reader (`relay()`) | 93–101 | yes, with a proper end |
 * | through a default reader | 151 | yes, with a proper end |
 *
 * Any stream that JavaScript feeds costs 32 KB for a queue inside `Deno.serve` alone, whatever the size of its chunks, so that the
 * 64 KB of the design can be kept in the second way only. The whole gateway adds little: 59–61 KB with 3,000 streams. With 1,000 it is
 * 65–67 KB, because V8 grows its young generation by some 14 MB once; `--v8-flags=--max-semi-space-size=8` makes that 53–55 KB (48 KB
 * with 3,000) without a difference in requests per second that could be told from noise.
 *
 * A cut is what clients also see of a lost network; the MCP TypeScript SDK 1.32.2 reconnects after it under the same conditions as
 * after a proper end.
 */

/** A stream on its way to the client. */
export interface EventStream {
  /** What the client is answered with. */
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>;
  /**
   * Ends the stream and the upstream's answer with it. Also to be called when the stream is over, however that came: nobody else
   * lets go of the upstream's answer. Safe to call twice.
   */
  readonly end: () => void;
}

/** Makes an upstream's body one that can be ended. The body must not have been touched. */
export function endable(body: ReadableStream<Uint8Array<ArrayBuffer>>): EventStream {
  return leaveInPlace(body) ? { body, end: () => void body.cancel().catch(ignore) } : relay(body);
}

/**
 * Asks `Deno.serve` to read the body where it is instead of taking it away: then `body.cancel()` ends it at any time, and has to be
 * called at the end. Returns false where the runtime does not offer that.
 *
 * The wish is the member `autoClose: false` that Deno keeps beside a stream of its own making, for streams such as `Deno.stdin`. No
 * public interface sets it, hence this care: it is found by its description and changed only if it looks as it has to (Deno 2.5.0 to
 * 2.9.6 do), anything else goes the way of `relay()`, and tests/flows/stream_end_test.ts fails on a Deno where it has no effect.
 */
export function leaveInPlace(body: ReadableStream<Uint8Array<ArrayBuffer>>): boolean {
  const key = Object.getOwnPropertySymbols(body).find(({ description }) => description === BACKING);
  if (key === undefined) return false;
  const backing: unknown = Reflect.get(body, key);
  if (typeof backing !== "object" || backing === null) return false;
  if (!("rid" in backing) || typeof backing.rid !== "number") return false;
  if (!("autoClose" in backing) || backing.autoClose !== true) return false;
  return Reflect.set(backing, "autoClose", false);
}

/** The same with nothing but the Streams standard, at twice the memory. */
export function relay(upstream: ReadableStream<Uint8Array<ArrayBuffer>>): EventStream {
  const reader = upstream.getReader({ mode: "byob" });
  const end = () => void reader.cancel().catch(ignore);
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      // A buffer of our own size: a default reader would hold 64 KB for as long as the stream is idle.
      const { done, value } = await reader.read(new Uint8Array(CHUNK_BYTES));
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: end,
  }, { highWaterMark: 0 });
  return { body, end };
}

/** The stream with some bytes before its own, which costs what `relay()` does, or more. It must be one that JavaScript may read. */
export function startingWith(first: Uint8Array<ArrayBuffer>, { body, end }: EventStream): EventStream {
  const reader = body.getReader();
  let sent = false;
  return {
    body: new ReadableStream<Uint8Array<ArrayBuffer>>({
      async pull(controller) {
        if (!sent) {
          sent = true;
          controller.enqueue(first);
          return;
        }
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: end,
    }, { highWaterMark: 0 }),
    end,
  };
}

const BACKING = "[[resourceBacking]]";
const CHUNK_BYTES = 4096;

/** Cancelling what has failed already fails the same way; whoever reads the stream has been told. */
function ignore(): void {}
