/**
 * A strict reading of absolute http(s) URIs (RFC 3986), taken from the raw string: the WHATWG parser repairs what it
 * is given (`https:\\host`, `http://127.1`, `/a/../b`), and a repaired string is not the one a browser was sent.
 */

/** The longest URI accepted anywhere, in characters. */
export const MAX_URI_LENGTH = 2048;

/** An http(s) URI in its parts. Nothing is decoded; only scheme and host are lower-cased. */
export interface HttpUri {
  /** In lower case. */
  readonly scheme: "http" | "https";
  /** Without the port; IPv6 in brackets. */
  readonly hostname: string;
  /** Empty when absent or the scheme's default. */
  readonly port: string;
  /** `scheme://host[:port]`, without a default port. */
  readonly origin: string;
  /** As written: `""` or beginning with `/`. */
  readonly path: string;
  /** As written, beginning with `?`, or `""`. */
  readonly query: string;
  /** As written, beginning with `#`, or `""`. */
  readonly fragment: string;
}

const URI_CHARACTERS = /^[A-Za-z0-9._~:/?#[\]@!$&'()*+,;=%-]+$/;
const BROKEN_ESCAPE = /%(?![0-9A-Fa-f]{2})/;

/** Whether `text` consists of what RFC 3986 allows in a URI: no spaces, controls, backslashes, quotes or non-ASCII. */
export function hasUriCharacters(text: string): boolean {
  return text.length <= MAX_URI_LENGTH && URI_CHARACTERS.test(text) && !BROKEN_ESCAPE.test(text);
}

/**
 * Reads `text` as an absolute http(s) URI, or answers `null`. User information is refused, and so is every host that
 * a browser would read as another one: numeric shorthands of an IP address, percent-encoding, full-width letters.
 */
export function parseHttpUri(text: string): HttpUri | null {
  if (!hasUriCharacters(text)) return null;
  const parts = /^(https?):\/\/([^/?#]+)(\/[^?#]*)?(\?[^#]*)?(#.*)?$/i.exec(text);
  if (parts === null || !URL.canParse(text)) return null;
  const [, scheme = "", authority = "", path = "", query = "", fragment = ""] = parts;
  const url = new URL(text);
  const written = authority.toLowerCase();
  const defaultPort = url.protocol === "https:" ? ":443" : ":80";
  // User information never survives this comparison either, since it is no part of `host`.
  if (written !== url.host && written !== url.host + defaultPort) return null;
  return {
    scheme: scheme.toLowerCase() === "https" ? "https" : "http",
    hostname: url.hostname,
    port: url.port,
    origin: url.origin,
    path,
    query,
    fragment,
  };
}

/** Whether a host name of {@linkcode HttpUri} is an address literal and no name. */
export function isIpLiteral(hostname: string): boolean {
  return hostname.startsWith("[") || /^\d+(?:\.\d+){3}$/.test(hostname);
}
