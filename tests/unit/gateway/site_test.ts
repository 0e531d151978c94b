import assert from "node:assert/strict";
import { env } from "../../../lib/gateway/env.ts";
import { mcpDevOAuth } from "../../../policies/mcp_dev_oauth.ts";
import { compile, faults, options, publicOptions, report } from "./configurations.ts";

Deno.test("`publicUrl` becomes an origin, without the slash and the default port", () => {
  const origin = (publicUrl: string) => compile(publicOptions({ publicUrl })).publicUrl;
  assert.deepEqual(origin("https://GW.example:443/"), { kind: "origin", origin: "https://gw.example" });
  assert.deepEqual(origin("https://gw.example:8443"), { kind: "origin", origin: "https://gw.example:8443" });
  assert.deepEqual(origin("http://localhost:9000"), { kind: "origin", origin: "http://localhost:9000" });
  assert.deepEqual(origin("http://[::1]:9000"), { kind: "origin", origin: "http://[::1]:9000" });
});

Deno.test("`publicUrl` may be host patterns, in lower case (AS-12)", () => {
  const publicUrl = { hosts: ["GW.example.com", "*.preview.example.com", env("HOST")] };
  assert.deepEqual(compile(publicOptions({ publicUrl }), { env: () => "other.example" }).publicUrl, {
    kind: "hosts",
    patterns: ["gw.example.com", "*.preview.example.com", "other.example"],
  });
});

const BAD: readonly (readonly [unknown, string, RegExp])[] = [
  ["gw.example", "publicUrl", /does not begin/],
  ["http://gw.example", "publicUrl", /plain http/],
  ["https://gw.example/path", "publicUrl", /has a path/],
  ["https://gw.example/?a", "publicUrl", /query/],
  ["https://gw.example/#a", "publicUrl", /fragment/],
  ["https://u@gw.example", "publicUrl", /user name/],
  ["https://*.example", "publicUrl", /plain form|characters/],
  ["", "publicUrl", /empty/],
  [42, "publicUrl", /a number was given/],
  [["https://gw.example"], "publicUrl", /a list was given/],
  [{ hosts: [] }, "publicUrl.hosts", /at least one/],
  [{}, "publicUrl.hosts", /at least one/],
  [{ hosts: ["https://a.example"] }, "publicUrl.hosts[0]", /no host pattern/],
  [{ hosts: ["a.example", "*"] }, "publicUrl.hosts[1]", /no host pattern/],
  [{ hosts: ["*.com"] }, "publicUrl.hosts[0]", /no host pattern/],
  [{ hosts: ["a.*.example"] }, "publicUrl.hosts[0]", /no host pattern/],
  [{ hosts: ["a.example"], host: 1 }, "publicUrl.host", /no such option/],
];

for (const [publicUrl, path, problem] of BAD) {
  Deno.test(`publicUrl is not ${JSON.stringify(publicUrl)} (AS-12)`, () => {
    const found = faults(publicOptions({ publicUrl }));
    assert.deepEqual(found.map((fault) => fault.path), [path]);
    assert.match(found[0]?.problem ?? "", problem);
  });
}

Deno.test("`GATEWAY_PUBLIC_URL` overrides the configuration, and an empty one does not", () => {
  const given = publicOptions({ publicUrl: env("NEVER_SET") });
  const publicUrl = "https://other.example";
  assert.deepEqual(compile(given, { publicUrl }).publicUrl, { kind: "origin", origin: publicUrl });
  assert.deepEqual(faults(given, { publicUrl: "" }).map((fault) => fault.variable), ["NEVER_SET"]);
  const [fault] = faults(given, { publicUrl: "http://other.example" });
  assert.deepEqual([fault?.path, fault?.variable], ["publicUrl", "GATEWAY_PUBLIC_URL"]);
});

Deno.test("production needs a public URL; development is content with loopback", () => {
  const { publicUrl: _, ...given } = publicOptions();
  assert.deepEqual(compile(given).publicUrl, { kind: "loopback" });
  const [fault, ...others] = faults(given, { mode: "production" });
  assert.deepEqual(others, []);
  assert.deepEqual([fault?.path, fault?.variable], ["publicUrl", "GATEWAY_PUBLIC_URL"]);
  assert.deepEqual(report(given, { mode: "production", publicUrl: "https://gw.example" }), []);
});

Deno.test("`outbound.allowLoopback` follows the public URL unless it is given", () => {
  assert.equal(compile(options()).outbound.allowLoopback, true);
  assert.equal(compile(options({ publicUrl: "http://127.0.0.1:9000" })).outbound.allowLoopback, true);
  assert.equal(compile(publicOptions()).outbound.allowLoopback, false);
  assert.equal(compile(publicOptions({ outbound: { allowLoopback: true } })).outbound.allowLoopback, true);
});

const DEV = { oauth: mcpDevOAuth() };

Deno.test("`mcpDevOAuth()` is refused in production, beyond loopback, and on an open port", () => {
  const production = report(publicOptions({ ...DEV, publicUrl: "http://localhost:9000" }), {
    mode: "production",
  });
  assert.deepEqual(production.length, 1);
  assert.match(production[0] ?? "", /^oauth: .* this is production/);
  for (const publicUrl of ["https://gw.example", { hosts: ["localhost"] }]) {
    assert.match(
      report(publicOptions({ ...DEV, publicUrl })).join(),
      /^oauth: .* public URL is not on loopback$/,
    );
  }
  for (const bindHostname of ["0.0.0.0", "::", "192.168.1.2", "gw.example"]) {
    assert.match(report(options(DEV), { bindHostname }).join(), /^oauth: .* listens on /, bindHostname);
  }
  for (const bindHostname of ["127.0.0.1", "::1", "[::1]", "localhost", undefined]) {
    assert.deepEqual(report(options(DEV), { bindHostname }), [], bindHostname);
  }
});

Deno.test("a faulty public URL is one fault, and does not also make the local login a public one", () => {
  assert.deepEqual(faults(options({ publicUrl: "https://gw.example/path" })).map((fault) => fault.path), [
    "publicUrl",
  ]);
});
