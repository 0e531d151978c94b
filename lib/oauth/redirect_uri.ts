/** Which redirect URIs a client may register, and which it may use (RFC 6749 §3.1.2, RFC 8252 §7, RFC 9700 §4.1.3). */
import { hasUriCharacters, MAX_URI_LENGTH, parseHttpUri } from "./http_uri.ts";

/** What the configuration says about redirect URIs. */
export interface RedirectUriPolicy {
  /** Native schemes, lower case, without the colon. */
  schemes: ReadonlySet<string>;
  /** Every origin under which the gateway itself is reached. */
  ownOrigins: readonly string[];
}

// A code must never reach something that runs or reads it locally; no configuration can allow these.
const FORBIDDEN_SCHEMES = new Set([
  "javascript",
  "data",
  "file",
  "blob",
  "vbscript",
  "about",
  "filesystem",
  "view-source",
  "ws",
  "wss",
  "ftp",
]);

// RFC 8252 §7.3 names the two literals; clients use `localhost` as well. The rest of 127.0.0.0/8 has no use here.
const LOOPBACK_HOSTS = new Set(["127.0.0.1", "[::1]", "localhost"]);

const HTTP_LOOPBACK = /^http:\/\/(127\.0\.0\.1|\[::1\]|localhost)(?::(\d{1,5}))?((?:[/?].*)?)$/;

/**
 * Why a client may not register `uri`, as a sentence for the client's developer, or `null` if it may.
 * The raw string is judged, since a parsed one has lost what an attacker wrote.
 */
export function redirectUriFault(uri: string, policy: RedirectUriPolicy): string | null {
  if (uri.length > MAX_URI_LENGTH) return `A redirect URI is at most ${MAX_URI_LENGTH} characters long.`;
  if (!hasUriCharacters(uri)) {
    return "A redirect URI consists of URI characters only: no spaces, controls, backslashes or non-ASCII letters.";
  }
  if (uri.includes("#")) return "A redirect URI has no fragment.";
  if (uri.includes("*")) return "A redirect URI has no wildcard.";
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(uri)?.[1];
  if (scheme === undefined) return "A redirect URI is absolute.";
  if (FORBIDDEN_SCHEMES.has(scheme.toLowerCase())) return "This redirect URI scheme is never allowed.";
  if (scheme === "https" || scheme === "http") return httpFault(uri, policy.ownOrigins);
  if (!policy.schemes.has(scheme)) return "This redirect URI scheme is not on the gateway's list.";
  return nativeFault(uri.slice(scheme.length + 1));
}

function httpFault(uri: string, ownOrigins: readonly string[]): string | null {
  const parsed = parseHttpUri(uri);
  if (parsed === null) {
    return "A redirect URI has a host in its plain form, without user information or shorthands.";
  }
  if (parsed.scheme === "http" && !isLoopbackHost(parsed.hostname)) {
    return "A redirect URI with plain http must be on loopback (127.0.0.1, [::1] or localhost); use https.";
  }
  const place = placeOf(parsed.origin);
  if (ownOrigins.some((origin) => placeOf(origin) === place)) {
    return "A redirect URI does not point at the gateway itself.";
  }
  return null;
}

/** An origin as the network sees it: the three loopback names are one machine, and a trailing dot changes nothing. */
function placeOf(origin: string): string {
  const url = new URL(origin);
  const hostname = url.hostname.replace(/\.$/, "");
  return `${url.protocol}//${isLoopbackHost(hostname) ? "loopback" : hostname}:${url.port}`;
}

function nativeFault(rest: string): string | null {
  const authority = /^\/\/([^/?]*)/.exec(rest)?.[1] ?? "";
  if (authority.includes("@")) return "A redirect URI has no user information.";
  if (/^\/*$/.test(rest)) return "A redirect URI with a native scheme has a host or a path.";
  return null;
}

/**
 * Whether `requested` is the redirect URI that was registered: the same string, or the same http loopback URI with
 * another port (RFC 8252 §7.3), also where the registered one has no port or a fixed one, as real clients do.
 *
 * A port may turn a harmless loopback URI into one of the gateway's own, so an authorization request checks
 * {@linkcode redirectUriFault} of what was requested too.
 */
export function redirectUriMatches(registered: string, requested: string): boolean {
  if (registered === requested) return true;
  const [, host, , rest] = HTTP_LOOPBACK.exec(registered) ?? [];
  const [, requestedHost, port = "80", requestedRest] = HTTP_LOOPBACK.exec(requested) ?? [];
  return host !== undefined && host === requestedHost && rest === requestedRest && Number(port) <= 65535;
}

/** Whether `uri` leads to a program on the user's own machine, which any other program there could pose as. */
export function isLoopbackRedirect(uri: string): boolean {
  const hostname = parseHttpUri(uri)?.hostname;
  return hostname !== undefined && isLoopbackHost(hostname);
}

/** Whether `hostname` (IPv6 in brackets) is one of the three loopback names that redirect URIs may use. */
export function isLoopbackHost(hostname: string): boolean {
  return LOOPBACK_HOSTS.has(hostname);
}

/** What a page shows of a redirect URI: the host (punycode, with a port unless default), or `scheme:` for a native one. */
export function redirectHost(uri: string): string {
  if (!URL.canParse(uri)) return "";
  const { protocol, host } = new URL(uri);
  return protocol === "https:" || protocol === "http:" ? host : protocol;
}
