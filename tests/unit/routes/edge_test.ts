/** The edge: what of a request's target, headers and host gets further, and what does not. */
import assert from "node:assert/strict";
import { requestTarget } from "../../../routes/edge.ts";
import { startHarness } from "../../support/harness.ts";

Deno.test("`requestTarget()` cuts a URL without decoding or normalising anything", () => {
  const cases: [string, string, string, string][] = [
    ["http://gw.test/", "gw.test", "/", ""],
    ["http://gw.test", "gw.test", "/", ""],
    ["http://gw.test?x", "gw.test", "/", "?x"],
    ["http://gw.test?x=/y", "gw.test", "/", "?x=/y"],
    ["http://gw.test:9000/a/b?c=d?e", "gw.test:9000", "/a/b", "?c=d?e"],
    ["http://gw.test/%61lpha/..%2f?%2e", "gw.test", "/%61lpha/..%2f", "?%2e"],
    ["http://gw.test//a//", "gw.test", "//a//", ""],
    ["http://[::1]:9000/x", "[::1]:9000", "/x", ""],
    ["https://user@gw.test/x", "user@gw.test", "/x", ""],
    ["http://gw.test/a://b", "gw.test", "/a://b", ""],
  ];
  for (const [url, host, path, search] of cases) {
    assert.deepEqual(requestTarget(url), { host, path, search }, url);
  }
});

Deno.test("a host that is not ours is 421, except for the probes, and the log says so without the query (B1 001, 004)", async () => {
  await using gateway = await startHarness();
  const ask = (path: string) => gateway.fetch(path, { headers: { host: "evil.test" } });
  for (
    const path of ["/", "/alpha?secret=canary", "/oauth/token", "/.well-known/oauth-authorization-server"]
  ) {
    const refused = await ask(path);
    assert.equal(refused.status, 421, path);
    assert.match(await refused.text(), /"status":421/);
  }
  for (const path of ["/healthz", "/readyz"]) {
    const answered = await ask(path);
    assert.equal(answered.status, 200, path);
    assert.ok(!(await answered.text()).includes("evil"));
  }
  const refusals = gateway.events.filter(({ reasonCode }) => reasonCode === "host_not_ours");
  assert.equal(refusals.length, 4);
  assert.ok(!JSON.stringify(gateway.events).includes("canary"));
});

Deno.test("what was found of a URL holds for the host it came with, and for no other (B1 001, 003)", async () => {
  await using gateway = await startHarness();
  const statusFor = async (host: string) => {
    const answer = await gateway.fetch("/alpha", { headers: { host } });
    await answer.body?.cancel();
    return answer.status;
  };
  const { host } = new URL(gateway.origin);
  for (const [asked, status] of [[host, 401], ["evil.test", 421], [host, 401], [`${host}.`, 421]] as const) {
    assert.equal(await statusFor(asked), status, asked);
  }
  // More URLs than are remembered: it begins anew, and goes on as before.
  for (let path = 0; path < 300; path++) {
    const answer = await gateway.fetch(`/nothing/${path}`);
    await answer.body?.cancel();
    assert.equal(answer.status, 404);
  }
  assert.deepEqual([await statusFor(host), await statusFor("evil.test")], [401, 421]);
});

Deno.test("a target that is too large is refused before anything else (B1 015)", async () => {
  await using gateway = await startHarness();
  const long = await gateway.fetch(`/alpha?${"x".repeat(16_384)}`);
  assert.equal(long.status, 414);
  await long.body?.cancel();
});

Deno.test("no spelling of a path leads to a route but its own (B1 009, B12 178)", async () => {
  await using gateway = await startHarness();
  for (
    const path of [
      "/%61lpha",
      "/ALPHA",
      "/alpha/",
      "/alpha//",
      "//alpha",
      "/alpha%2f",
      "/beta%2f..%2falpha",
      "/alpha;x=1",
      "/alpha%00",
      "/alpha%3f",
    ]
  ) {
    // The test's own URL parser would resolve dots; what is left is what a client can send.
    const answer = await gateway.fetch(`${gateway.origin}${path}`, { method: "POST" });
    assert.equal(answer.status, 404, path);
    await answer.body?.cancel();
  }
  const own = await gateway.fetch("/alpha", { method: "POST" });
  assert.equal(own.status, 401);
  await own.body?.cancel();
  assert.equal(gateway.upstreamRequests.length, 0);
});
