/** Attack corpus B13: bodies that are too large, too slow, or packed. */
import assert from "node:assert/strict";
import { type Deadline, Deadlines } from "../../lib/runtime/deadlines.ts";
import { growsLess, gzipBomb, MIB } from "../support/memory.ts";
import { registerClient } from "../support/oauth_flow.ts";
import { PING, rawScene } from "./raw_scene.ts";

/** A hundred times as fast as the clock, so that half a minute takes 300 ms. */
class ShortDeadlines extends Deadlines {
  override start(ms: number, expire: () => void): Deadline {
    return super.start(ms / 100, expire);
  }
}

interface Upload {
  /** What came back until the gateway closed, or for `forMs`. */
  readonly text: string;
  readonly sent: number;
  readonly closed: boolean;
}

/** Writes the head and then pieces, one every `everyMs`, while it reads. */
async function upload(
  port: number,
  head: string,
  { piece, pieces, everyMs = 0, forMs = 20_000 }: {
    readonly piece: Uint8Array<ArrayBuffer>;
    readonly pieces: number;
    readonly everyMs?: number;
    readonly forMs?: number;
  },
): Promise<Upload> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  let sent = 0;
  let text = "";
  let over = false;
  const writing = (async () => {
    try {
      await connection.write(new TextEncoder().encode(head));
      for (let count = 0; count < pieces && !over; count++) {
        for (let rest = piece; rest.length > 0 && !over;) {
          const size = await connection.write(rest);
          sent += size;
          rest = rest.subarray(size);
        }
        if (everyMs > 0) await new Promise((resolve) => setTimeout(resolve, everyMs));
      }
    } catch {
      // The gateway takes no more.
    }
  })();
  let closed = false;
  const reading = (async () => {
    const buffer = new Uint8Array(4096);
    try {
      for (let size = await connection.read(buffer); size !== null; size = await connection.read(buffer)) {
        text += new TextDecoder().decode(buffer.subarray(0, size));
        // An answer is what the test waits for; how long the rest is drained is the server's own business.
        if (/\r\n\r\n[\s\S]*\}$/.test(text)) break;
      }
    } catch {
      // Reset.
    }
    closed = true;
  })();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise((resolve) => timer = setTimeout(resolve, forMs));
  await Promise.race([reading, late]);
  clearTimeout(timer);
  over = true;
  const answered = closed;
  try {
    connection.close();
  } catch {
    // Closed by its streams.
  }
  await Promise.all([reading, writing]);
  return { text, sent, closed: answered };
}

const statusOf = (text: string) => Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0);

Deno.test("100 MiB in chunks are refused at the limit, with flat memory, and the upstream hears nothing (B13 198)", async () => {
  await rawScene(async ({ upstream, lines, port }) => {
    const data = "x".repeat(65_536);
    const piece = new TextEncoder().encode(`10000\r\n${data}\r\n`);
    const head = ["POST /alpha HTTP/1.1", ...lines, "Transfer-Encoding: chunked"].join("\r\n");
    await growsLess(64 * MIB, async () => {
      for (let turn = 0; turn < 3; turn++) {
        const { text, sent } = await upload(port, `${head}\r\n\r\n`, { piece, pieces: 1600 });
        assert.equal(statusOf(text), 413);
        assert.match(text, /"code":-32600,"message":"The request body is too large\. Send less at once\."/);
        assert.ok(sent < 64 * MIB, `${sent} bytes were taken before the answer`);
      }
    });
    assert.equal(upstream.requests.length, 0);
  });
});

Deno.test("a stated length beyond the limit is refused before a byte of the body (B13 198)", async () => {
  await rawScene(async ({ upstream, lines, send }) => {
    for (const length of [4 * MIB + 1, 100 * MIB, Number.MAX_SAFE_INTEGER]) {
      const { responses } = await send(
        [
          "POST /alpha HTTP/1.1",
          ...lines,
          `Content-Length: ${length}`,
        ],
        "{",
        700,
      );
      assert.equal(responses[0]?.status, 413, String(length));
      assert.match(responses[0]?.headers.get("connection") ?? "", /^close/);
    }
    assert.equal(upstream.requests.length, 0);
  });
});

Deno.test("a body up to the limit passes whole, with a length and in chunks (B13 198)", async () => {
  await rawScene(async ({ upstream, lines, send }) => {
    const limit = 200_000;
    const frame = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping", params: { pad: "" } });
    const message = frame.replace('"pad":""', `"pad":"${"x".repeat(limit - frame.length)}"`);
    assert.equal(message.length, limit);
    const chunked = `${limit.toString(16)}\r\n${message}\r\n0\r\n\r\n`;
    for (
      const [head, body] of [[`Content-Length: ${limit}`, message], ["Transfer-Encoding: chunked", chunked]]
    ) {
      const { responses } = await send(
        ["POST /alpha HTTP/1.1", ...lines, "Connection: close", head ?? ""],
        body,
        5000,
      );
      assert.equal(responses[0]?.status, 200, head);
      assert.equal(upstream.requests.at(-1)?.body, message);
    }
  }, { limits: { bodyBytes: 200_000 } });
});

Deno.test("a packed body is not unpacked: 415, whatever the packing (B13 198)", async () => {
  await rawScene(async ({ upstream, lines, send, gateway, token }) => {
    const bomb = await gzipBomb(128);
    await growsLess(64 * MIB, async () => {
      for (
        const encoding of [
          "gzip",
          "GZIP",
          "br",
          "zstd",
          "deflate",
          "compress",
          "gzip, gzip",
          "identity, gzip",
        ]
      ) {
        const response = await gateway.fetch("/alpha", {
          method: "POST",
          body: bomb,
          headers: {
            authorization: `Bearer ${token}`,
            "content-type": "application/json",
            "content-encoding": encoding,
          },
        });
        assert.equal(response.status, 415, encoding);
        assert.match((await response.json()).error.message, /not encoded further/);
      }
      // A transfer coding that is no chunking is refused by the server itself.
      for (const coding of ["gzip, chunked", "gzip", "deflate, chunked"]) {
        const head = ["POST /alpha HTTP/1.1", ...lines, `Transfer-Encoding: ${coding}`];
        const { responses } = await send(head, `${PING.length.toString(16)}\r\n${PING}\r\n0\r\n\r\n`, 700);
        const status = responses[0]?.status ?? 0;
        // Either it is refused, or, as chunks of what is JSON already, it is read as it is: nothing is ever unpacked.
        assert.ok(status === 400 || status === 501 || status === 200, `${coding}: ${status}`);
      }
    });
    assert.ok(upstream.requests.every(({ body }) => body === PING));
  });
});

/** A byte every 20 ms, which at the tests' speed is one in two seconds. */
const DRIP = { piece: new TextEncoder().encode(" "), pieces: 500, everyMs: 20, forMs: 5000 } as const;

Deno.test("a body of a byte now and then is answered 408 in time, in every kind of upload (B13 206)", async () => {
  await rawScene(
    async ({ upstream, lines, port, gateway }) => {
      const twice = "Content-Length: 1000\r\nContent-Length: 1000";
      for (
        const length of [
          "Content-Length: 1000",
          "Content-Length: 100000",
          twice,
          "Transfer-Encoding: chunked",
        ]
      ) {
        const drip = length.startsWith("T")
          ? { ...DRIP, piece: new TextEncoder().encode("1\r\n \r\n") }
          : DRIP;
        const head = ["POST /alpha HTTP/1.1", ...lines, length].join("\r\n");
        const startedAt = performance.now();
        const { text, closed } = await upload(port, `${head}\r\n\r\n`, drip);
        assert.equal(statusOf(text), 408, length);
        assert.ok(closed);
        assert.match(text, /"code":-32600,"message":"The request body did not come in time\. Try again\."/);
        assert.match(text, /connection: close/i);
        assert.ok(performance.now() - startedAt >= 300, length);
      }
      assert.equal(upstream.requests.length, 0);
      assert.deepEqual(
        gateway.events.filter(({ reasonCode }) => reasonCode === "body_too_slow").map(({ event, status }) => [
          event,
          status,
        ]),
        Array(4).fill(["http_request_refused", 408]),
      );
    },
    {},
    { deadlines: new ShortDeadlines() },
  );
});

Deno.test("forms and registrations have the same deadline (B13 206)", async () => {
  await rawScene(
    async ({ port }) => {
      for (
        const [path, type] of [
          ["/oauth/token", "application/x-www-form-urlencoded"],
          ["/oauth/revoke", "application/x-www-form-urlencoded"],
          ["/oauth/register", "application/json"],
        ]
      ) {
        const head = [
          `POST ${path} HTTP/1.1`,
          `Host: 127.0.0.1:${port}`,
          `Content-Type: ${type}`,
          "Content-Length: 1000",
        ].join("\r\n");
        const { text } = await upload(port, `${head}\r\n\r\n`, DRIP);
        assert.equal(statusOf(text), 408, path);
        assert.match(text, /"error":"invalid_request"/, path);
      }
    },
    {},
    { deadlines: new ShortDeadlines() },
  );
});

Deno.test("a slow body is no hindrance for anybody else (B13 206)", async () => {
  await rawScene(
    async ({ lines, port, ping, gateway }) => {
      const head = ["POST /alpha HTTP/1.1", ...lines, "Content-Length: 1000"].join("\r\n");
      const slow = Array.from(
        { length: 200 },
        () => upload(port, `${head}\r\n\r\n`, { ...DRIP, forMs: 3000 }),
      );
      await new Promise((resolve) => setTimeout(resolve, 100));
      const startedAt = performance.now();
      const { responses } = await ping();
      assert.equal(responses[0]?.status, 200);
      assert.ok(performance.now() - startedAt < 1000);
      await registerClient(gateway);
      assert.deepEqual(new Set((await Promise.all(slow)).map(({ text }) => statusOf(text))), new Set([408]));
    },
    {},
    { deadlines: new ShortDeadlines() },
  );
});
