/** Attack corpus B13: paths, targets and queries that would lead elsewhere than to the route's upstream. */
import assert from "node:assert/strict";
import { callMcp, obtainTokens, registerClient } from "../support/oauth_flow.ts";
import { PING, rawScene } from "./raw_scene.ts";
import { watchedGateway } from "./watched_gateway.ts";

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
