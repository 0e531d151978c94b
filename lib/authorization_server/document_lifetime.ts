/** How long a fetched client document counts as current: by its HTTP caching headers (RFC 9111 §5.2), within our own bounds. */

const SHORTEST_MS = 5 * 60_000;
const LONGEST_MS = 24 * 3_600_000;
const DEFAULT_MS = 3_600_000;

/** Milliseconds, between 5 minutes and 24 hours: a client can neither make us ask at every request nor never again. */
export function documentLifetime(headers: Headers): number {
  const directives = (headers.get("cache-control") ?? "").toLowerCase().split(",").map((directive) =>
    directive.trim()
  );
  if (directives.some((directive) => directive === "no-store" || directive === "no-cache")) {
    return SHORTEST_MS;
  }
  const maxAge = directives.map((directive) => /^max-age="?(\d{1,15})"?$/.exec(directive)?.[1]).find(Boolean);
  if (maxAge === undefined) return DEFAULT_MS;
  return Math.min(Math.max(Number(maxAge) * 1000, SHORTEST_MS), LONGEST_MS);
}
