/** Attack corpus B13: requests that two readers could cut differently. */
import assert from "node:assert/strict";
import { OWN, PING, rawScene } from "./raw_scene.ts";

const SMUGGLED = "POST /alpha HTTP/1.1\r\nHost: evil.test\r\nContent-Length: 0\r\n\r\n";
const CHUNKED = `${PING.length.toString(16)}\r\n${PING}\r\n0\r\n\r\n`;

/** Head lines and body of requests that have to be refused, or understood in one way only. */
const AMBIGUOUS: readonly (readonly [string, readonly string[], string])[] = [
  ["two lengths", [`Content-Length: ${PING.length}`, "Content-Length: 5"], PING],
  ["two lengths in one", [`Content-Length: ${PING.length}, 5`], PING],
  ["a length with a sign", [`Content-Length: +${PING.length}`], PING],
  ["a negative length", ["Content-Length: -1"], PING],
  ["a hexadecimal length", ["Content-Length: 0x28"], PING],
  ["a length with a space in it", ["Content-Length: 4 0"], PING],
  ["an unknown transfer coding", ["Transfer-Encoding: xchunked"], CHUNKED],
  ["chunked, but not last", ["Transfer-Encoding: chunked, identity"], CHUNKED],
  ["chunked twice", ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"], CHUNKED],
  ["a vertical tab before chunked", ["Transfer-Encoding: \x0bchunked"], CHUNKED],
  ["white space before the colon", [`Content-Length : ${PING.length}`], PING],
  ["white space before the colon of the coding", ["Transfer-Encoding : chunked"], CHUNKED],
  ["a folded header", [
    "Accept-Language: de",
    " Authorization: Bearer folded",
    `Content-Length: ${PING.length}`,
  ], PING],
  ["a header that begins with white space", [" X-A: b", `Content-Length: ${PING.length}`], PING],
  ["a header without a name", [": b", `Content-Length: ${PING.length}`], PING],
  ["a NUL in a value", ["Accept-Language: d\0e", `Content-Length: ${PING.length}`], PING],
  ["a lone CR in a value", ["Accept-Language: de\rX-A: b", `Content-Length: ${PING.length}`], PING],
];

Deno.test("what could be cut in two ways is 400 and never reaches the upstream (B13 210)", async () => {
  await rawScene(async ({ upstream, lines, send }) => {
    for (const [what, head, body] of AMBIGUOUS) {
      const { responses } = await send(["POST /alpha HTTP/1.1", ...lines, ...head], body + SMUGGLED, 1500);
      assert.ok(responses.length >= 1, `${what}: no answer`);
      for (const { status } of responses) {
        assert.ok([400, 411, 413, 421, 501].includes(status), `${what}: ${status}`);
      }
      assert.equal(upstream.requests.length, 0, what);
    }
  });
});

/** Bodies that stop being HTTP after they have begun. */
const BROKEN_CHUNKS: readonly (readonly [string, string])[] = [
  ["a size that overflows", `fffffffffffffffff\r\n${PING}\r\n0\r\n\r\n`],
  ["a size that is none", `zz\r\n${PING}\r\n0\r\n\r\n`],
  ["a negative size", `-28\r\n${PING}\r\n0\r\n\r\n`],
  ["more than its size", `2\r\n${PING}\r\n0\r\n\r\n`],
  ["less than its size", `ff\r\n${PING}\r\n0\r\n\r\n`],
  ["a size of white space", `  \r\n${PING}\r\n0\r\n\r\n`],
];

Deno.test("a body that breaks off, or stops being chunks, reaches nobody and is no fault of the gateway (B13 210, B13 198)", async () => {
  await rawScene(async ({ upstream, lines, send, gateway, ping }) => {
    for (const [what, body] of BROKEN_CHUNKS) {
      const head = ["POST /alpha HTTP/1.1", ...lines, "Transfer-Encoding: chunked"];
      const { responses } = await send(head, body + SMUGGLED, 500);
      for (const { status } of responses) assert.ok(status >= 400 && status < 500, `${what}: ${status}`);
    }
    for (const length of ["Content-Length: 1000", "Transfer-Encoding: chunked"]) {
      const begun = length.startsWith("C") ? PING : `ff\r\n${PING}`;
      await send(["POST /alpha HTTP/1.1", ...lines, length], begun, 200);
    }
    // Whatever became of those, the next one is answered.
    const { responses } = await ping();
    assert.deepEqual(responses.map(({ status }) => status), [200]);
    assert.equal(upstream.requests.length, 1);
    assert.deepEqual(gateway.events.filter(({ event }) => event === "gateway_fault"), []);
  });
});

Deno.test("length and chunks together are one request or none, never a second one out of the rest (B13 210)", async () => {
  await rawScene(async ({ upstream, lines, send }) => {
    for (
      const [head, body] of [
        [["Content-Length: 4", "Transfer-Encoding: chunked"], CHUNKED],
        [["Transfer-Encoding: chunked", `Content-Length: ${CHUNKED.length}`], CHUNKED],
        [["Transfer-Encoding: chunked"], CHUNKED],
        [["Transfer-Encoding: Chunked"], CHUNKED],
        [
          ["Transfer-Encoding: chunked", "Trailer: Authorization"],
          CHUNKED.replace(/\r\n$/, "Authorization: Bearer trailing\r\n\r\n"),
        ],
      ] as const
    ) {
      const before = upstream.requests.length;
      const { responses } = await send(
        ["POST /alpha HTTP/1.1", ...lines, ...head, "Connection: close"],
        body,
      );
      const arrived = upstream.requests.slice(before);
      assert.equal(responses.length, 1, head.join());
      assert.equal(arrived.length, responses[0]?.status === 200 ? 1 : 0, head.join());
      for (const { requestLine, headers, body: sent } of arrived) {
        assert.equal(requestLine, "POST /base/mcp HTTP/1.1");
        assert.equal(sent, PING);
        assert.deepEqual(headers.filter(([name]) => name === "transfer-encoding" || name === "trailer"), []);
        assert.deepEqual(headers.filter(([name]) => name === "content-length"), [[
          "content-length",
          String(PING.length),
        ]]);
        assert.deepEqual(headers.filter(([name]) => name === "authorization"), [[
          "authorization",
          OWN.authorization,
        ]]);
      }
    }
  });
});

Deno.test("a request inside a request's body is a body (B13 210)", async () => {
  await rawScene(async ({ upstream, lines, send }) => {
    const message = JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "ping",
      params: { text: `\r\n\r\n${SMUGGLED}` },
    });
    const { responses } = await send([
      "POST /alpha HTTP/1.1",
      ...lines,
      `Content-Length: ${message.length}`,
      "Connection: close",
    ], message);
    assert.deepEqual(responses.map(({ status }) => status), [200]);
    assert.deepEqual(upstream.requests.map(({ body }) => body), [message]);
  });
});

Deno.test("bytes that are no text in a listed field are one field or none (B13 210)", async () => {
  await rawScene(async ({ upstream, lines, send }) => {
    for (
      const value of [
        "\xe9\xff",
        "a\tb",
        "\u00a0",
        "=?utf-8?q?=0d=0aX-A:_b?=",
        "%0d%0aX-A: b",
        "\\r\\nX-A: b",
      ]
    ) {
      const before = upstream.requests.length;
      const { responses } = await send([
        "POST /alpha HTTP/1.1",
        ...lines,
        `Accept-Language: ${value}`,
        `Content-Length: ${PING.length}`,
        "Connection: close",
      ], PING);
      const status = responses[0]?.status ?? 0;
      assert.ok(status === 200 || status === 400, `${JSON.stringify(value)}: ${status}`);
      for (const { headers } of upstream.requests.slice(before)) {
        assert.equal(headers.some(([name]) => name === "x-a"), false, value);
        assert.equal(headers.filter(([name]) => name === "accept-language").length <= 1, true);
      }
      assert.ok(upstream.requests.length <= before + 1);
    }
  });
});
