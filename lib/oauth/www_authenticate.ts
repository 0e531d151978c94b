/** The Bearer challenge (RFC 6750 §3, RFC 9728 §5.1). */

/** What a challenge tells the client. */
export interface BearerChallenge {
  /** URL of the route's protected resource metadata. */
  resourceMetadata: string;
  /** All scopes that the request needs, separated by spaces. */
  scope?: string;
  /** Only if a token was sent (RFC 6750 §3.1). */
  error?: "invalid_token" | "insufficient_scope" | "invalid_request";
  /** For the client's developer. */
  description?: string;
}

/**
 * The value of a `WWW-Authenticate` header: one line, `Bearer` first, every parameter quoted. Clients look for
 * `name=` anywhere in it and take the first, so the free text comes last and loses its equals signs.
 */
export function bearerChallenge(challenge: BearerChallenge): string {
  const { resourceMetadata, scope, error, description } = challenge;
  const parameters = [
    quoted("resource_metadata", resourceMetadata),
    scope === undefined ? null : quoted("scope", scope),
    error === undefined ? null : quoted("error", error),
    description === undefined ? null : quoted("error_description", description.replaceAll("=", ":")),
  ];
  return `Bearer ${parameters.filter((parameter) => parameter !== null).join(", ")}`;
}

/**
 * The one encoder of challenge parameters. RFC 6750 §3 allows printable ASCII without `"` and `\` in all of them;
 * what is outside is dropped rather than escaped, since clients' parsers do not know escapes.
 */
function quoted(name: string, value: string): string {
  return `${name}="${value.replace(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, "")}"`;
}
