import assert from "node:assert/strict";
import { env } from "../../../lib/gateway/env.ts";
import { setHeaders } from "../../../policies/set_headers.ts";
import { upstreamApiKey } from "../../../policies/upstream_api_key.ts";
import { faults, type Loose, loosely, onlyRoute, options, report, route } from "../gateway/configurations.ts";

function credentialOf(given: Loose) {
  const { credential } = onlyRoute({ policies: [loosely(upstreamApiKey, given)] });
  return credential.kind === "static" ? [credential.header, credential.value.reveal()] : credential.kind;
}

Deno.test("`upstreamApiKey()` sends a bearer token unless told otherwise", () => {
  assert.deepEqual(credentialOf({ value: "k" }), ["authorization", "Bearer k"]);
  assert.deepEqual(credentialOf({ value: "k", prefix: "Token" }), ["authorization", "Token k"]);
  assert.deepEqual(credentialOf({ value: "k", header: "X-Api-Key" }), ["x-api-key", "k"]);
  assert.deepEqual(credentialOf({ value: "k", header: "X-Api-Key", prefix: "Key" }), ["x-api-key", "Key k"]);
  assert.deepEqual(credentialOf({ value: env("UNSET", { default: "d" }) }), ["authorization", "Bearer d"]);
});

Deno.test("`setHeaders()` gives lower-case names and secret values, several policies together", () => {
  const policies = [
    setHeaders({ "X-Team": "a", "X-Plan": "b" }),
    upstreamApiKey({ value: "k" }),
    setHeaders({ "x-c": "c" }),
  ];
  const compiled = onlyRoute({ policies });
  assert.deepEqual(compiled.headers.map(([name, value]) => [name, value.reveal()]), [
    ["x-team", "a"],
    ["x-plan", "b"],
    ["x-c", "c"],
  ]);
  assert.equal(compiled.credential.kind, "static");
});

const NOT_OURS = [
  "Host",
  "Connection",
  "Keep-Alive",
  "Proxy-Authenticate",
  "Proxy-Authorization",
  "Proxy-Connection",
  "TE",
  "Trailer",
  "Transfer-Encoding",
  "Upgrade",
  "Content-Length",
  "Content-Type",
  "Content-Encoding",
  "Accept",
  "Accept-Encoding",
  "Accept-Language",
  "Expect",
  "HTTP2-Settings",
  "traceparent",
  "Mcp-Session-Id",
  "MCP-Protocol-Version",
  "Mcp-Method",
  "Last-Event-ID",
  "",
  "X Team",
  "X-Team:",
  "X-Täm",
  "X-Team\r\nY",
];

for (const name of NOT_OURS) {
  Deno.test(`no policy sets the header ${JSON.stringify(name)}`, () => {
    assert.equal(report(options({ routes: [route({ policies: [setHeaders({ [name]: "v" })] })] })).length, 1);
    const key = upstreamApiKey({ header: name, value: "v" });
    assert.deepEqual(faults(options({ routes: [route({ policies: [key] })] })).map((fault) => fault.path), [
      "routes[0].policies[0].header",
    ]);
  });
}

for (const value of ["canary\r\nX: y", "canary\n", " canary", "canary\u0000", "canäry", "", "canary\u007f"]) {
  Deno.test(`no header carries ${JSON.stringify(value)}, and it is not shown`, () => {
    const found = [
      ...faults(options({ routes: [route({ policies: [setHeaders({ "x-a": value })] })] })),
      ...faults(options({ routes: [route({ policies: [upstreamApiKey({ value })] })] })),
    ];
    assert.deepEqual(found.map((fault) => fault.path), [
      'routes[0].policies[0]["x-a"]',
      "routes[0].policies[0].value",
    ]);
    assert.doesNotMatch(JSON.stringify(found), /canary|canä/);
  });
}

Deno.test("a route has one credential at most", () => {
  const policies = [
    upstreamApiKey({ value: "a" }),
    setHeaders({}),
    upstreamApiKey({ value: "b", header: "X-Key" }),
  ];
  assert.deepEqual(report(options({ routes: [route({ policies })] })), [
    "routes[0].policies[2]: upstreamApiKey(…) is a second credential: policies[0] (upstreamApiKey) is one already",
  ]);
});

Deno.test("a header is set once on a route, whatever its case and whichever policy sets it", () => {
  const twice = (...policies: unknown[]) => report(options({ routes: [route({ policies })] }));
  assert.match(
    twice(setHeaders({ "X-A": "1", "x-a": "2" })).join(),
    /policies\[0\]\["x-a"\]: "x-a" is set twice/,
  );
  assert.match(
    twice(setHeaders({ "X-A": "1" }), setHeaders({ "x-a": "2" })).join(),
    /policies\[1\]: policies\[0\]/,
  );
  assert.match(
    twice(upstreamApiKey({ value: "k" }), setHeaders({ Authorization: "x" })).join(),
    /policies\[1\]: policies\[0\] \(upstreamApiKey\) sets the header "authorization" already/,
  );
});

Deno.test("`upstreamApiKey()` refuses unknown and missing options", () => {
  const at = (given: unknown) =>
    report(options({ routes: [route({ policies: [loosely(upstreamApiKey, given)] })] })).join();
  assert.match(at({ valu: "canary" }), /policies\[0\]\.valu: There is no such option/);
  assert.match(at({}), /policies\[0\]\.value: This option is required/);
  assert.match(at(undefined), /policies\[0\]: This option is required/);
  assert.doesNotMatch(at({ valu: "canary" }), /canary/);
});
