/** Lists of scopes that an upstream made, cut to what a connection's row has room for. */

/** How much of such a list is kept, in bytes of its JSON: some fifty of the longest scopes that are in use. */
const MAX_BYTES = 6_144;

/** Each scope once, from the front as many as fit: the row of a connection must take the next refresh token, too. */
export function boundedScopes(scopes: readonly string[]): string[] {
  const encoder = new TextEncoder();
  let bytes = 0;
  return [...new Set(scopes)].filter((scope) => {
    bytes += encoder.encode(JSON.stringify(scope)).length + 1;
    return bytes <= MAX_BYTES;
  });
}
