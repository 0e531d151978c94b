/** The URL that a request goes to: the configured one, and of the client's query what the configuration does not say already. */

/**
 * `search` is the request's, with its question mark, or empty; it stays as it was written. A parameter that the configured URL has is
 * the operator's: a client cannot name another tenant behind it (corpus B13 194).
 */
export function targetUrl(configured: string, search: string): string {
  if (search === "") return configured;
  const query = configured.indexOf("?");
  if (query === -1) return configured + search;
  const taken = new Set(configured.slice(query + 1).split("&").map(nameOf));
  // Some servers take a semicolon for an ampersand.
  const isTaken = (parameter: string) => parameter.split(";").some((each) => taken.has(nameOf(each)));
  const added = search.slice(1).split("&").filter((parameter) => !isTaken(parameter));
  return [configured, ...added].join("&");
}

/** The name of a parameter as servers read it: decoded, by some of them in any case, and by PHP and others up to a bracket (`a[]=1`). */
function nameOf(parameter: string): string {
  const [[name = ""] = []] = new URLSearchParams(parameter);
  return name.trim().replace(/(?!^)\[.*$/s, "").replaceAll(/[ .]/g, "_").toLowerCase();
}
