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

/** The parts of a request that may name a host. */
export interface HostEvidence {
  /** The `Host` header, exactly as sent. */
  readonly host: string | null;
  /** The host of the request target, which a client may send in absolute form. */
  readonly targetHost: string;
  readonly forwardedHost: string | null;
  readonly forwardedProto: string | null;
}

/** Which hosts are answered, and as what. */
export interface HostRules {
  readonly publicUrl: PublicUrlSetting;
  readonly allowedHosts: ReadonlySet<string>;
  /** How many proxies in front are believed; their entries are counted from the right. */
  readonly trustedProxies: number;
}

const HOST = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?$/;

/** Our origin for this request, or `null` if it asks for a host that is not ours (421 Misdirected Request). */
export function resolveOrigin(rules: HostRules, evidence: HostEvidence): string | null {
  const own = evidence.host?.toLowerCase() ?? "";
  if (!HOST.test(own) || evidence.targetHost.toLowerCase() !== own) return null;
  const forwarded = rules.trustedProxies > 0
    ? fromRight(evidence.forwardedHost, rules.trustedProxies)?.toLowerCase()
    : undefined;
  if (forwarded !== undefined && !HOST.test(forwarded)) return null;
  const proto = rules.trustedProxies > 0
    ? fromRight(evidence.forwardedProto, rules.trustedProxies)?.toLowerCase()
    : undefined;
  return originOf(rules, forwarded ?? own, proto);
}

/** The entry that the outermost trusted proxy added to a comma-separated forwarding header, if there are that many. */
export function fromRight(header: string | null, hops: number): string | undefined {
  return header?.split(",").at(-hops)?.trim();
}

function originOf(rules: HostRules, host: string, proto: string | undefined): string | null {
  const { publicUrl, allowedHosts } = rules;
  switch (publicUrl.kind) {
    case "origin":
      return host === hostOf(publicUrl.origin) || allowedHosts.has(host) ? publicUrl.origin : null;
    case "hosts":
      if (publicUrl.patterns.some((pattern) => hostMatches(pattern, host))) {
        return `https://${dropDefaultPort(host, "443")}`;
      }
      // An internal name is answered, but never appears in a URL: the first literal pattern speaks for us.
      return allowedHosts.has(host) ? firstLiteral(publicUrl.patterns) : null;
    case "loopback":
      if (!isLoopbackHostname(HOST.exec(host)?.[1] ?? "")) return null;
      return proto === "https"
        ? `https://${dropDefaultPort(host, "443")}`
        : `http://${dropDefaultPort(host, "80")}`;
  }
}

/** The host of an origin, which has neither path nor user information. */
function hostOf(origin: string): string {
  return origin.slice(origin.indexOf("://") + 3);
}

function hostMatches(pattern: string, host: string): boolean {
  return pattern.startsWith("*.")
    ? host.endsWith(pattern.slice(1)) && host.length > pattern.length - 1
    : host === pattern;
}

function firstLiteral(patterns: readonly string[]): string | null {
  const literal = patterns.find((pattern) => !pattern.startsWith("*."));
  return literal === undefined ? null : `https://${literal}`;
}

function dropDefaultPort(host: string, port: string): string {
  return host.endsWith(`:${port}`) ? host.slice(0, -port.length - 1) : host;
}
