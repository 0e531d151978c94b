/** Which headers cross the gateway. Everything not listed here stays on its side, in both directions. */

/** Request headers that go upstream as they came. The session id is translated elsewhere. */
const REQUEST_HEADERS: readonly string[] = [
  "accept",
  "accept-language",
  "content-type",
  "last-event-id",
  "mcp-method",
  "mcp-name",
  "mcp-protocol-version",
  "traceparent",
  "tracestate",
];

/** Answer headers that come back as they are. */
const RESPONSE_HEADERS: readonly string[] = ["content-type", "mcp-protocol-version", "retry-after"];

/** The headers of the request that go upstream, as pairs, which `fetch` takes fastest. */
export function requestHeaders(headers: Headers): [string, string][] {
  const listed: [string, string][] = [["accept-encoding", "identity"], ["user-agent", "sallyport"]];
  for (const name of REQUEST_HEADERS) {
    const value = headers.get(name);
    if (value !== null) listed.push([name, value]);
  }
  // Only 2026-07-28 has them. Asking for names is cheaper than walking through all, which these alone need.
  if (headers.has("mcp-method")) {
    for (const pair of headers) if (pair[0].startsWith("mcp-param-")) listed.push(pair);
  }
  return listed;
}

/** The headers of the upstream's answer that go to the client. */
export function responseHeaders(headers: Headers): [string, string][] {
  const listed: [string, string][] = [["cache-control", "no-store"], ["x-content-type-options", "nosniff"]];
  for (const name of RESPONSE_HEADERS) {
    const value = headers.get(name);
    if (value !== null) listed.push([name, value]);
  }
  return listed;
}
