/** Attack corpus B13: header fields on their way through, read byte by byte at both ends. */
import assert from "node:assert/strict";
import { rawResult } from "../support/raw_upstream.ts";
import { OWN, PING, rawScene } from "./raw_scene.ts";

const CANARY = "client-canary-0123456789";

/** All that the upstream may see of an old-era request: the list, our own, and what the transport adds. */
const MAY_ARRIVE = new Set([
  "accept",
  "accept-encoding",
  "accept-language",
  "content-type",
  "mcp-protocol-version",
  "traceparent",
  "tracestate",
  "user-agent",
  "host",
  "content-length",
  ...Object.keys(OWN),
]);

const UNLISTED = [
  // B13 188: credentials, and what a proxy would say of the client
  "Cookie",
  "Proxy-Authorization",
  "X-Api-Key",
  "X-Upstream-Authorization",
  "X-Tenant",
  "DPoP",
  "X-Forwarded-For",
  "X-Forwarded-Host",
  "X-Forwarded-Proto",
  "X-Forwarded-Prefix",
  "X-Forwarded-User",
  "Forwarded",
  "X-Real-IP",
  "True-Client-IP",
  "CF-Connecting-IP",
  "Via",
  // B13 189: what belongs to one connection
  "TE",
  "Trailer",
  "Keep-Alive",
  "Proxy-Connection",
  "X-Internal",
  // B13 190: what steers proxies
  "X-Route",
  "mcp-init-host",
  "router-key",
  "X-Original-URL",
  "X-Rewrite-URL",
  "X-Original-Method",
  "X-HTTP-Method-Override",
  "X-Host",
  "X-Target",
  // what would change the answer, or tells of the browser
  "Range",
  "If-None-Match",
  "Referer",
  "Cache-Control",
  "Mcp-Method",
  "Mcp-Name",
  "Mcp-Param-Region",
  "Last-Event-ID",
];

Deno.test("of a client's header fields only the listed arrive, and the route's own are untouched (B13 188, B13 189, B13 190, RS-10, TR-04)", async () => {
  await rawScene(async ({ upstream, port, lines, send, gateway }) => {
    gateway.canary(CANARY);
    const { responses } = await send([
      "POST /alpha HTTP/1.1",
      ...lines,
      ...UNLISTED.map((name) => `${name}: ${CANARY}`),
      "Accept-Language: de",
      `User-Agent: ${CANARY}`,
      "Accept-Encoding: gzip, br",
      // Names the fields that a naive proxy would strip: the route's credential among them.
      "Connection: Authorization, X-Tenant, X-Internal, Content-Type, Host, close",
      `Content-Length: ${PING.length}`,
    ], PING);
    assert.deepEqual(responses.map(({ status }) => status), [200]);
    assert.equal(upstream.requests.length, 1);
    const [{ requestLine, headers, body } = assert.fail()] = upstream.requests;
    assert.equal(requestLine, "POST /base/mcp HTTP/1.1");
    const got = Object.fromEntries(headers);
    assert.deepEqual(headers.map(([name]) => name).filter((name) => !MAY_ARRIVE.has(name)), []);
    assert.equal(headers.length, new Set(headers.map(([name]) => name)).size, "each once");
    assert.deepEqual(
      [got["authorization"], got["x-tenant"], got["host"], got["user-agent"], got["accept-encoding"]],
      [OWN.authorization, OWN["x-tenant"], upstream.host, "sallyport", "identity"],
    );
    assert.deepEqual([got["accept-language"], body], ["de", PING]);
    assert.ok(!JSON.stringify(upstream.requests).includes(String(port)), "nothing of our own address");
  });
});

Deno.test("a request to upgrade the connection is none for the upstream (B13 189)", async () => {
  await rawScene(async ({ upstream, lines, send }) => {
    let passed = 0;
    for (const upgrade of ["h2c", "websocket", "TLS/1.0"]) {
      const { responses } = await send([
        "POST /alpha HTTP/1.1",
        ...lines,
        "Connection: Upgrade, HTTP2-Settings, close",
        `Upgrade: ${upgrade}`,
        "HTTP2-Settings: AAMAAABkAAQAAP__",
        `Content-Length: ${PING.length}`,
      ], PING);
      const [{ status } = assert.fail(), ...more] = responses;
      assert.ok(status === 200 || status === 400, `${upgrade}: ${status}`);
      assert.equal(more.length, 0);
      if (status === 200) passed++;
    }
    for (const { headers } of upstream.requests) {
      assert.deepEqual(headers.filter(([name]) => /upgrade|http2|connection/.test(name)), []);
    }
    assert.equal(upstream.requests.length, passed);
  });
});

/** What an upstream must not do to the client, its browser, or the proxy in front of the gateway. */
const HOSTILE = [
  `Set-Cookie: session=${CANARY}; Path=/`,
  "Set-Cookie: __Host-sallyport_session=stolen; Path=/; Secure",
  'WWW-Authenticate: Bearer resource_metadata="https://evil.test/.well-known/oauth-protected-resource"',
  "Location: https://evil.test/",
  "Content-Location: https://evil.test/",
  'Clear-Site-Data: "*"',
  "Access-Control-Allow-Origin: *",
  "Access-Control-Allow-Credentials: true",
  "Access-Control-Expose-Headers: *",
  "Strict-Transport-Security: max-age=0",
  "Content-Security-Policy: default-src *",
  "Link: <https://evil.test/x.js>; rel=preload",
  "Refresh: 0; url=https://evil.test/",
  "X-Accel-Redirect: /internal/secret",
  "X-Accel-Buffering: yes",
  "X-Sendfile: /etc/passwd",
  'Alt-Svc: h3=":443"; ma=86400',
  "Service-Worker-Allowed: /",
  "Cache-Control: public, max-age=31536000",
  "X-Content-Type-Options: none",
  "X-Request-Id: forged",
  "Server: upstream/1.0",
  "Connection: X-Secret",
  `X-Secret: ${CANARY}`,
  "Trailer: X-Secret",
  "Vary: *",
  'ETag: "x"',
];

const ANSWERED = new Set([
  "content-type",
  "cache-control",
  "x-content-type-options",
  // what our own server adds
  "content-length",
  "transfer-encoding",
  "date",
  "vary",
  "connection",
]);

Deno.test("of an upstream's header fields none acts on the client, its browser or a proxy (B13 191, RS-13, TR-04)", async () => {
  await rawScene(async ({ upstream, gateway, ping }) => {
    gateway.canary(CANARY);
    upstream.answer = rawResult(...HOSTILE);
    const { responses } = await ping();
    const [{ status, headers, body } = assert.fail()] = responses;
    assert.equal(status, 200);
    assert.equal(JSON.parse(body).id, 1);
    assert.deepEqual([...headers.keys()].filter((name) => !ANSWERED.has(name)), []);
    assert.equal(headers.get("cache-control"), "no-store");
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    assert.notEqual(headers.get("vary"), "*");
    assert.notEqual(headers.get("connection"), "X-Secret");
  });
});

Deno.test("whatever an upstream's status, its challenge and cookies stay there (B13 191, B13 192, RS-13)", async () => {
  await rawScene(async ({ upstream, ping }) => {
    const statuses: readonly (readonly [string, number])[] = [
      ["401 Unauthorized", 502],
      ["403 Forbidden", 502],
      ["407 Proxy Authentication Required", 407],
      ["400 Bad Request", 400],
      ["404 Not Found", 404],
      ["429 Too Many Requests", 429],
      ["500 Internal Server Error", 500],
      ["302 Found", 502],
    ];
    for (const [line, expected] of statuses) {
      upstream.answer = rawResult(...HOSTILE).replace("200 OK", line);
      const { text, responses } = await ping();
      assert.equal(responses[0]?.status, expected, line);
      assert.doesNotMatch(text, /evil\.test|set-cookie|www-authenticate|proxy-auth|clear-site|canary/i, line);
    }
  });
});

Deno.test("informational answers of an upstream are not passed on (B13 191)", async () => {
  await rawScene(async ({ upstream, ping }) => {
    const hints = "HTTP/1.1 103 Early Hints\r\nLink: <https://evil.test/x.js>; rel=preload\r\n\r\n";
    upstream.answer = hints + hints + rawResult();
    const { text, responses } = await ping();
    assert.deepEqual(responses.map(({ status }) => status), [200]);
    assert.doesNotMatch(text, /evil|103/);
  });
});

Deno.test("CORS fields of an answer are ours alone, on results and on errors (B13 191, RS-12)", async () => {
  await rawScene(async ({ upstream, port, ping }) => {
    upstream.answer = rawResult(...HOSTILE);
    const origin = `http://localhost:${port + 1}`;
    for (const line of ["200 OK", "500 Internal Server Error"]) {
      upstream.answer = rawResult(...HOSTILE).replace("200 OK", line);
      const { responses } = await ping([`Origin: ${origin}`]);
      const headers = responses[0]?.headers;
      assert.equal(headers?.get("access-control-allow-origin"), origin);
      assert.equal(headers?.get("access-control-allow-credentials"), null);
      assert.doesNotMatch(headers?.get("access-control-expose-headers") ?? "", /\*/);
      assert.equal(headers?.get("vary"), "Origin");
    }
  });
});

Deno.test("a foreign Origin or Host gets nowhere, and an absent Origin does (B13 207, RS-11)", async () => {
  await rawScene(async ({ upstream, lines, send, port }) => {
    const call = async (...more: readonly string[]) => {
      const own = more.some((line) => line.startsWith("Host:"))
        ? lines.filter((line) => !line.startsWith("Host:"))
        : lines;
      const { responses } = await send([
        "POST /alpha HTTP/1.1",
        ...own,
        ...more,
        "Connection: close",
        `Content-Length: ${PING.length}`,
      ], PING);
      return responses[0]?.status;
    };
    for (
      const origin of [
        "https://evil.test",
        "null",
        `http://127.0.0.1:${port}.evil.test`,
        "http://localhost.evil.test",
        "http://127.0.0.1.evil.test",
        "file://",
        "http://evil.test#127.0.0.1",
        "http://127.0.0.1@evil.test",
        "",
      ]
    ) {
      assert.equal(await call(`Origin: ${origin}`), 403, origin);
    }
    for (
      const host of ["evil.test", `evil.test:${port}`, `127.0.0.1.evil.test`, `127.0.0.1:${port}@evil.test`]
    ) {
      assert.ok([400, 421].includes(await call(`Host: ${host}`) ?? 0), host);
    }
    assert.equal(upstream.requests.length, 0);
    assert.equal(await call(), 200);
    assert.equal(await call(`Origin: http://127.0.0.1:${port}`), 200);
  });
});

Deno.test("whatever a client says of its charset, the upstream hears of JSON alone, which is UTF-8 (B13 200)", async () => {
  await rawScene(async ({ upstream, lines, send }) => {
    const others = lines.filter((line) => !line.startsWith("Content-Type"));
    const length = `Content-Length: ${PING.length}`;
    for (
      const type of [
        "application/json",
        "Application/JSON; charset=UTF-8",
        // Of two, some parsers take the last.
        "application/json; charset=utf-8; charset=utf-7",
        // A quoted parameter, to those who know quotes.
        'application/json; x="; charset=utf-8"; charset=utf-7',
        "application/json; charset*=utf-7''utf-7",
      ]
    ) {
      const head = ["POST /alpha HTTP/1.1", ...others, `Content-Type: ${type}`, "Connection: close", length];
      await send(head, PING);
      const arrived = upstream.requests.at(-1)?.headers.filter(([name]) => name === "content-type");
      assert.deepEqual(arrived, [["content-type", "application/json"]], type);
    }
    assert.equal(upstream.requests.length, 5);
  });
});
