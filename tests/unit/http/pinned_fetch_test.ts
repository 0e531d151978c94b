/** The fetch for strangers' URLs: what it refuses and why, and that it dials what it judged. */
import assert from "node:assert/strict";
import { OutboundError } from "../../../lib/http/outbound_fetch.ts";
import { pacedFetch } from "../../../lib/http/paced_fetch.ts";
import { pinnedFetch, type PinnedFetchOptions } from "../../../lib/http/pinned_fetch.ts";
import { RateLimiter } from "../../../lib/observability/rate_limiter.ts";
import { documentHost, Names, rawAnswer, rawHost, writeAll } from "../../support/document_host.ts";
import { FakeClock } from "../../support/fake_clock.ts";

const limits = { timeoutMs: 2_000, maxBytes: 1_000 };

/** The reason behind the one text that strangers see. */
async function reasonOf(url: string, options: Partial<PinnedFetchOptions> = {}): Promise<string> {
  const fetch = pinnedFetch({ ...limits, allowLoopback: false, ...options });
  const error = await fetch(url).then(() => null, (error: unknown) => error);
  assert.ok(error instanceof OutboundError, `${url}: ${error}`);
  assert.equal(error.message, "The address could not be fetched.");
  assert.ok(error.cause instanceof Error);
  return error.cause.message;
}

Deno.test("addresses that are not public are refused before anything is dialled (B3 036 to 039, AS-39)", async () => {
  const addresses = [
    ...["127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"],
    ...["100.64.0.1", "100.100.100.200", "169.254.169.254", "168.63.129.16", "198.18.0.1", "198.19.255.255"],
    ...["192.0.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"],
    ...["[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]"],
    ...[
      "[64:ff9b:1::1]",
      "[2002:7f00:1::]",
      "[2001::1]",
      "[2001:db8::1]",
      "[3fff::1]",
      "[100::1]",
      "[fe80::1]",
    ],
    ...["[fc00::1]", "[fd00:ec2::254]", "[ff02::1]", "[4000::1]"],
  ];
  for (const address of addresses) {
    assert.equal(await reasonOf(`https://${address}/c`), "an address that is not public", address);
    const resolved = address.replace(/^\[|\]$/g, "");
    assert.equal(
      await reasonOf("https://evil.test/c", { resolve: () => Promise.resolve(["192.88.99.1", resolved]) }),
      "an address that is not public",
      resolved,
    );
  }
  assert.equal(
    await reasonOf("https://evil.test/c", { resolve: () => Promise.resolve([]) }),
    "an address that is not public",
  );
});

Deno.test("schemes, users and internal names are refused before a name is resolved (B3 033, 034, 041)", async () => {
  const names = new Names();
  const reasons: [string, string][] = [
    ["http://evil.test/c", "not https"],
    ["ftp://evil.test/c", "not https"],
    ["http://127.0.0.1/c", "not https"],
    ["https://u@evil.test/c", "user information in the URL"],
    ["https://:p@evil.test/c", "user information in the URL"],
    ["https://localhost/c", "an internal name"],
    ["https://a.localhost./c", "an internal name"],
    ["https://x.internal/c", "an internal name"],
    ["https://x.local/c", "an internal name"],
  ];
  for (const [url, reason] of reasons) {
    assert.equal(await reasonOf(url, { resolve: names.resolve }), reason, url);
  }
  assert.deepEqual(names.queries, []);
});

Deno.test("with allowLoopback only loopback names may lead to loopback, and to nothing else (contract 2.1)", async () => {
  await using host = documentHost();
  host.answers.set("/c", { ok: true });
  const fetch = pinnedFetch({ ...limits, allowLoopback: true });
  assert.equal((await fetch(`http://127.0.0.1:${host.port}/c`)).status, 200);
  const reason = (url: string, addresses: string[]) =>
    reasonOf(url, { allowLoopback: true, resolve: () => Promise.resolve(addresses) });
  const refused = "an address that is not public";
  assert.equal(await reason(`https://evil.test:${host.port}/c`, ["127.0.0.1"]), refused);
  assert.equal(await reason(`http://localhost:${host.port}/c`, ["10.0.0.1"]), refused);
  assert.equal(await reason(`http://localhost:${host.port}/c`, ["127.0.0.1", "192.168.0.1"]), refused);
  assert.equal(await reason(`http://evil.test:${host.port}/c`, ["192.88.99.1"]), "not https");
  assert.equal(await reason("https://10.0.0.1/c", []), refused);
  assert.equal(host.requests.length, 1);
});

Deno.test("a name with two families is reached where only one answers, with one look-up (B3 042)", async () => {
  await using host = documentHost();
  host.answers.set("/c", { ok: true });
  for (const answer of [["::1", "127.0.0.1"], ["127.0.0.1", "::1"]]) {
    const names = new Names().set("localhost", answer);
    const fetch = pinnedFetch({ ...limits, allowLoopback: true, resolve: names.resolve });
    assert.equal((await fetch(`http://localhost:${host.port}/c`)).status, 200);
    assert.equal(names.queries.length, 1);
  }
});

Deno.test("each fetch makes a connection of its own, though the host would keep the first (B3 043)", async () => {
  const answer =
    "HTTP/1.1 200 OK\r\nconnection: keep-alive\r\nkeep-alive: timeout=60\r\ncontent-length: 2\r\n\r\n{}";
  let closed = 0;
  await using host = rawHost(async (connection) => {
    while (await connection.read(new Uint8Array(4096)) !== null) await writeAll(connection, answer);
    closed++;
  });
  const fetch = pinnedFetch({ ...limits, allowLoopback: true });
  for (let n = 1; n <= 3; n++) {
    assert.equal(await (await fetch(`http://127.0.0.1:${host.port}/c`)).text(), "{}");
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual([host.taken, closed], [n, n]);
  }
});

Deno.test("status, headers and body arrive as they were sent, and a redirect is an answer like any other", async () => {
  await using host = documentHost();
  host.answers.set("/c", async (request) => {
    const echoed = await request.text();
    const headers = new Headers([["set-cookie", "a=1"], ["set-cookie", "b=2"], ["location", "/d"]]);
    headers.set("x-got", `${request.method} ${request.headers.get("content-type")} ${echoed}`);
    headers.set("x-encoding", request.headers.get("accept-encoding") ?? "none");
    return new Response("moved", { status: 302, headers });
  });
  const fetch = pinnedFetch({ ...limits, allowLoopback: true });
  const url = `http://127.0.0.1:${host.port}/c`;
  const response = await fetch(url, { method: "POST", body: new URLSearchParams({ a: "ä" }) });
  assert.deepEqual([response.status, await response.text()], [302, "moved"]);
  assert.deepEqual(response.headers.getSetCookie(), ["a=1", "b=2"]);
  assert.equal(
    response.headers.get("x-got"),
    "POST application/x-www-form-urlencoded;charset=UTF-8 a=%C3%A4",
  );
  assert.equal(response.headers.get("x-encoding"), "identity");
  assert.equal(host.requests.length, 1);
});

Deno.test("the body is bounded, declared or not, and encoded bodies are refused (B3 045, 046)", async () => {
  const cases: [string, string | null][] = [
    [`content-length: 1000\r\n\r\n${"x".repeat(1000)}`, null],
    [`content-length: 1001\r\n\r\n${"x".repeat(1001)}`, "a body that is too large"],
    [`\r\n${"x".repeat(1001)}`, "a body that is too large"],
    [`transfer-encoding: chunked\r\n\r\n3e9\r\n${"x".repeat(1001)}\r\n0\r\n\r\n`, "a body that is too large"],
    ["content-length: 10\r\n\r\nshort", "a truncated body"],
    ["transfer-encoding: chunked\r\n\r\na\r\nshort", "a truncated body"],
    ["content-encoding: gzip\r\ncontent-length: 1\r\n\r\nx", "an encoded body"],
    ["content-encoding: identity\r\ncontent-length: 1\r\n\r\nx", null],
  ];
  for (const [answer, expected] of cases) {
    await using host = rawHost(rawAnswer(`HTTP/1.1 200 OK\r\n${answer}`));
    const url = `http://127.0.0.1:${host.port}/`;
    if (expected === null) {
      const response = await pinnedFetch({ ...limits, allowLoopback: true })(url);
      assert.equal(response.status, 200, answer.slice(0, 60));
      await response.body?.cancel();
    } else {
      assert.equal(await reasonOf(url, { allowLoopback: true }), expected, answer.slice(0, 60));
    }
  }
});

Deno.test("the time is bounded from the look-up on, the caller may give up earlier, and the connection is closed (B3 047)", async () => {
  const allowLoopback = true;
  const started = performance.now();
  await reasonOf("https://localhost/", {
    allowLoopback,
    timeoutMs: 200,
    resolve: () => new Promise(() => {}),
  });
  assert.ok(performance.now() - started < 1000);
  for (const first of ["", "HTTP/1.1 103 Early Hints\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n{"]) {
    const closed = Promise.withResolvers<void>();
    await using host = rawHost(async (connection) => {
      await rawAnswer(first)(connection);
      while (await connection.read(new Uint8Array(10)) !== null) { /* until they hang up */ }
      closed.resolve();
    });
    await reasonOf(`http://127.0.0.1:${host.port}/`, { allowLoopback, timeoutMs: 200 });
    await closed.promise;
  }
  await using host = rawHost();
  const fetch = pinnedFetch({ ...limits, allowLoopback });
  const giveUp = AbortSignal.timeout(100);
  await assert.rejects(fetch(`http://127.0.0.1:${host.port}/`, { signal: giveUp }), OutboundError);
  assert.ok(giveUp.aborted);
});

Deno.test("a switch of protocols ends the fetch at once (B3 047)", async () => {
  await using host = rawHost(async (connection) => {
    await rawAnswer("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n")(
      connection,
    );
    await connection.read(new Uint8Array(1));
  });
  const reason = await reasonOf(`http://127.0.0.1:${host.port}/`, { allowLoopback: true });
  assert.equal(reason, "a switch of protocols");
});

Deno.test("`pacedFetch()` counts by origin, whatever the path (B3 056)", async () => {
  const clock = new FakeClock();
  const asked: string[] = [];
  const fetch = pacedFetch((url) => {
    asked.push(url);
    return Promise.resolve(new Response());
  }, new RateLimiter({ clock, limit: 30, windowSeconds: 60 }));
  for (let n = 0; n < 30; n++) await fetch(`https://victim.example/${n}`);
  for (
    const url of ["https://victim.example/31", "https://VICTIM.example:443/", "https://u:p@victim.example/"]
  ) {
    await assert.rejects(fetch(url), OutboundError, url);
  }
  await fetch("https://other.example/");
  await fetch("https://victim.example:8443/");
  assert.equal(asked.length, 32);
  clock.advance({ seconds: 60 });
  await fetch("https://victim.example/");
});
