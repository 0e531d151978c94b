/** Event streams that a test writes as it goes, and waiting for what they bring. */

/** An upstream whose stream the test writes, and that knows when it was cancelled. */
export function writtenStream() {
  const cancelled = Promise.withResolvers<number>();
  const opened = Promise.withResolvers<void>();
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const encoder = new TextEncoder();
  return {
    opened: opened.promise,
    /** Resolves with the moment of the cancellation. */
    cancelled: cancelled.promise,
    send: (text: string) => controller?.enqueue(encoder.encode(text)),
    end: () => controller?.close(),
    answer: () =>
      new Response(
        new ReadableStream<Uint8Array>({
          start: (given) => {
            controller = given;
            given.enqueue(encoder.encode(": open\n\n"));
            opened.resolve();
          },
          cancel: () => cancelled.resolve(performance.now()),
        }),
        { headers: { "content-type": "text/event-stream" } },
      ),
  };
}

/** Fails if the promise takes longer. */
export async function within<T>(ms: number, promise: Promise<T>, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
