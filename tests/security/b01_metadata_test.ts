/** Attack corpus B1: metadata, the Host header, and the edge of HTTP. The public gateway is `https://gw.test`. */
import assert from "node:assert/strict";
import { rawExchange, rawRequest, serveHarness } from "../support/raw_http.ts";
import { assertChallenge, publicGateway } from "./answers.ts";
import { watchedGateway } from "./watched_gateway.ts";

const AS = "/.well-known/oauth-authorization-server";
const PRM = "/.well-known/oauth-protected-resource";

Deno.test("a foreign Host gets 421 and no metadata (B1 001, AS-12)", async () => {
  await using gateway = await watchedGateway(publicGateway());
  for (const path of [AS, `${AS}/alpha`, `${PRM}/alpha`, "/.well-known/openid-configuration"]) {
    for (const host of ["evil.test", "gw.test.evil.test", "gw.test:8443"]) {
      const response = await gateway.fetch(`https://${host}${path}`);
      assert.equal(response.status, 421, host);
      assert.doesNotMatch(await response.text(), /evil\.test|issuer/);
    }
  }
  await using server = serveHarness(gateway);
  assert.equal((await rawRequest(server.port, `GET ${AS}`, ["Host: evil.test"])).status, 421);
  const own = await rawRequest(server.port, `GET ${AS}`, ["Host: gw.test"]);
  assert.equal(JSON.parse(own.body).issuer, "https://gw.test");
});

Deno.test("forwarding headers change no byte while no proxy is trusted (B1 002, B1 003)", async () => {
  await using gateway = await watchedGateway(publicGateway());
  for (const path of [AS, `${PRM}/alpha`]) {
    const baseline = await (await gateway.fetch(path)).text();
    assert.match(baseline, /https:\/\/gw\.test/);
    for (
      const headers of [
        { "x-forwarded-host": "evil.test", "x-forwarded-proto": "http" },
        { forwarded: "host=evil.test;proto=http" },
        { "x-forwarded-host": "evil.test", "x-forwarded-port": "81", "x-original-url": "/beta" },
      ]
    ) {
      assert.equal(await (await gateway.fetch(path, { headers })).text(), baseline);
    }
  }
});

Deno.test("without a public URL only loopback hosts are served (B1 004)", async () => {
  await using gateway = await watchedGateway();
  for (const host of ["evil.test", "127.0.0.1.evil.test", "localhost.evil.test", "10.0.0.1", "0.0.0.0"]) {
    const response = await gateway.fetch(`http://${host}:9000${AS}`);
    assert.equal(response.status, 421, host);
    assert.doesNotMatch(await response.text(), /issuer/);
  }
  assert.equal((await gateway.fetch(`http://localhost:9000${AS}`)).status, 200);
});

Deno.test("the first host that is seen is not remembered (B1 005)", async () => {
  await using gateway = await watchedGateway();
  const forwarded = { "x-forwarded-host": "evil.test", "x-forwarded-proto": "https" };
  await gateway.fetch(AS, { headers: forwarded });
  await gateway.fetch(`http://evil.test${AS}`);
  await gateway.fetch(`http://localhost:9000${AS}`);
  const { issuer } = await (await gateway.fetch(AS)).json();
  assert.equal(issuer, "http://127.0.0.1:9000");
});

Deno.test("a forwarded host cannot add parameters to the challenge (B1 006)", async () => {
  await using gateway = await watchedGateway(publicGateway());
  const response = await gateway.fetch("/alpha", {
    method: "POST",
    body: "{}",
    headers: {
      "content-type": "application/json",
      "x-forwarded-host": 'a", error="insufficient_scope", scope="admin',
    },
  });
  const header = await assertChallenge(response, "https://gw.test/alpha", null);
  assert.equal(
    header,
    'Bearer resource_metadata="https://gw.test/.well-known/oauth-protected-resource/alpha", scope="mcp:tools"',
  );
});

Deno.test("an ambiguous host is refused (B1 007)", async () => {
  await using gateway = await watchedGateway(publicGateway());
  await using server = serveHarness(gateway);
  const requests: [string, string[]][] = [
    [`GET ${AS}`, ["Host: gw.test", "Host: evil.test"]],
    [`GET ${AS}`, ["Host: gw.test", "Host: gw.test"]],
    [`GET ${AS}`, ["Host: gw.test@evil.test"]],
    [`GET ${AS}`, ["Host: gw.test:443evil"]],
    [`GET ${AS}`, ["Host: gw.test, evil.test"]],
    [`GET ${AS}`, ["Host: gw.test/evil"]],
    [`GET ${AS}`, ["Host:"]],
    [`GET ${AS}`, []],
    [`GET https://evil.test${AS}`, ["Host: gw.test"]],
    [`GET https://gw.test${AS}`, ["Host: evil.test"]],
    [`GET http://evil.test${AS}`, ["Host: evil.test"]],
  ];
  for (const [line, headers] of requests) {
    const response = await rawRequest(server.port, line, headers);
    const what = `${line} ${headers}: ${response.body}`;
    assert.ok(response.status === 400 || response.status === 421, `${response.status} ${what}`);
    assert.doesNotMatch(response.body, /issuer/, what);
  }
});

Deno.test("a trusted proxy's forwarded host is taken from the right and must be listed (B1 008)", async () => {
  const hosts = ["gw.test", "*.preview.gw.test"];
  await using gateway = await watchedGateway({
    ...publicGateway({ publicUrl: { hosts }, allowedHosts: ["internal:8080"], trustProxy: 1 }),
    origin: "http://internal:8080",
  });
  const ask = async (forwardedHost: string) => {
    const response = await gateway.fetch(AS, { headers: { "x-forwarded-host": forwardedHost } });
    return response.status === 200 ? (await response.json()).issuer : response.status;
  };
  assert.equal(await ask("evil.test, gw.test"), "https://gw.test");
  assert.equal(await ask("gw.test, pr1.preview.gw.test"), "https://pr1.preview.gw.test");
  assert.equal(await ask("gw.test, evil.test"), 421);
  assert.equal(await ask("evil.test"), 421);
  assert.equal(await ask('gw.test" , a='), 421);
  assert.equal(await ask(".preview.gw.test"), 421);
});

Deno.test("a spelling of a route's metadata path is that route or nothing (B1 009)", async () => {
  await using gateway = await watchedGateway(publicGateway());
  await using server = serveHarness(gateway);
  for (const name of [AS, PRM, "/.well-known/openid-configuration"]) {
    for (
      const suffix of ["/alpha/../beta", "/alpha%2f..%2fbeta", "/%61lpha", "/alpha//", "/./alpha", "//alpha"]
    ) {
      const response = await rawRequest(server.port, `GET ${name}${suffix}`, ["Host: gw.test"]);
      assert.equal(response.status, 404, `${name}${suffix}: ${response.body}`);
      assert.match(response.headers.get("content-type") ?? "", /json/);
    }
    assert.equal((await rawRequest(server.port, `GET ${name}/alpha/`, ["Host: gw.test"])).status, 200);
  }
});

Deno.test("an unknown route's metadata is a 404 that lists nothing (B1 010)", async () => {
  await using gateway = await watchedGateway(publicGateway());
  const bodies = new Set<string>();
  for (const path of [`${PRM}/nonexistent`, `${PRM}/admin`, PRM, `${AS}/nonexistent`]) {
    const response = await gateway.fetch(path);
    assert.equal(response.status, 404);
    bodies.add(await response.text());
  }
  assert.equal(bodies.size, 1);
  assert.doesNotMatch([...bodies].join(), /alpha|beta/);
});

Deno.test("metadata promises only what is safe (B1 011)", async () => {
  await using gateway = await watchedGateway(publicGateway());
  for (const [path, issuer] of [[AS, "https://gw.test"], [`${AS}/alpha`, "https://gw.test/alpha"]] as const) {
    const document = await (await gateway.fetch(path)).json();
    assert.deepEqual(document.code_challenge_methods_supported, ["S256"]);
    assert.deepEqual(document.response_types_supported, ["code"]);
    assert.equal(document.authorization_response_iss_parameter_supported, true);
    assert.equal(document.issuer, issuer);
    const algorithms = Object.entries(document).filter(([name]) => name.includes("signing_alg"));
    assert.doesNotMatch(JSON.stringify(algorithms), /none|HS\d/);
    assert.doesNotMatch(JSON.stringify(document), /http:\/\//);
  }
});

Deno.test("metadata that depends on the host is not cached for everybody (B1 012)", async () => {
  await using loopback = await watchedGateway();
  const dependent = await loopback.fetch(AS);
  assert.match(dependent.headers.get("cache-control") ?? "", /no-store/);
  await using hosts = await watchedGateway(publicGateway({ publicUrl: { hosts: ["gw.test", "b.test"] } }));
  const chosen = await hosts.fetch(`${PRM}/alpha`);
  assert.match(chosen.headers.get("cache-control") ?? "", /no-store/);
  assert.match(chosen.headers.get("vary") ?? "", /host/i);
});

Deno.test("a request with two lengths is not split into two, and the body limit holds (B1 013)", async () => {
  await using gateway = await watchedGateway(publicGateway());
  await using server = serveHarness(gateway);
  const form = ["Host: gw.test", "Content-Type: application/x-www-form-urlencoded"];
  const smuggled = "GET /healthz HTTP/1.1\r\nHost: gw.test\r\n\r\n";
  const lengths = [
    ["Content-Length: 5", "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: chunked", "Content-Length: 5"],
    ["Content-Length: 5", "Content-Length: 50"],
    ["Transfer-Encoding: chunked, identity"],
    ["Transfer-Encoding: xchunked", "Content-Length: 5"],
    ["Content-Length: +5"],
    ["Content-Length : 5"],
  ];
  for (const length of lengths) {
    const head = ["POST /oauth/token HTTP/1.1", ...form, ...length].join("\r\n");
    const exchange = await rawExchange(server.port, `${head}\r\n\r\n0\r\n\r\n${smuggled}`, { waitMs: 1000 });
    const statuses = exchange.responses.map(({ status }) => status);
    assert.deepEqual(statuses, [400], `${length}: ${exchange.text}`);
    assert.ok(exchange.closed, `${length}: the connection stays open`);
  }
  const chunk = "a".repeat(16_384);
  const chunks = `4000\r\n${chunk}\r\n`.repeat(6) + "0\r\n\r\n";
  const head = ["POST /oauth/token HTTP/1.1", ...form, "Transfer-Encoding: chunked", "Connection: close"];
  const large = await rawExchange(server.port, `${head.join("\r\n")}\r\n\r\n${chunks}`);
  assert.equal(large.responses[0]?.status, 413, large.text);
});

Deno.test("no endpoint reflects an origin together with credentials (B1 014, AS-33)", async () => {
  await using gateway = await watchedGateway(publicGateway());
  const origin = "https://evil.test";
  for (const path of ["/oauth/token", "/oauth/register", "/oauth/revoke", AS, `${PRM}/alpha`]) {
    for (const method of ["OPTIONS", "GET", "POST"]) {
      const { headers } = await gateway.fetch(path, { method, headers: { origin } });
      assert.ok([null, "*"].includes(headers.get("access-control-allow-origin")), `${method} ${path}`);
      assert.equal(headers.get("access-control-allow-credentials"), null);
    }
  }
  for (
    const path of [
      "/oauth/authorize",
      "/oauth/authorize/alpha",
      "/oauth/setup",
      "/auth/connections/c1/connect",
    ]
  ) {
    for (const method of ["OPTIONS", "GET", "POST"]) {
      const { headers } = await gateway.fetch(path, { method, headers: { origin } });
      const cors = [...headers.keys()].filter((name) => name.startsWith("access-control-"));
      assert.deepEqual(cors, [], `${method} ${path}`);
    }
  }
});

Deno.test("oversized heads are refused within a second (B1 015)", async () => {
  await using gateway = await watchedGateway(publicGateway());
  await using server = serveHarness(gateway);
  const large: [string, string[]][] = [
    [`GET ${AS}`, ["Host: gw.test", `X-Large: ${"a".repeat(65_536)}`]],
    [`GET ${AS}`, ["Host: gw.test", ...Array.from({ length: 1000 }, (_, index) => `X-${index}: 1`)]],
    [`GET ${AS}?${"a".repeat(16_384)}`, ["Host: gw.test"]],
  ];
  for (const [line, headers] of large) {
    const startedAt = performance.now();
    const { status } = await rawRequest(server.port, line, headers);
    assert.ok([400, 414, 431].includes(status), `${status} for ${line.slice(0, 40)}`);
    assert.ok(performance.now() - startedAt < 1000);
  }
  assert.equal((await rawRequest(server.port, `GET ${AS}`, ["Host: gw.test"])).status, 200);
});
