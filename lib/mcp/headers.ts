/** Which headers cross the gateway. Everything not listed here stays on its side, in both directions. */

/** Request headers that go upstream as they came. The session id is translated elsewhere. */
const REQUEST_HEADERS: readonly string[] = [
  "accept",
  "accept-language",
  "content-type",
  "mcp-protocol-version",
  "traceparent",
  "tracestate",
];

/** The headers that repeat a 2026-07-28 body. Beside an older body nothing has checked them, and they must not steer anybody (TR-23). */
const MODERN_HEADERS: readonly string[] = ["mcp-method", "mcp-name"];

/** What the gateway calls itself, unless the route's `setHeaders` says otherwise. */
export const USER_AGENT: readonly [string, string] = ["user-agent", "sallyport"];

/** Answer headers that come back as they are. */
const RESPONSE_HEADERS: readonly string[] = ["content-type", "mcp-protocol-version", "retry-after"];

/** The headers of the request that go upstream, as pairs, which `fetch` takes fastest. */
export function requestHeaders(
  headers: Headers,
  { modern }: { readonly modern: boolean },
): [string, string][] {
  const listed: [string, string][] = [["accept-encoding", "identity"]];
  for (const name of REQUEST_HEADERS) pushListed(listed, headers, name);
  if (modern) {
    for (const name of MODERN_HEADERS) pushListed(listed, headers, name);
    for (const pair of headers) if (pair[0].startsWith("mcp-param-")) listed.push(pair);
  }
  return listed;
}

function pushListed(listed: [string, string][], headers: Headers, name: string): void {
  const value = headers.get(name);
  if (value !== null) listed.push([name, value]);
}

/** The headers of the upstream's answer that go to the client. */
export function responseHeaders(headers: Headers): [string, string][] {
  const listed: [string, string][] = [["cache-control", "no-store"], ["x-content-type-options", "nosniff"]];
  for (const name of RESPONSE_HEADERS) pushListed(listed, headers, name);
  return listed;
}
