/** What a request brings and what it can take (RFC 9110 §8.3, §12.5.1), as MCP uses it. */

/** Whether a `Content-Type` is JSON in UTF-8. */
export function isJson(contentType: string | null): boolean {
  if (contentType === "application/json") return true;
  const [type, ...parameters] = (contentType ?? "").toLowerCase().split(";").map((part) => part.trim());
  const charset = parameters.find((parameter) => parameter.startsWith("charset="))?.slice("charset=".length);
  return type === "application/json" && (charset === undefined || charset.replaceAll('"', "") === "utf-8");
}

/** What MCP asks of a client that posts, letter by letter as the SDKs send it. */
const USUAL = "application/json, text/event-stream";

/** Whether an `Accept` lists all that is wanted. Lenient where clients are: a missing header and wildcards count as everything. */
export function accepts(
  accept: string | null,
  wanted: readonly ("application/json" | "text/event-stream")[],
): boolean {
  if (accept === null || accept === USUAL || accept.includes("*/*")) return true;
  const listed = accept.toLowerCase();
  return wanted.every((type) => listed.includes(type) || listed.includes(`${type.split("/", 1)[0]}/*`));
}
