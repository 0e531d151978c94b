/** The cookies of one browser profile (RFC 6265bis), by host: ports share them, as in real browsers. */

interface Cookie {
  readonly value: string;
  readonly path: string;
  readonly secure: boolean;
  readonly sameSite: "strict" | "lax" | "none";
  readonly expiresAt: number;
}

/** What decides which cookies travel with a request. */
export interface CookieContext {
  /** The page that made the browser send it; null if the user typed the address. */
  readonly initiator: URL | null;
  readonly method: string;
}

/** A cookie jar; host-only cookies, which are all that the gateway sets. */
export class CookieJar {
  readonly #hosts = new Map<string, Map<string, Cookie>>();

  /** Takes in the `Set-Cookie` headers of a response from `url`. */
  store(url: URL, headers: Headers): void {
    for (const header of headers.getSetCookie()) this.#set(url, header);
  }

  /** The `Cookie` header for a request to `url`, or null. */
  header(url: URL, context: CookieContext = { initiator: null, method: "GET" }): string | null {
    const sent = [...this.#hosts.get(url.hostname) ?? []].filter(([, cookie]) =>
      cookie.expiresAt > Date.now() && matchesPath(url.pathname, cookie.path) &&
      (!cookie.secure || isTrustworthy(url)) && allows(cookie, { ...context, url })
    );
    return sent.length === 0 ? null : sent.map(([name, cookie]) => `${name}=${cookie.value}`).join("; ");
  }

  /** The value of one cookie that a request to `url` would carry. */
  get(url: URL, name: string): string | undefined {
    return this.#hosts.get(url.hostname)?.get(name)?.value;
  }

  /** Forgets everything. */
  clear(): void {
    this.#hosts.clear();
  }

  #set(url: URL, header: string): void {
    const [pair = "", ...rest] = header.split(";");
    const [name, value] = cut(pair);
    const attributes = new Map(rest.map((part) => {
      const [key, word] = cut(part);
      return [key.toLowerCase(), word];
    }));
    const host = name.startsWith("__Host-");
    const path = attributes.get("path") ?? defaultPath(url.pathname);
    if (host && (url.protocol !== "https:" || !attributes.has("secure") || path !== "/")) return;
    const cookies = this.#hosts.get(url.hostname) ?? new Map<string, Cookie>();
    this.#hosts.set(url.hostname, cookies);
    const sameSite = attributes.get("samesite")?.toLowerCase();
    cookies.set(name, {
      value,
      path,
      secure: attributes.has("secure"),
      sameSite: sameSite === "strict" || sameSite === "none" ? sameSite : "lax",
      expiresAt: expiry(attributes),
    });
  }
}

function cut(text: string): [string, string] {
  const at = text.indexOf("=");
  return at < 0 ? [text.trim(), ""] : [text.slice(0, at).trim(), text.slice(at + 1).trim()];
}

function expiry(attributes: ReadonlyMap<string, string>): number {
  const maxAge = attributes.get("max-age");
  if (maxAge !== undefined) return Date.now() + Number(maxAge) * 1000;
  const expires = attributes.get("expires");
  return expires === undefined ? Infinity : Date.parse(expires);
}

function defaultPath(pathname: string): string {
  return pathname.slice(0, Math.max(1, pathname.lastIndexOf("/")));
}

function matchesPath(pathname: string, path: string): boolean {
  return pathname === path || pathname.startsWith(path.endsWith("/") ? path : `${path}/`);
}

/** Chromium sends `Secure` cookies to loopback over plain http too. */
function isTrustworthy(url: URL): boolean {
  return url.protocol === "https:" || ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
}

/** Measured with Chromium 156: what counts is who started the navigation, not the redirects in between. */
function allows(cookie: Cookie, { url, initiator, method }: CookieContext & { url: URL }): boolean {
  if (initiator === null || isSameSite(initiator, url)) return true;
  return cookie.sameSite === "none" || cookie.sameSite === "lax" && (method === "GET" || method === "HEAD");
}

/** Whether two URLs are of one site. Registrable domains are not looked up: tests use loopback names. */
export function isSameSite(one: URL, other: URL): boolean {
  return one.protocol === other.protocol && one.hostname === other.hostname;
}
