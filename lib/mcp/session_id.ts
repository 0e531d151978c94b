/**
 * Legacy session ids, bound to the user, client and route that opened them. The id that a client sees carries a code over exactly
 * these, so another principal's token with the same id is refused without any state being kept, in every process alike
 * (checklist TR-26; corpus B12 186, B13 208).
 */
import type { KeyRing } from "../crypto/keyring.ts";

const PREFIX = "sp1";
const PREFIX_ELICITS = "sp1u";
const PREFIX_DOES_NOT = "sp1n";
const PREFIXES: readonly string[] = [PREFIX, PREFIX_ELICITS, PREFIX_DOES_NOT];
const PURPOSE = "mcp-session";
/** MCP: visible ASCII. */
const VISIBLE_ASCII = /^[\x21-\x7e]{1,512}$/;

/** Who holds a session. */
export interface SessionHolder {
  readonly userId: string;
  readonly clientId: string;
  readonly operationId: string;
}

/**
 * The id that the client gets for the upstream's id; `null` if the upstream's is not what MCP allows. `elicitsUrls` travels in it: whether the
 * client said at `initialize` that it can be asked to open a URL, `null` if that is not known.
 */
export function bindSessionId(
  keyRing: KeyRing,
  upstreamId: string,
  holder: SessionHolder,
  elicitsUrls: boolean | null = null,
): string | null {
  if (!VISIBLE_ASCII.test(upstreamId)) return null;
  const prefix = elicitsUrls === null ? PREFIX : elicitsUrls ? PREFIX_ELICITS : PREFIX_DOES_NOT;
  const { keyId, value } = keyRing.sign(PURPOSE, message({ prefix, upstreamId }, holder));
  return `${prefix}.${keyId}.${value}.${upstreamId}`;
}

/** The upstream's id, or `null` if the id was not given to this holder. */
export function openSessionId(keyRing: KeyRing, givenId: string, holder: SessionHolder): string | null {
  const [prefix = "", keyId, value, ...rest] = givenId.split(".");
  const upstreamId = rest.join(".");
  if (
    !PREFIXES.includes(prefix) || keyId === undefined || value === undefined ||
    !VISIBLE_ASCII.test(upstreamId)
  ) {
    return null;
  }
  return keyRing.verify(PURPOSE, message({ prefix, upstreamId }, holder), { keyId, value })
    ? upstreamId
    : null;
}

/** What an opened id says of its client: whether it can be asked to open a URL, `null` if that is not known. */
export function sessionElicitsUrls(givenId: string | null): boolean | null {
  const prefix = givenId?.split(".", 1)[0];
  return prefix === PREFIX_ELICITS ? true : prefix === PREFIX_DOES_NOT ? false : null;
}

/** Whether an id that {@linkcode openSessionId} has opened stands for this id of the upstream. */
export function standsFor(openedId: string | null, upstreamId: string): openedId is string {
  return openedId?.split(".").slice(3).join(".") === upstreamId;
}

function message(
  id: { readonly prefix: string; readonly upstreamId: string },
  holder: SessionHolder,
): string {
  return JSON.stringify([id.prefix, holder.userId, holder.clientId, holder.operationId, id.upstreamId]);
}
