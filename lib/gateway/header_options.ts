/** Headers that a configuration may send to an upstream: legal, and not the business of the transport. */
import { printable } from "./config_error.ts";

// RFC 9110 §7.6.1 and what older proxies still honour: they belong to one connection.
const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
]);

// What the message itself or the protocol decides anew for each request.
const PER_REQUEST = new Set([
  "host",
  "content-length",
  "content-type",
  "content-encoding",
  "accept",
  "accept-encoding",
  "accept-language",
  "expect",
  "last-event-id",
  "traceparent",
  "tracestate",
]);

/** What is wrong with a header's name, or nothing. */
export function headerNameProblem(name: string): string | undefined {
  // RFC 9110 §5.6.2: token
  if (!/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(name)) return `${printable(name)} is no header name`;
  const lower = name.toLowerCase();
  if (HOP_BY_HOP.has(lower)) return `"${name}" belongs to a single connection and is never sent on`;
  if (PER_REQUEST.has(lower) || lower.startsWith("mcp-")) return `"${name}" is decided by each request`;
  return undefined;
}

/** What is wrong with a header's value, or nothing; the value is not repeated, since it may be a credential. */
export function headerValueProblem(value: string): string | undefined {
  if (/[\r\n]/.test(value)) return "The value has a line break";
  // RFC 9110 §5.5 allows more, but other octets are read differently by different servers.
  return /^[\x20-\x7e\t]+$/.test(value) ? undefined : "The value has characters that a header cannot carry";
}
