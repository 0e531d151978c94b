/** How one endpoint of a scripted server misbehaves on the way: late, never, elsewhere, with another status, or without end. */

/** What is to be different from a sound answer. */
export interface EndpointScript {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** In place of the answer's own body; an object becomes JSON. */
  readonly body?: string | Readonly<Record<string, unknown>>;
  /** Milliseconds of real time before the answer begins. */
  readonly delayMs?: number;
  /** Answers a redirect to this URL, with `status` or 302. */
  readonly redirectTo?: string;
  /** White space before the body, in bytes: JSON stays valid, and becomes too large. */
  readonly paddingBytes?: number;
  /** `answer`: nothing ever comes. `body`: headers and half of the body, then nothing. */
  readonly hang?: "answer" | "body";
}

/** What a response depends on beside its script. */
export interface EndpointContext {
  readonly request: Request;
  /** Resolves when the server closes: then nothing may hang any more. */
  readonly closing: Promise<void>;
}

/** Answers a request as the script says, with `sound` for all that it does not mention. */
export async function respond(
  script: EndpointScript = {},
  sound: () => Response | Promise<Response>,
  { request, closing }: EndpointContext,
): Promise<Response> {
  const gone = Promise.race([closing, aborted(request.signal)]);
  if (script.delayMs !== undefined) await waitOr(script.delayMs, gone);
  if (script.hang === "answer") {
    await gone;
    return new Response(null, { status: 503 });
  }
  if (script.redirectTo !== undefined) {
    const headers = { ...script.headers, location: script.redirectTo };
    return new Response(null, { status: script.status ?? 302, headers });
  }
  const answer = await sound();
  const headers = new Headers(answer.headers);
  for (const [name, value] of Object.entries(script.headers ?? {})) headers.set(name, value);
  const init = { status: script.status ?? answer.status, headers };
  const { body: given } = script;
  const text = given === undefined
    ? await answer.text()
    : typeof given === "string"
    ? given
    : JSON.stringify(given);
  if (script.hang === "body") return new Response(halfOf(text, gone), init);
  // A redirect of a sound endpoint has no body, and may not get an empty one.
  return new Response(text === "" ? null : " ".repeat(script.paddingBytes ?? 0) + text, init);
}

function halfOf(text: string, gone: Promise<void>): ReadableStream<Uint8Array> {
  const half = new TextEncoder().encode(text.slice(0, Math.ceil(text.length / 2)));
  return new ReadableStream({
    async start(controller) {
      controller.enqueue(half);
      await gone;
      try {
        controller.close();
      } catch {
        // The reader has gone first.
      }
    },
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = deferred();
  if (signal.aborted) resolve();
  else signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}

async function waitOr(ms: number, gone: Promise<void>): Promise<void> {
  const { promise, resolve } = deferred();
  const timer = setTimeout(resolve, ms);
  await Promise.race([promise, gone]);
  clearTimeout(timer);
}

/** A promise and what resolves it. */
export function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { promise, resolve: () => resolve() };
}
