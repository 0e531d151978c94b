/** Where the demo sends people back to. */

const loopbackHosts: readonly string[] = ["127.0.0.1", "[::1]", "localhost"];

/** Whether a client may register it: https, or http on this machine. */
export function isRedirectUri(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || url.hash !== "" || url.username !== "") return false;
  return url.protocol === "https:" || url.protocol === "http:" && loopbackHosts.includes(url.hostname);
}

/** Whether the given one is the registered one: exactly, but on loopback a native client may use any port (RFC 8252 §7.3). */
export function isSameRedirect(registered: string, given: string): boolean {
  if (registered === given) return true;
  const [one, other] = [URL.parse(registered), URL.parse(given)];
  if (one === null || other === null || one.protocol !== "http:" || !loopbackHosts.includes(one.hostname)) {
    return false;
  }
  one.port = other.port;
  return one.href === other.href && other.hash === "";
}
