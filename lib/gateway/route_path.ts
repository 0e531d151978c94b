/** Paths of routes: literal, and never one that the gateway itself answers (contract section 3). */
import { ALIASES, PATHS } from "../oauth/paths.ts";
import { printable } from "./config_error.ts";

/** What is wrong with a path as a literal one, or nothing. */
export function literalPathProblem(path: string): string | undefined {
  const shown = printable(path);
  if (!path.startsWith("/")) return `${shown} does not begin with "/"`;
  if (path === "/") return 'The path is "/", which is the gateway\'s own landing page';
  if (path.includes("//")) return `${shown} has an empty segment ("//")`;
  if (path.endsWith("/")) return `${shown} ends with "/"`;
  const segments = path.slice(1).split("/");
  if (segments.some((segment) => segment === "." || segment === "..")) return `${shown} has a dot segment`;
  // RFC 3986 §3.3 without what a router reads as a pattern (* : { }) and what has a second spelling (%).
  const odd = /[^A-Za-z0-9._~!$&'()+,;=@/-]/u.exec(path)?.[0];
  if (odd !== undefined) return `${shown} is not literal: it contains ${JSON.stringify(odd)}`;
  if (segments.includes(".well-known")) {
    return `${shown} has a segment ".well-known", which belongs to metadata`;
  }
  return undefined;
}

/** Where the gateway answers itself. */
export interface InternalPlaces {
  readonly basePath: string;
  /** Without the base path; `null` when there is no registry. */
  readonly registryPath: string | null;
}

/**
 * The internal path that a route's path collides with, or nothing. Whole subtrees are kept free, so that a later
 * version may add endpoints beside today's without breaking a configuration.
 */
export function internalPathAt(path: string, { basePath, registryPath }: InternalPlaces): string | undefined {
  const own = Object.values(PATHS).filter((internal) => internal !== PATHS.landing);
  // The first segment of each: /oauth, /auth, /account, …
  const areas = new Set(own.map((internal) => `${basePath}/${internal.split("/")[1]}`));
  if (registryPath !== null) areas.add(basePath + registryPath);
  for (const fixed of ["/.well-known", "/favicon.ico", "/healthz", "/readyz", ...Object.values(ALIASES)]) {
    areas.add(fixed);
  }
  if (path === basePath) return `${basePath}/`;
  return [...areas].find((area) => path === area || path.startsWith(`${area}/`));
}
