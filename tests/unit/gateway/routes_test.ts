import assert from "node:assert/strict";
import {
  compile,
  faults,
  onlyRoute,
  options,
  publicOptions,
  report,
  route,
  type WrongRow,
} from "./configurations.ts";

const LOCAL = { publicUrl: "http://localhost:9000" };

Deno.test("`mcpProxy()` fills in every default of the contract (section 2.3)", () => {
  assert.deepEqual(compile(options()).routes, [{
    path: "/mcp/one",
    operationId: "one",
    title: "one",
    description: null,
    version: null,
    websiteUrl: null,
    icons: [],
    upstream: "https://up.example/mcp",
    forwardSearch: true,
    followRedirects: false,
    clientCertificate: null,
    allowPrivateNetwork: false,
    allowLoopback: true,
    timeouts: { responseMs: 60_000, idleMs: 0 },
    capabilities: null,
    credential: { kind: "none" },
    headers: [],
    rateLimits: [],
  }]);
});

Deno.test("`mcpProxy()` takes every option of section 2.3", () => {
  const compiled = onlyRoute({
    summary: "One",
    description: "The first.",
    version: "1.2.3",
    websiteUrl: "https://one.example/?a=b",
    icons: [{ src: "https://one.example/i.png", mimeType: "image/png", sizes: ["48x48", "any"] }, {
      src: "data:image/svg+xml;base64,AAAA",
    }],
    forwardSearch: false,
    followRedirects: true,
    allowPrivateNetwork: true,
    upstream: "http://10.0.0.7:8080/mcp?tenant=a",
    timeouts: { idleMs: 5000 },
  });
  assert.equal(compiled.title, "One");
  assert.equal(compiled.upstream, "http://10.0.0.7:8080/mcp?tenant=a");
  assert.deepEqual(compiled.icons[1], { src: "data:image/svg+xml;base64,AAAA", mimeType: null, sizes: [] });
  assert.deepEqual(compiled.timeouts, { responseMs: 60_000, idleMs: 5000 });
  assert.deepEqual([compiled.forwardSearch, compiled.followRedirects, compiled.allowPrivateNetwork], [
    false,
    true,
    true,
  ]);
});

const PEM = {
  cert: "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----",
  key: "-----BEGIN EC PRIVATE KEY-----\nMII\n-----END EC PRIVATE KEY-----",
};

Deno.test("`clientCertificate` keeps its key a secret and needs an https upstream", () => {
  const compiled = onlyRoute({ clientCertificate: PEM });
  assert.equal(compiled.clientCertificate?.key.reveal(), PEM.key);
  // As a file ends, and as an environment file has it.
  const asFiles = onlyRoute({ clientCertificate: { cert: `${PEM.cert}\n`, key: `${PEM.key}\r\n` } });
  const inOneLine = onlyRoute({
    clientCertificate: { cert: PEM.cert.replaceAll("\n", "\\n"), key: PEM.key.replaceAll("\n", "\\n") },
  });
  for (const { clientCertificate } of [asFiles, inOneLine]) {
    assert.deepEqual([clientCertificate?.cert, clientCertificate?.key.reveal()], [PEM.cert, PEM.key]);
  }
  assert.deepEqual(
    report(options({ routes: [route({ clientCertificate: PEM, upstream: "http://up.example/" })] })),
    [
      "routes[0].clientCertificate: A client certificate needs TLS",
    ],
  );
});

const WRONG: readonly WrongRow[] = [
  { name: "no upstream", given: { upstream: undefined }, path: "upstream", problem: /required/ },
  { name: "no operationId", given: { operationId: undefined }, path: "operationId", problem: /required/ },
  {
    name: "an odd operationId",
    given: { operationId: "a b" },
    path: "operationId",
    problem: /no operationId/,
  },
  { name: "an unknown option", given: { polices: [] }, path: "polices", problem: /no such option/ },
  { name: "an ftp upstream", given: { upstream: "ftp://a.b" }, path: "upstream", problem: /does not begin/ },
  {
    name: "a host as upstream",
    given: { upstream: "a.example" },
    path: "upstream",
    problem: /does not begin/,
  },
  { name: "a fragment", given: { upstream: "https://a.b/#c" }, path: "upstream", problem: /fragment/ },
  {
    name: "userinfo",
    given: { upstream: "https://u:p@a.b/" },
    path: "upstream",
    problem: /user name or password/,
  },
  { name: "a template", given: { upstream: "https://a.b/{x}" }, path: "upstream", problem: /filled in/ },
  { name: "a backslash", given: { upstream: "https:\\\\a.b" }, path: "upstream", problem: /does not begin/ },
  {
    name: "a disguised host",
    given: { upstream: "https://127.1/" },
    path: "upstream",
    problem: /plain form/,
  },
  { name: "white space", given: { upstream: "https://a.b/ " }, path: "upstream", problem: /white space/ },
  { name: "a website", given: { websiteUrl: "x" }, path: "websiteUrl", problem: /does not begin/ },
  {
    name: "an icon",
    given: { icons: [{ src: "javascript:x" }] },
    path: "icons[0].src",
    problem: /does not begin/,
  },
  {
    name: "an icon's size",
    given: { icons: [{ src: "https://a.b/", sizes: ["big"] }] },
    path: "icons[0].sizes[0]",
    problem: /no size/,
  },
  {
    name: "no timeout",
    given: { timeouts: { responseMs: 0 } },
    path: "timeouts.responseMs",
    problem: /bounds/,
  },
  { name: "a flag as text", given: { forwardSearch: "no" }, path: "forwardSearch", problem: /true or false/ },
  {
    name: "half a certificate",
    given: { clientCertificate: { cert: PEM.cert } },
    path: "clientCertificate.key",
    problem: /required/,
  },
  {
    name: "a certificate as key",
    given: { clientCertificate: { cert: PEM.cert, key: PEM.cert } },
    path: "clientCertificate.key",
    problem: /no private key/,
  },
  { name: "policies as one", given: { policies: {} }, path: "policies", problem: /list is expected/ },
  {
    name: "a policy as text",
    given: { policies: ["x"] },
    path: "policies[0]",
    problem: /a string was given/,
  },
  {
    name: "a route as policy",
    given: { policies: [route()] },
    path: "policies[0]",
    problem: /mcpProxy\(…\) does not/,
  },
];

for (const { name, given, path, problem } of WRONG) {
  Deno.test(`mcpProxy() refuses ${name}`, () => {
    const found = faults(options({ routes: [route(given)] }));
    assert.deepEqual(found.map((fault) => fault.path), [`routes[0].${path}`]);
    assert.match(found[0]?.problem ?? "", problem);
  });
}

const PRIVATE = [
  "http://10.1.2.3/mcp",
  "http://172.16.0.1/",
  "http://192.168.1.1/",
  "http://169.254.169.254/latest",
  "http://100.64.0.1/",
  "http://0.0.0.0/",
  "http://[fd00::1]/",
  "http://[fe80::1]/",
  "http://[::ffff:a00:1]/",
];

for (const upstream of PRIVATE) {
  Deno.test(`an upstream at ${upstream} needs allowPrivateNetwork (B13 197)`, () => {
    for (const base of [options(LOCAL), publicOptions()]) {
      assert.match(
        report({ ...base, routes: [route({ upstream })] }).join(),
        /upstream: .* is a private address/,
      );
      assert.deepEqual(report({ ...base, routes: [route({ upstream, allowPrivateNetwork: true })] }), []);
    }
  });
}

Deno.test("a loopback upstream is allowed only while the gateway is on loopback, too", () => {
  for (
    const upstream of [
      "http://127.0.0.1:9001/mcp",
      "http://localhost/",
      "http://[::1]/",
      "http://a.localhost/",
    ]
  ) {
    assert.deepEqual(report(options({ routes: [route({ upstream })] })), [], upstream);
    assert.deepEqual(report(options({ ...LOCAL, routes: [route({ upstream })] })), [], upstream);
    assert.match(
      report(publicOptions({ routes: [route({ upstream })] })).join(),
      /private address/,
      upstream,
    );
  }
});

Deno.test("a public upstream needs nothing", () => {
  for (const upstream of ["https://1.1.1.1/mcp", "https://[2606:4700::1111]/", "http://up.example/"]) {
    assert.deepEqual(report(publicOptions({ routes: [route({ upstream })] })), [], upstream);
  }
});
