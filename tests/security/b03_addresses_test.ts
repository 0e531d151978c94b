/** Attack corpus B3: where strangers' URLs may lead. Canaries listen where no connection may arrive. */
import assert from "node:assert/strict";
import { TestChild } from "../support/child_process.ts";
import {
  authorizeAs,
  canary,
  clientDocument,
  documentHost,
  Names,
  publish,
} from "../support/document_host.ts";
import { postForm } from "../support/oauth_flow.ts";
import { certificateAuthority } from "../support/tls.ts";
import { assertPage400, publicGateway } from "./answers.ts";
import { watchedGateway } from "./watched_gateway.ts";

Deno.test("the canary sees what would arrive: with outbound.allowLoopback the same URL does (B3 035)", async () => {
  await using trap = canary();
  await using gateway = await watchedGateway(publicGateway({ outbound: { allowLoopback: true } }));
  await assertPage400(await authorizeAs(gateway, `https://127.0.0.1:${trap.port}/c.json`));
  assert.equal(trap.hits, 1);
});

Deno.test("a public gateway never connects to this machine or its networks, however the address is written (B3 035, B3 036, B3 037)", async () => {
  await using trap = canary();
  const names = new Names();
  await using gateway = await watchedGateway({ ...publicGateway(), strangers: { resolve: names.resolve } });
  const own = trap.addresses.map((address) => address.includes(":") ? `[${address.split("%")[0]}]` : address);
  const hosts = [
    ...own,
    // 036: encodings of loopback
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "127.1",
    "127.0.1",
    "0",
    "0.0.0.0",
    "127.0.0.1.",
    "127.255.255.254",
    "１２７.0.0.1",
    "①②⑦.0.0.1",
    "127。0。0。1",
    "%31%32%37.0.0.1",
    // 037: IPv6
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[fe80::1%lo]",
    "[fec0::1]",
    "[fd00::1]",
    "[ff02::1]",
  ];
  for (const host of hosts) {
    const url = `https://${host}:${trap.port}/c.json`;
    await assertPage400(await authorizeAs(gateway, url, { peer: peerOf(hosts.indexOf(host)) }), url);
  }
  assert.deepEqual([trap.hits, names.queries], [0, []]);
});

Deno.test("cloud metadata services are out of reach, by address and by name (B3 038)", async () => {
  const names = new Names().set("metadata.google.internal", ["169.254.169.254"]).set("metadata.evil.test", [
    "169.254.169.254",
  ]);
  await using gateway = await watchedGateway({ ...publicGateway(), strangers: { resolve: names.resolve } });
  const hosts = [
    "169.254.169.254",
    "[fd00:ec2::254]",
    "metadata.google.internal",
    "metadata.google.internal.",
    "100.100.100.200",
    "168.63.129.16",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "metadata.evil.test",
  ];
  const started = performance.now();
  for (const host of hosts) await assertPage400(await authorizeAs(gateway, `https://${host}/c.json`), host);
  assert.deepEqual(names.queries, ["metadata.evil.test"]);
  assert.ok(performance.now() - started < 2000, "something was waited for");
  const malformed = "[::ffff:169.254.169.254]"; // not as a URL parser writes it
  assert.deepEqual(
    refusals(gateway.events),
    hosts.map((host) => host === malformed ? "document_url_malformed" : "document_unreachable"),
  );
});

Deno.test("a name is refused if any of its addresses is special (B3 039, B3 040, AS-39)", async () => {
  await using trap = canary();
  const names = new Names();
  await using gateway = await watchedGateway({
    ...publicGateway({ limits: { authorizationsPerMinute: 1000 } }),
    strangers: { resolve: names.resolve },
  });
  const special = [
    ...trap.addresses,
    ...["10.0.0.5", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1"],
    ...["100.127.255.255", "198.18.0.1", "198.19.255.255", "192.0.2.1", "198.51.100.1", "203.0.113.1"],
    ...[
      "192.0.0.1",
      "224.0.0.1",
      "239.255.255.255",
      "240.0.0.1",
      "255.255.255.255",
      "0.1.2.3",
      "169.254.0.1",
    ],
    ...[
      "2001:db8::1",
      "3fff::1",
      "100::1",
      "fc00::1",
      "fe80::1%eth0",
      "::",
      "::1",
      "::ffff:10.0.0.1",
      "ff0e::1",
    ],
    ...["2001::1", "2002:a00:1::", "64:ff9b::a00:1", "not an address"],
  ];
  let n = 0;
  for (const address of special) {
    for (const answer of [[address], ["192.88.99.1", address], [address, "192.88.99.1"]]) {
      const name = `n${++n}.evil.test`;
      names.set(name, answer);
      const started = performance.now();
      const url = `https://${name}:${trap.port}/c.json`;
      await assertPage400(await authorizeAs(gateway, url), answer.join());
      assert.ok(performance.now() - started < 1000, `${answer} was waited for`);
    }
  }
  names.set("nothing.evil.test", []);
  await assertPage400(await authorizeAs(gateway, "https://nothing.evil.test/c.json"));
  assert.equal(trap.hits, 0);
  assert.equal(names.queries.length, n + 1, "one query each");
});

Deno.test("an alias of this machine is refused, and internal names are not even asked for (B3 041)", async () => {
  await using trap = canary();
  // What a CNAME to localhost comes out as.
  const names = new Names().set("x.evil.test", ["127.0.0.1", "::1"]);
  await using gateway = await watchedGateway({ ...publicGateway(), strangers: { resolve: names.resolve } });
  await assertPage400(await authorizeAs(gateway, `https://x.evil.test:${trap.port}/c.json`));
  assert.deepEqual(names.queries, ["x.evil.test"]);
  for (
    const host of [
      "localhost",
      "LOCALHOST",
      "localhost.",
      "foo.localhost",
      "svc.default.svc.cluster.local",
      "svc.cluster.local.",
      "printer.local",
      "metadata.internal",
      "a.b.internal.",
      "router.lan",
      "wiki.intranet",
      "nas.home.arpa",
    ]
  ) await assertPage400(await authorizeAs(gateway, `https://${host}:${trap.port}/c.json`), host);
  assert.deepEqual([trap.hits, names.queries.length], [0, 1]);
});

Deno.test("a name that answers otherwise the second time changes nothing: it is asked once, and that answer is dialled (B3 042)", async () => {
  const ca = await certificateAuthority();
  await using host = documentHost({
    tls: await ca.issue({ names: ["doc.localhost"] }),
    name: "doc.localhost",
  });
  // The canary waits at the same port of ::1, where a second look-up would lead.
  const trap = Deno.listen({ hostname: "::1", port: host.port });
  let hits = 0;
  const accepting = (async () => {
    for await (const connection of trap) {
      hits++;
      connection.close();
    }
  })();
  const names = new Names().set("doc.localhost", ["127.0.0.1"], ["::1"]);
  try {
    await using gateway = await watchedGateway({ strangers: { resolve: names.resolve, ca: ca.certificate } });
    const { clientId } = publish(host, "/c.json");
    assert.equal((await authorizeAs(gateway, clientId)).status, 303);
    assert.deepEqual([host.requests.length, hits, names.queries.length], [1, 0, 1]);
    assert.equal(new URL(host.requests[0]?.url ?? "").host, `doc.localhost:${host.port}`);
  } finally {
    trap.close();
    await accepting;
  }
});

Deno.test("a public name that turns to loopback is not followed there (B3 042)", async () => {
  await using trap = canary();
  // 192.88.99.1 was the anycast address of 6to4 relays, which RFC 7526 took out of use: nobody answers there.
  const names = new Names().set("rebind.evil.test", ["192.88.99.1"], ["127.0.0.1"]);
  await using gateway = await watchedGateway({ ...publicGateway(), strangers: { resolve: names.resolve } });
  await assertPage400(await authorizeAs(gateway, `https://rebind.evil.test:${trap.port}/c.json`));
  assert.deepEqual([trap.hits, names.queries.length], [0, 1]);
  await assertPage400(await authorizeAs(gateway, `https://rebind.evil.test:${trap.port}/c.json`));
  assert.deepEqual([trap.hits, names.queries.length], [0, 2]);
});

Deno.test("every dial is judged anew: a second document, and keys after the document (B3 043)", async () => {
  const ca = await certificateAuthority();
  const tls = await ca.issue({ names: ["doc.localhost"] });
  await using host = documentHost({ tls, name: "doc.localhost" });
  await using trap = canary();
  const forbidden = trap.addresses.find((address) => !/^127\.|^::1$/.test(address)) ?? "169.254.1.1";
  // Loopback is allowed here, and nothing else: the second answer leads into the network beside it.
  const names = new Names().set("doc.localhost", ["127.0.0.1"], [forbidden]);
  await using gateway = await watchedGateway({
    strangers: { resolve: names.resolve, ca: ca.certificate },
    expect5xx: [503],
  });
  const client = publish(host, "/c.json", {
    token_endpoint_auth_method: "private_key_jwt",
    jwks_uri: `https://doc.localhost:${trap.port}/keys`,
  });
  // The document of another client at the same host, over what might have been a kept connection.
  const second = publish(host, "/d.json");
  assert.equal((await authorizeAs(gateway, client.clientId)).status, 303);
  await assertPage400(await authorizeAs(gateway, second.clientId));
  const part = (value: unknown) => btoa(JSON.stringify(value)).replaceAll("=", "");
  const claims = { iss: client.clientId, sub: client.clientId, aud: gateway.origin, jti: "1", exp: 2e9 };
  const answer = await postForm(gateway, "/oauth/token", {
    grant_type: "authorization_code",
    client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    client_assertion: `${part({ alg: "ES256" })}.${part(claims)}.${"A".repeat(86)}`,
  });
  assert.equal(answer.status, 503);
  assert.deepEqual([host.requests.length, trap.hits, names.queries.length], [1, 0, 3]);
});

Deno.test("a vetted fetch ignores proxies of the environment (B3 059)", async () => {
  await using host = documentHost();
  await using trap = canary();
  host.answers.set("/c.json", clientDocument(`${host.origin}/c.json`));
  const proxy = `http://127.0.0.1:${trap.port}`;
  const module = import.meta.resolve("../../lib/http/pinned_fetch.ts");
  const program = `
    import { pinnedFetch } from "${module}";
    const fetchOf = (resolve) => pinnedFetch({ allowLoopback: true, timeoutMs: 2000, maxBytes: 5120, resolve });
    const direct = await fetchOf()("${host.origin}/c.json");
    console.log("DIRECT", direct.status);
    await fetchOf(() => Promise.resolve(["192.88.99.1"]))("https://public.evil.test/").catch(() => console.log("PUBLIC refused"));
    await fetchOf(() => Promise.resolve(["10.0.0.1"]))("https://private.evil.test/").catch(() => console.log("PRIVATE refused"));
    // What the proxy variables do to an ordinary fetch, so that the canary is known to work.
    await fetch("http://example.invalid/").catch(() => console.log("PLAIN failed"));`;
  const child = new TestChild({
    args: [
      "run",
      "--no-prompt",
      "-A",
      "--config",
      new URL(import.meta.resolve("../../deno.json")).pathname,
      `data:text/javascript,${encodeURIComponent(program)}`,
    ],
    env: {
      ...Object.fromEntries(
        ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].flatMap((
          name,
        ) => [[name, proxy], [name.toLowerCase(), proxy]]),
      ),
      NODE_USE_ENV_PROXY: "1",
      NO_PROXY: "",
    },
  });
  await child.status;
  const said = child.lines.filter((line) => /^[A-Z]+ /.test(line));
  assert.deepEqual(
    said,
    ["DIRECT 200", "PUBLIC refused", "PRIVATE refused", "PLAIN failed"],
    child.lines.join("\n"),
  );
  assert.equal(trap.hits, 1, "only the ordinary fetch went through the proxy");
  assert.equal(host.requests.length, 1);
});

/** One address each, so that no quota answers instead. */
function peerOf(index: number): string {
  return `2001:4860::${(index + 1).toString(16)}`;
}

/** Why pages were refused, from the log. */
function refusals(events: readonly Readonly<Record<string, unknown>>[]): unknown[] {
  return events.map(({ reasonCode }) => reasonCode).filter((reason) => reason !== undefined);
}
