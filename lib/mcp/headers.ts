/** Which headers cross the gateway. Everything not listed here stays on its side, in both directions. */

/** Request headers that go upstream as they came. The session id is translated elsewhere. */
const REQUEST_HEADERS: readonly string[] = [
  "accept",
  "accept-language",
  "mcp-protocol-version",
  "traceparent",
  "tracestate",
];

/** The headers that repeat a 2026-07-28 body. Beside an older body nothing has checked them, and they must not steer anybody (TR-23). */
const MODERN_HEADERS: readonly string[] = ["mcp-method", "mcp-name"];

/** Answer headers that come back as they are. */
const RESPONSE_HEADERS: readonly string[] = ["content-type", "mcp-protocol-version", "retry-after"];

/**
 * Headers by their name in lower case, as `fetch` and `Response` take them with the least work: pairs make Deno 2.9 allocate 2.8 KB more
 * for each request and 1.6 KB more for each answer.
 */
export type HeaderRecord = Record<string, string>;

/** What the gateway calls itself, unless the route's `setHeaders` says otherwise. */
export const USER_AGENT: Readonly<HeaderRecord> = { "user-agent": "sallyport" };

/** The headers of the request that go upstream; `message` is what its body says, `null` if it has none. */
export function requestHeaders(
  headers: Headers,
  message: { readonly modern: unknown } | null,
): HeaderRecord {
  const listed: HeaderRecord = { "accept-encoding": "identity" };
  // In our words: of two charsets, or of one behind a quote, a server might take the other, and read another message (UTF-7).
  if (message !== null) listed["content-type"] = "application/json";
  for (const name of REQUEST_HEADERS) addListed(listed, headers, name);
  if (message !== null && message.modern !== null) {
    for (const name of MODERN_HEADERS) addListed(listed, headers, name);
    for (const [name, value] of headers) if (name.startsWith("mcp-param-")) listed[name] = value;
  }
  return listed;
}

function addListed(listed: HeaderRecord, headers: Headers, name: string): void {
  const value = headers.get(name);
  if (value !== null) listed[name] = value;
}

/** The headers of the upstream's answer that go to the client. */
export function responseHeaders(headers: Headers): HeaderRecord {
  const listed: HeaderRecord = { "cache-control": "no-store", "x-content-type-options": "nosniff" };
  for (const name of RESPONSE_HEADERS) addListed(listed, headers, name);
  return listed;
}
