/** Attack corpus B3: clients made up in thousands, to turn the gateway against a host or to learn of its network. */
import assert from "node:assert/strict";
import { authorizeAs, canary, documentHost, Names, publish } from "../support/document_host.ts";
import { obtainTokens, postForm, refresh } from "../support/oauth_flow.ts";
import { assertPage400, publicGateway } from "./answers.ts";
import { watchedGateway } from "./watched_gateway.ts";

Deno.test("5,000 made-up clients at one host cost it 30 requests a minute, and leave approved clients alone (B3 056)", async () => {
  await using host = documentHost();
  await using gateway = await watchedGateway({
    expect5xx: [503],
    config: () => ({ limits: { authorizationsPerMinute: 1e6 } }),
  });
  const approved = publish(host, "/approved.json");
  const tokens = await obtainTokens(gateway, approved);
  // Its document is no longer fresh when the flood comes.
  gateway.clock.advance({ seconds: 3_700 });
  const before = host.requests.length;
  for (let batch = 0; batch < 50; batch++) {
    const pages = await Promise.all(
      Array.from({ length: 100 }, (_, n) => authorizeAs(gateway, `${host.origin}/${batch * 100 + n}.json`)),
    );
    for (const page of pages) await assertPage400(page);
  }
  assert.equal(host.requests.length - before, 30);
  // Nor does the token endpoint ask on behalf of whoever turns up.
  for (let n = 0; n < 100; n++) {
    const answer = await postForm(gateway, "/oauth/token", {
      grant_type: "authorization_code",
      client_id: `${host.origin}/t${n}.json`,
      code: "x",
      code_verifier: "x",
    }, {});
    assert.equal(answer.status, 503);
    await answer.body?.cancel();
  }
  assert.equal(host.requests.length - before, 30);
  // Whom a user approved is fetched and served, at both endpoints.
  assert.equal((await authorizeAs(gateway, approved.clientId)).status, 303);
  assert.equal((await refresh(gateway, approved, tokens.refresh_token)).status, 200);
  assert.equal(host.requests.length - before, 31);
  // So is everybody, a minute later.
  gateway.clock.advance({ seconds: 61 });
  assert.equal((await authorizeAs(gateway, publish(host, "/new.json").clientId)).status, 303);
});

Deno.test("1,500 documents in memory are 1,000, and the rest are fetched again (B3 056)", async () => {
  await using host = documentHost();
  await using gateway = await watchedGateway({
    config: () => ({ limits: { authorizationsPerMinute: 1e6 } }),
  });
  const clients = Array.from({ length: 1_500 }, (_, n) => publish(host, `/${n}.json`).clientId);
  for (const [index, clientId] of clients.entries()) {
    // The pace is per minute; the documents live an hour.
    if (index % 30 === 0) gateway.clock.advance({ seconds: 60 });
    assert.equal((await authorizeAs(gateway, clientId)).status, 303, clientId);
  }
  assert.equal(host.requests.length, 1_500);
  gateway.clock.advance({ seconds: 60 });
  for (const clientId of clients.slice(-20)) assert.equal((await authorizeAs(gateway, clientId)).status, 303);
  assert.equal(host.requests.length, 1_500, "the latest are kept");
  for (const clientId of clients.slice(0, 20)) {
    assert.equal((await authorizeAs(gateway, clientId)).status, 303);
  }
  assert.equal(host.requests.length, 1_520, "the oldest were dropped");
});

Deno.test("one page for every reason, and no clock tells an open port from a closed one (B3 057)", async () => {
  await using trap = canary();
  await using web = documentHost();
  const names = new Names().set("in.evil.test", ["127.0.0.1"]);
  await using gateway = await watchedGateway({
    ...publicGateway({ limits: { authorizationsPerMinute: 1e6 } }),
    strangers: { resolve: names.resolve },
  });
  await using lenient = await watchedGateway(
    publicGateway({ outbound: { allowLoopback: true }, limits: { authorizationsPerMinute: 1e6 } }),
  );
  const closed = freePort();
  const page = async (on: typeof gateway, url: string) => {
    const html = await assertPage400(await authorizeAs(on, url), url);
    // Only the request's own id may differ.
    return html.replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, "ID");
  };
  const pages = new Set([
    await page(gateway, "https://10.0.0.5/c.json"),
    await page(gateway, `https://127.0.0.1:${trap.port}/c.json`),
    await page(gateway, `https://127.0.0.1:${closed}/c.json`),
    await page(gateway, `https://in.evil.test:${trap.port}/c.json`),
    await page(gateway, "https://unknown.evil.test/c.json"),
    await page(gateway, "https://evil.test"),
    // Where connections are made: refused, reset in the handshake, not TLS, not found, no JSON.
    await page(lenient, `https://127.0.0.1:${closed}/c.json`),
    await page(lenient, `https://127.0.0.1:${trap.port}/c.json`),
    await page(lenient, `https://127.0.0.1:${web.port}/c.json`),
    await page(lenient, `http://127.0.0.1:${web.port}/c.json`),
  ]);
  assert.equal(pages.size, 1);
  assert.doesNotMatch([...pages].join(), /127\.0|refused|ECONN|errno|certificate|timed? ?out/i);
  const median = async (port: number) => {
    const times: number[] = [];
    for (let n = 0; n < 101; n++) {
      const started = performance.now();
      await (await authorizeAs(gateway, `https://in.evil.test:${port}/${n}.json`)).body?.cancel();
      times.push(performance.now() - started);
      gateway.clock.advance({ seconds: 3 });
    }
    return times.sort((a, b) => a - b)[50] ?? 0;
  };
  const [open, shut] = [await median(trap.port), await median(closed)];
  assert.ok(Math.abs(open - shut) < 2, `open ${open} ms, closed ${shut} ms`);
  assert.ok(trap.hits === 1, "only the lenient gateway connected");
});

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
