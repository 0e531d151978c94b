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

/** What a body may say of its era. */
const MODERN = { modern: {} };
const LEGACY = { modern: null };

Deno.test("a request takes the listed headers along; what repeats a modern body only beside one (TR-04, TR-09, TR-16, TR-23)", () => {
  const always = {
    "accept": "application/json, text/event-stream",
    "accept-language": "de",
    "content-type": "application/json",
    "mcp-protocol-version": "2026-07-28",
    "traceparent": "00-1-2-01",
    "tracestate": "a=b",
  };
  const beside = { "mcp-method": "tools/call", "mcp-name": "echo", "mcp-param-region": "eu" };
  const sent = new Headers({ ...always, ...beside, "last-event-id": "7" });
  const ours = { "accept-encoding": "identity" };
  assert.deepEqual(requestHeaders(sent, MODERN), { ...always, ...beside, ...ours });
  assert.deepEqual(requestHeaders(sent, LEGACY), { ...always, ...ours });
});

Deno.test("no credential, hop-by-hop or steering header of the client goes upstream (B13 188, 189, 190)", () => {
  const sent = new Headers({ "content-type": "application/json" });
  for (const name of KEPT_FROM_UPSTREAM) sent.set(name, "canary");
  for (const message of [MODERN, LEGACY]) {
    const got = requestHeaders(sent, message);
    assert.deepEqual(Object.keys(got).toSorted(), ["accept-encoding", "content-type"]);
    assert.ok(!JSON.stringify(got).includes("canary"));
  }
});

Deno.test("what the gateway says of itself cannot be overridden by the client", () => {
  const sent = new Headers({ "accept-encoding": "gzip, br", "user-agent": "client/1.0" });
  const got = requestHeaders(sent, null);
  assert.deepEqual(got, { "accept-encoding": "identity" });
});

Deno.test("an answer brings the listed headers back and nothing else (B13 191)", () => {
  const answered = new Headers({
    "content-type": "text/event-stream",
    "mcp-protocol-version": "2026-07-28",
    "retry-after": "5",
  });
  for (const name of KEPT_FROM_CLIENT) answered.append(name, "canary");
  assert.deepEqual(responseHeaders(answered), {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "content-type": "text/event-stream",
    "mcp-protocol-version": "2026-07-28",
    "retry-after": "5",
  });
  const ours = { "cache-control": "no-store", "x-content-type-options": "nosniff" };
  assert.deepEqual(responseHeaders(new Headers()), ours);
});
