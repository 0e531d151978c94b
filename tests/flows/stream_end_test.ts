/** What ends an event stream and what an ended one leaves behind, with a real `Deno.serve` on every leg: in process nothing is delivered. */
import assert from "node:assert/strict";
import { endable, type EventStream, leaveInPlace, relay } from "../../lib/mcp/event_stream.ts";
import { freePort } from "../support/child_process.ts";
import { type Harness, startHarness } from "../support/harness.ts";
import { obtainTokens, postForm, registerClient, type TestTokens } from "../support/oauth_flow.ts";
import { serveHarness } from "../support/raw_http.ts";

const SOON_MS = 1000;
const encoder = new TextEncoder();

/** An upstream that opens streams and remembers them. */
function streamingUpstream() {
  const open = new Set<ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>>();
  return {
    open,
    answer(): Response {
      let mine: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
      const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
        start(controller) {
          mine = controller;
          open.add(mine);
          mine.enqueue(encoder.encode(": open\n\n"));
        },
        cancel: () => void open.delete(mine),
      });
      return new Response(body, { headers: { "content-type": "text/event-stream" } });
    },
    endAll() {
      for (const controller of open) controller.close();
      open.clear();
    },
  };
}

interface Stream {
  /** How the stream ended; pending while it is open. */
  readonly ended: Promise<"closed" | "cut">;
  readonly leave: () => void;
}

/** Reads a stream until it ends, once its first event is here. */
async function follow(response: Response): Promise<Stream> {
  assert.equal(response.status, 200);
  const reader = response.body!.getReader();
  assert.equal(new TextDecoder().decode((await reader.read()).value), ": open\n\n");
  const ended = (async () => {
    try {
      while (!(await reader.read()).done);
      return "closed";
    } catch {
      return "cut";
    }
  })();
  return { ended, leave: () => void reader.cancel().catch(() => {}) };
}

async function soon<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${SOON_MS} ms`)), SOON_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + SOON_MS;
  while (!condition()) {
    assert.ok(performance.now() < deadline, `${what}: not within ${SOON_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Leaves what is still open when it goes out of scope. */
function leaving(): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController();
  return { signal: controller.signal, [Symbol.dispose]: () => controller.abort() };
}

type Upstream = ReturnType<typeof streamingUpstream>;

interface Scene {
  readonly gateway: Harness;
  readonly upstream: Upstream;
  readonly signIn: (user: string) => Promise<TestTokens>;
  readonly open: (tokens: TestTokens) => Promise<Response>;
  readonly revoke: (tokens: TestTokens) => Promise<void>;
}

/** A listening gateway for two users, each of whom may have two streams. */
async function scene(test: (scene: Scene) => Promise<void>): Promise<void> {
  const port = freePort();
  const upstream = streamingUpstream();
  await using gateway = await startHarness({
    origin: `http://127.0.0.1:${port}`,
    upstream: upstream.answer,
    users: ["alice", "bob"],
    config: () => ({ limits: { streamsPerUser: 2 } }),
  });
  await using _server = serveHarness(gateway, port);
  const client = await registerClient(gateway);
  // What a failed test leaves open would keep both servers from ending.
  using leftOpen = leaving();
  await test({
    gateway,
    upstream,
    signIn: (user) => obtainTokens(gateway, client, { user }),
    open: ({ access_token }) =>
      fetch(`${gateway.origin}/alpha`, {
        headers: { authorization: `Bearer ${access_token}`, accept: "text/event-stream" },
        signal: leftOpen.signal,
      }),
    async revoke({ refresh_token }) {
      const answer = await postForm(gateway, "/oauth/revoke", {
        token: refresh_token,
        client_id: client.clientId,
      });
      assert.equal(answer.status, 200);
    },
  });
}

Deno.test("a revocation ends the streams of its grant on both sides, and nobody else's (RS-14)", async () => {
  await scene(async ({ upstream, signIn, open, revoke }) => {
    const [alice, bob] = [await signIn("alice"), await signIn("bob")];
    const hers = [await follow(await open(alice)), await follow(await open(alice))];
    const his = await follow(await open(bob));
    assert.equal(upstream.open.size, 3);
    await revoke(alice);
    for (const stream of hers) await soon(stream.ended, "a revoked stream");
    await until(() => upstream.open.size === 1, "the upstream's streams");
    for (const controller of upstream.open) controller.enqueue(encoder.encode("data: still here\n\n"));
    const outcome = await Promise.race([
      his.ended,
      new Promise((resolve) => setTimeout(resolve, 300, "open")),
    ]);
    assert.equal(outcome, "open");
    his.leave();
    await until(() => upstream.open.size === 0, "the stream of a client that left");
  });
});

Deno.test("a token's expiry ends its stream on both sides (RS-14)", async () => {
  await scene(async ({ gateway, upstream, signIn, open }) => {
    const stream = await follow(await open(await signIn("alice")));
    gateway.clock.advance({ seconds: 900 });
    await soon(stream.ended, "the expired stream");
    await until(() => upstream.open.size === 0, "the upstream's stream");
  });
});

for (const how of ["revoked", "ended by the upstream", "left by the client"] as const) {
  Deno.test(`the limit per user is right after streams were ${how} (RS-14, B17 262)`, async () => {
    await scene(async ({ upstream, signIn, open, revoke }) => {
      for (let turn = 0; turn < 3; turn++) {
        const tokens = await signIn("alice");
        const streams = [await follow(await open(tokens)), await follow(await open(tokens))];
        const third = await open(tokens);
        assert.equal(third.status, 429, `turn ${turn}: one more than two`);
        await third.body?.cancel();
        await until(() => upstream.open.size === 2, "the refused stream at the upstream");
        if (how === "revoked") await revoke(tokens);
        else if (how === "ended by the upstream") upstream.endAll();
        else streams.forEach(({ leave }) => leave());
        for (const { ended } of streams) {
          assert.equal(await soon(ended, how), how === "revoked" ? "cut" : "closed");
        }
        await until(() => upstream.open.size === 0, "the upstream's streams");
      }
    });
  });
}

/** A server that hands over what `hand` makes of the upstream's body. The sanitizer of `deno test` finds what is not let go. */
async function handedOver(
  hand: (body: ReadableStream<Uint8Array<ArrayBuffer>>) => EventStream,
  test: (on: { upstream: Upstream; stream: Stream; end: () => void }) => Promise<void>,
): Promise<void> {
  const upstream = streamingUpstream();
  const local = { hostname: "127.0.0.1", port: 0, onListen() {} };
  await using behind = Deno.serve(local, () => upstream.answer());
  let made: EventStream | undefined;
  await using front = Deno.serve(local, async (_, { completed }) => {
    const answer = await fetch(`http://127.0.0.1:${behind.addr.port}/`);
    made = hand(answer.body!);
    completed.then(made.end, made.end);
    return new Response(made.body);
  });
  using leftOpen = leaving();
  const stream = await follow(await fetch(`http://127.0.0.1:${front.addr.port}/`, leftOpen));
  await test({ upstream, stream, end: () => made?.end() });
}

Deno.test("this Deno lets a body be left in place, which is what keeps idle streams small", async () => {
  const inPlace = (body: ReadableStream<Uint8Array<ArrayBuffer>>) => {
    assert.equal(leaveInPlace(body), true);
    assert.equal(leaveInPlace(body), false, "it is done once");
    return { body, end: () => void body.cancel().catch(() => {}) };
  };
  await handedOver(inPlace, async ({ upstream, stream, end }) => {
    end();
    assert.equal(await soon(stream.ended, "the stream"), "cut");
    await until(() => upstream.open.size === 0, "the upstream's stream");
  });
});

Deno.test("a stream that Deno did not make is relayed and can be ended all the same", async () => {
  for (const hand of [relay, (body: ReadableStream<Uint8Array<ArrayBuffer>>) => endable(untouchable(body))]) {
    await handedOver(hand, async ({ upstream, stream, end }) => {
      end();
      assert.equal(await soon(stream.ended, "the stream"), "closed");
      await until(() => upstream.open.size === 0, "the upstream's stream");
    });
  }
});

Deno.test("either way, a stream ends with its upstream and with its client", async () => {
  for (const hand of [endable, relay]) {
    await handedOver(hand, async ({ upstream, stream }) => {
      upstream.endAll();
      assert.equal(await soon(stream.ended, "the stream"), "closed");
    });
    await handedOver(hand, async ({ upstream, stream }) => {
      stream.leave();
      await until(() => upstream.open.size === 0, "the upstream's stream");
      await stream.ended;
    });
  }
});

/** The same bytes in a stream that has no resource of Deno's behind it. */
function untouchable(body: ReadableStream<Uint8Array<ArrayBuffer>>): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reader = body.getReader();
  return new ReadableStream({
    type: "bytes",
    async pull(controller) {
      const { done, value } = await reader.read();
      if (!done) return controller.enqueue(value);
      controller.close();
      controller.byobRequest?.respond(0);
    },
    cancel: (reason) => reader.cancel(reason),
  });
}
