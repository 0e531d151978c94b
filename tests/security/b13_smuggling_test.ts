/** Attack corpus B13: requests that two readers could cut differently, and targets that would lead elsewhere. */
import assert from "node:assert/strict";
import { callMcp, obtainTokens, registerClient } from "../support/oauth_flow.ts";
import { OWN, PING, rawScene } from "./raw_scene.ts";
import { watchedGateway } from "./watched_gateway.ts";

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

const PATH_TRICKS = [
  "/alpha/..%2f..%2fadmin",
  "/alpha/%2e%2e/",
  "/alpha/../admin",
  "/alpha/..;/admin",
  "/alpha//evil.test/",
  "/alpha/@evil.test",
  "/alpha/http://evil.test",
  "/alpha;x=y",
  "/alpha;/../admin",
  "/alpha%00",
  "/alpha%00.json",
  "/alpha%0d%0aHost:%20evil.test",
  "/alpha%20",
  "/%61lpha",
  "/alpha/",
  "/ALPHA",
  "//alpha",
  "/./alpha",
  "/x/../alpha",
  "/alpha\\..\\admin",
  "/alpha%5c..%5cadmin",
  "/alpha%c0%ae%c0%ae/",
  "/alpha%ef%bc%8fadmin",
  "//evil.test/alpha",
  "/alpha.json",
  "/alpha%3fx=y",
];

Deno.test("a path that is not the route's own is no route, and nothing of it goes upstream (B13 194)", async () => {
  await rawScene(async ({ upstream, lines, send }) => {
    for (const path of PATH_TRICKS) {
      const { responses } = await send([
        `POST ${path} HTTP/1.1`,
        ...lines,
        "Connection: close",
        `Content-Length: ${PING.length}`,
      ], PING);
      const status = responses[0]?.status ?? 0;
      assert.ok(status === 404 || status === 400 || status === 421, `${path}: ${status}`);
    }
    assert.equal(upstream.requests.length, 0);
  });
});

Deno.test("a target that names another host is refused, or is our own (B13 194, B13 207)", async () => {
  await rawScene(async ({ upstream, lines, send, port }) => {
    const ask = async (line: string) => {
      const head = [line, ...lines, "Connection: close", `Content-Length: ${PING.length}`];
      return (await send(head, PING)).responses[0]?.status ?? 0;
    };
    for (
      const target of [
        "http://evil.test/alpha",
        `http://evil.test:${port}/alpha`,
        `http://127.0.0.1:${port}@evil.test/alpha`,
        "http://169.254.169.254/latest",
        "evil.test:443",
        "*",
      ]
    ) {
      assert.ok([400, 404, 405, 421].includes(await ask(`POST ${target} HTTP/1.1`)), target);
    }
    assert.ok([400, 404, 405, 421].includes(await ask("CONNECT evil.test:443 HTTP/1.1")));
    assert.equal(upstream.requests.length, 0);
    assert.equal(await ask(`POST http://127.0.0.1:${port}/alpha HTTP/1.1`), 200);
    assert.equal(upstream.requests[0]?.requestLine, "POST /base/mcp HTTP/1.1");
  });
});

Deno.test("a query cannot change the upstream's path or host (B13 194, B13 196)", async () => {
  await rawScene(async ({ upstream, lines, send }) => {
    for (
      const [query, expected] of [
        ["?/../../admin", "?/../../admin"],
        ["?@evil.test/", "?@evil.test/"],
        ["??x", "??x"],
        ["?a=%0d%0aX-A:%20b", "?a=%0d%0aX-A:%20b"],
        ["?a=b%23c", "?a=b%23c"],
        [
          "?target=http://evil.test&url=file:///etc/passwd",
          "?target=http://evil.test&url=file:///etc/passwd",
        ],
      ] as const
    ) {
      const before = upstream.requests.length;
      const { responses } = await send([
        `POST /alpha${query} HTTP/1.1`,
        ...lines,
        "Connection: close",
        `Content-Length: ${PING.length}`,
      ], PING);
      assert.equal(responses[0]?.status, 200, query);
      const [{ requestLine, headers } = assert.fail()] = upstream.requests.slice(before);
      assert.equal(requestLine, `POST /base/mcp${expected} HTTP/1.1`);
      assert.equal(Object.fromEntries(headers)["host"], upstream.host);
    }
  });
});

Deno.test("a path of 100 KiB, however it is made, is answered within 100 ms (B13 195)", async () => {
  await using gateway = await watchedGateway();
  const { access_token } = await obtainTokens(gateway, await registerClient(gateway));
  // The first request compiles what it needs.
  await callMcp(gateway, "/alpha", access_token);
  for (const unit of ["a", "/", "/a", "%2e%2e/", "%2e", "((a)*)*", ";", "\u00e9", "/alpha"]) {
    for (const start of ["/alpha/", "/.well-known/oauth-protected-resource/", "/oauth/authorize/", "/"]) {
      const path = (start + unit.repeat(102_400 / unit.length)).slice(0, 102_400);
      const startedAt = performance.now();
      const { status } = await callMcp(gateway, gateway.origin + path, access_token);
      const took = performance.now() - startedAt;
      assert.ok(status === 404 || status === 414 || status === 405, `${start}${unit}: ${status}`);
      assert.ok(took < 100, `${start}${unit}…: ${took} ms`);
    }
  }
  assert.equal(gateway.upstreamRequests.length, 1);
});

Deno.test("placeholders in a client's words stay words, and a token in the query goes nowhere (B13 196, RS-09)", async () => {
  await using gateway = await watchedGateway();
  const { access_token } = await obtainTokens(gateway, await registerClient(gateway));
  const words = ["${UPSTREAM_SECRET}", "{{env.HOME}}", "$HOME", "%HOME%", "#{7*7}", "<%= 7 %>", "{0}"];
  for (const word of words) {
    const query = `?x=${encodeURIComponent(word)}&y=${word.replaceAll(/[%#<>]/g, "")}`;
    const message = {
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: { name: word, arguments: { word } },
    };
    const headers = { "accept-language": word };
    const response = await callMcp(gateway, `/alpha${query}`, access_token, { message, headers });
    assert.equal(response.status, 200, word);
    const sent = gateway.upstreamRequests.at(-1);
    assert.equal(new URL(sent?.request.url ?? "").searchParams.get("x"), word);
    assert.equal(sent?.request.headers.get("accept-language"), word);
    assert.equal(sent?.body, JSON.stringify(message));
    assert.ok(!JSON.stringify(gateway.events).includes(Deno.env.get("HOME") ?? "no home"));
  }
  const before = gateway.upstreamRequests.length;
  for (const name of ["access_token", "access%5Ftoken", "a=b&access_token"]) {
    const query = `?${name}=${access_token}&target=http://evil.test/`;
    assert.equal((await callMcp(gateway, `/alpha${query}`, access_token)).status, 400, name);
    assert.equal((await callMcp(gateway, `/alpha${query}`, null)).status, 401, name);
  }
  assert.equal(gateway.upstreamRequests.length, before);
});
