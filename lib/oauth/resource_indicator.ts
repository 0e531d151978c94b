/** The `resource` parameter: which route a token is for (RFC 8707), compared in one canonical form. */
import { parseHttpUri } from "./http_uri.ts";

/**
 * The canonical form of a resource URI, or `null` if it is none: scheme and host in lower case, no default port, no
 * trailing slash (one is dropped; clients add it). The rest of the path stays byte for byte.
 *
 * A fragment is forbidden by RFC 8707 §2. A query, user information, dot segments and encoded dots, slashes or
 * backslashes are in no resource of ours: refusing them leaves nothing to normalise, so no spelling of one route can be
 * read as another.
 */
export function canonicalResource(value: string): string | null {
  if (value.includes("?") || value.includes("#")) return null;
  const uri = parseHttpUri(value);
  if (uri === null) return null;
  if (/%(?:2e|2f|5c)/i.test(uri.path)) return null;
  if (uri.path.split("/").some((segment) => segment === "." || segment === "..")) return null;
  return uri.origin + uri.path.replace(/\/$/, "");
}

/** Whether `resource` is {@linkcode resourceOf} this route, without making that first: every call of a tool asks. */
export function isResourceOf(
  resource: string,
  { origin, path }: { readonly origin: string; readonly path: string },
): boolean {
  const tail = path.endsWith("/") ? path.slice(0, -1) : path;
  return resource.length === origin.length + tail.length && resource.startsWith(origin) &&
    resource.endsWith(tail);
}

/** The resource URI of the route at `path` (which begins with `/`), in canonical form. `origin` has no trailing slash. */
export function resourceOf(origin: string, path: string): string {
  return origin + path.replace(/\/$/, "");
}
