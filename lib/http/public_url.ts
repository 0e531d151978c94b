/** The gateway's own origin: configured, never taken from a request outside a list (corpus B1, rule D12). */

/** Where clients see the gateway. */
export type PublicUrlSetting =
  /** Exactly one origin, such as `https://gateway.example.com`. */
  | { readonly kind: "origin"; readonly origin: string }
  /** Host patterns among which `Host` chooses; `*.` stands for one or more labels. Lower case. */
  | { readonly kind: "hosts"; readonly patterns: readonly string[] }
  /** Nothing configured: any loopback host, over plain http. */
  | { readonly kind: "loopback" };

/** Whether a host name (without port) is one of the three loopback names. IPv6 is given with brackets. */
export function isLoopbackHostname(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}
