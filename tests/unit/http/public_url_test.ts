/** Our own origin: what `Host` and the forwarding headers may say about it, and what they may not. */
import assert from "node:assert/strict";
import {
  fromRight,
  type HostEvidence,
  type HostRules,
  isLoopbackHostname,
  resolveOrigin,
} from "../../../lib/http/public_url.ts";

const none = new Set<string>();
const origin: HostRules = {
  publicUrl: { kind: "origin", origin: "https://gw.test" },
  allowedHosts: none,
  trustedProxies: 0,
};
const hosts: HostRules = {
  ...origin,
  publicUrl: { kind: "hosts", patterns: ["gw.test", "*.preview.test", "gw.test:8443"] },
};
const loopback: HostRules = { ...origin, publicUrl: { kind: "loopback" } };

function resolve(rules: HostRules, host: string | null, changes: Partial<HostEvidence> = {}): string | null {
  return resolveOrigin(rules, {
    host,
    targetHost: host ?? "",
    forwardedHost: null,
    forwardedProto: null,
    ...changes,
  });
}

function table(rules: HostRules, cases: readonly (readonly [string | null, string | null])[]): void {
  for (const [host, expected] of cases) assert.equal(resolve(rules, host), expected, JSON.stringify(host));
}

Deno.test("one configured origin answers its own host alone, in any case (B1 001, 004)", () => {
  table(origin, [
    ["gw.test", "https://gw.test"],
    ["GW.Test", "https://gw.test"],
    ["evil.test", null],
    ["gw.test:443", null],
    ["gw.test:8080", null],
    ["gw.test.", null],
    ["gw.test.evil.test", null],
    ["notgw.test", null],
    ["", null],
    [null, null],
  ]);
  table({ ...origin, publicUrl: { kind: "origin", origin: "https://gw.test:8443" } }, [
    ["gw.test:8443", "https://gw.test:8443"],
    ["gw.test", null],
  ]);
});

Deno.test("a host that is none is refused, however it is written (B1 007)", () => {
  for (
    const host of [
      "gw.test@evil.test",
      "gw.test:443evil",
      "gw.test, evil.test",
      "gw.test/",
      "gw.test#",
      "a b",
      "[::1",
      "gw.test:",
      "gw.test:123456",
      "gw.test\\evil",
      "ĝw.test",
      "gw.test\u0000",
    ]
  ) {
    for (const rules of [origin, hosts, loopback]) assert.equal(resolve(rules, host), null, host);
  }
});

Deno.test("the host of an absolute request target has to agree with `Host` (B1 007)", () => {
  assert.equal(resolve(origin, "gw.test", { targetHost: "evil.test" }), null);
  assert.equal(resolve(origin, "evil.test", { targetHost: "gw.test" }), null);
  assert.equal(resolve(origin, "gw.test", { targetHost: "GW.test" }), "https://gw.test");
});

Deno.test("patterns answer the hosts they name, over https and without the default port", () => {
  table(hosts, [
    ["gw.test", "https://gw.test"],
    ["gw.test:8443", "https://gw.test:8443"],
    ["a.preview.test", "https://a.preview.test"],
    ["a.b.preview.test", "https://a.b.preview.test"],
    ["preview.test", null],
    [".preview.test", null],
    ["evilpreview.test", null],
    ["a.preview.test.evil.test", null],
    ["a.preview.test:9", null],
    ["other.test", null],
  ]);
});

Deno.test("an internal name is answered and never appears in a URL", () => {
  const internal = new Set(["gateway.internal:9000"]);
  assert.equal(resolve({ ...origin, allowedHosts: internal }, "gateway.internal:9000"), "https://gw.test");
  assert.equal(resolve({ ...hosts, allowedHosts: internal }, "gateway.internal:9000"), "https://gw.test");
  assert.equal(resolve({ ...origin, allowedHosts: internal }, "gateway.internal"), null);
  const wildcardOnly: HostRules = {
    ...hosts,
    allowedHosts: internal,
    publicUrl: { kind: "hosts", patterns: ["*.preview.test"] },
  };
  assert.equal(resolve(wildcardOnly, "gateway.internal:9000"), null);
});

Deno.test("without a public URL only loopback names are answered, over http with their port (AS-12)", () => {
  table(loopback, [
    ["127.0.0.1:9000", "http://127.0.0.1:9000"],
    ["localhost:9000", "http://localhost:9000"],
    ["[::1]:9000", "http://[::1]:9000"],
    ["127.0.0.1:80", "http://127.0.0.1"],
    ["localhost", "http://localhost"],
    ["evil.test", null],
    ["localhost.evil.test", null],
    ["127.0.0.1.evil.test", null],
    ["192.168.0.1:9000", null],
    ["0.0.0.0:9000", null],
    ["[::2]:9000", null],
  ]);
});

Deno.test("forwarding headers are not even looked at without a trusted proxy (B1 002, 003)", () => {
  for (const rules of [origin, hosts, loopback]) {
    const host = rules === loopback ? "localhost:9000" : "gw.test";
    const plain = resolve(rules, host);
    assert.ok(plain);
    assert.equal(resolve(rules, host, { forwardedHost: "evil.test", forwardedProto: "http" }), plain);
  }
});

Deno.test("behind trusted proxies the entry of the outermost one counts, from the right (B1 008)", () => {
  const cases: [number, string, string | null][] = [
    [1, "gw.test", "https://gw.test"],
    [1, "evil.test, gw.test", "https://gw.test"],
    [1, "gw.test, evil.test", null],
    [2, "gw.test, proxy.test", "https://gw.test"],
    [2, "evil.test, gw.test, proxy.test", "https://gw.test"],
    [2, "evil.test, proxy.test", null],
    [1, "evil.test", null],
    [1, "", null],
    [1, "gw.test,", null],
    [1, 'a", error="x', null],
  ];
  for (const [trustedProxies, forwardedHost, expected] of cases) {
    for (const host of ["gw.test", "internal.test"]) {
      const rules = {
        ...hosts,
        publicUrl: { kind: "hosts", patterns: ["gw.test"] },
        trustedProxies,
      } as const;
      assert.equal(resolve(rules, host, { forwardedHost }), expected, `${trustedProxies}: ${forwardedHost}`);
    }
  }
});

Deno.test("a proxy that says nothing leaves `Host` to decide", () => {
  assert.equal(resolve({ ...origin, trustedProxies: 1 }, "gw.test"), "https://gw.test");
  assert.equal(
    resolve({ ...origin, trustedProxies: 2 }, "gw.test", { forwardedHost: "evil.test" }),
    "https://gw.test",
  );
});

Deno.test("on loopback a trusted proxy may say that TLS ends at it", () => {
  const rules = { ...loopback, trustedProxies: 1 };
  const at = (forwardedProto: string, host = "localhost:8443") => resolve(rules, host, { forwardedProto });
  assert.equal(at("https"), "https://localhost:8443");
  assert.equal(at("https", "localhost:443"), "https://localhost");
  assert.equal(at("http, HTTPS"), "https://localhost:8443");
  assert.equal(at("javascript"), "http://localhost:8443");
});

Deno.test("`fromRight()` counts from the right and gives nothing where there are too few", () => {
  assert.equal(fromRight("a, b ,c", 1), "c");
  assert.equal(fromRight("a, b ,c", 2), "b");
  assert.equal(fromRight("a, b ,c", 4), undefined);
  assert.equal(fromRight(null, 1), undefined);
});

Deno.test("`isLoopbackHostname()` knows the three names and nothing that only looks like them", () => {
  for (const name of ["localhost", "[::1]", "127.0.0.1", "127.1.2.3"]) {
    assert.equal(isLoopbackHostname(name), true);
  }
  for (
    const name of [
      "localhost.",
      "::1",
      "127.0.0.1.nip.io",
      "128.0.0.1",
      "127.0.0",
      "0.0.0.0",
      "[::ffff:127.0.0.1]",
    ]
  ) {
    assert.equal(isLoopbackHostname(name), false, name);
  }
});
