/** Which headers cross the gateway: the few that are listed, and none of all the others. */
import assert from "node:assert/strict";
import { requestHeaders, responseHeaders } from "../../../lib/mcp/headers.ts";

/** Credentials, hop-by-hop headers, and names by which proxies are steered: none may reach an upstream. */
const KEPT_FROM_UPSTREAM = [
  "authorization",
  "cookie",
  "proxy-authorization",
  "proxy-authenticate",
  "x-api-key",
  "x-upstream-authorization",
  "dpop",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-forwarded-user",
  "forwarded",
  "x-real-ip",
  "via",
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "content-length",
  "content-encoding",
  "expect",
  "host",
  "origin",
  "referer",
  "range",
  "if-none-match",
  "x-route",
  "mcp-init-host",
  "router-key",
  "x-original-url",
  "x-rewrite-url",
  "x-http-method-override",
  "x-internal",
  "sec-fetch-site",
  "access-control-request-headers",
  "mcp-session-id",
  "mcp-param",
  "x-mcp-param-a",
];

/** Answers that would act on the client, the browser or the proxy in front. */
const KEPT_FROM_CLIENT = [
  "set-cookie",
  "www-authenticate",
  "proxy-authenticate",
  "location",
  "content-location",
  "clear-site-data",
  "access-control-allow-origin",
  "access-control-allow-credentials",
  "strict-transport-security",
  "content-security-policy",
  "link",
  "refresh",
  "x-accel-redirect",
  "x-accel-buffering",
  "x-sendfile",
  "connection",
  "keep-alive",
  "transfer-encoding",
  "content-length",
  "content-encoding",
  "upgrade",
  "trailer",
  "alt-svc",
  "server",
  "x-powered-by",
  "x-secret",
  "x-request-id",
  "cache-control",
  "etag",
  "vary",
  "mcp-session-id",
];

Deno.test("a request takes the listed headers along, and parameters of tools (TR-04, TR-09)", () => {
  const sent = {
    "accept": "application/json, text/event-stream",
    "accept-language": "de",
    "content-type": "application/json",
    "last-event-id": "7",
    "mcp-method": "tools/call",
    "mcp-name": "echo",
    "mcp-protocol-version": "2026-07-28",
    "mcp-param-region": "eu",
    "traceparent": "00-1-2-01",
    "tracestate": "a=b",
  };
  const got = new Headers(requestHeaders(new Headers(sent)));
  for (const [name, value] of Object.entries(sent)) assert.equal(got.get(name), value, name);
  assert.deepEqual(
    [...got.keys()].toSorted(),
    [...Object.keys(sent), "accept-encoding", "user-agent"].toSorted(),
  );
});

Deno.test("no credential, hop-by-hop or steering header of the client goes upstream (B13 188, 189, 190)", () => {
  const sent = new Headers({ "content-type": "application/json" });
  for (const name of KEPT_FROM_UPSTREAM) sent.set(name, "canary");
  const got = requestHeaders(sent);
  assert.deepEqual(got.map(([name]) => name).toSorted(), ["accept-encoding", "content-type", "user-agent"]);
  assert.ok(!JSON.stringify(got).includes("canary"));
});

Deno.test("what the gateway says of itself cannot be overridden by the client", () => {
  const got = requestHeaders(new Headers({ "accept-encoding": "gzip, br", "user-agent": "client/1.0" }));
  assert.deepEqual(got, [["accept-encoding", "identity"], ["user-agent", "sallyport"]]);
});

Deno.test("an answer brings the listed headers back and nothing else (B13 191)", () => {
  const answered = new Headers({
    "content-type": "text/event-stream",
    "mcp-protocol-version": "2026-07-28",
    "retry-after": "5",
  });
  for (const name of KEPT_FROM_CLIENT) answered.append(name, "canary");
  const got = responseHeaders(answered);
  assert.deepEqual(
    new Map(got),
    new Map([
      ["cache-control", "no-store"],
      ["x-content-type-options", "nosniff"],
      ["content-type", "text/event-stream"],
      ["mcp-protocol-version", "2026-07-28"],
      ["retry-after", "5"],
    ]),
  );
  assert.deepEqual(responseHeaders(new Headers()).length, 2);
});
