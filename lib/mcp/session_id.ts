/**
 * Legacy session ids, bound to the user, client and route that opened them. The id that a client sees carries a code over exactly
 * these, so another principal's token with the same id is refused without any state being kept, in every process alike
 * (checklist TR-26; corpus B12 186, B13 208).
 */
import type { KeyRing } from "../crypto/keyring.ts";

const PREFIX = "sp1";
const PURPOSE = "mcp-session";
/** MCP: visible ASCII. */
const VISIBLE_ASCII = /^[\x21-\x7e]{1,512}$/;

/** Who holds a session. */
export interface SessionHolder {
  readonly userId: string;
  readonly clientId: string;
  readonly operationId: string;
}

/** The id that the client gets for the upstream's id; `null` if the upstream's is not what MCP allows. */
export function bindSessionId(keyRing: KeyRing, upstreamId: string, holder: SessionHolder): string | null {
  if (!VISIBLE_ASCII.test(upstreamId)) return null;
  const { keyId, value } = keyRing.sign(PURPOSE, message(upstreamId, holder));
  return `${PREFIX}.${keyId}.${value}.${upstreamId}`;
}

/** The upstream's id, or `null` if the id was not given to this holder. */
export function openSessionId(keyRing: KeyRing, givenId: string, holder: SessionHolder): string | null {
  const [prefix, keyId, value, ...rest] = givenId.split(".");
  const upstreamId = rest.join(".");
  if (prefix !== PREFIX || keyId === undefined || value === undefined || !VISIBLE_ASCII.test(upstreamId)) {
    return null;
  }
  return keyRing.verify(PURPOSE, message(upstreamId, holder), { keyId, value }) ? upstreamId : null;
}

function message(upstreamId: string, holder: SessionHolder): string {
  return JSON.stringify([holder.userId, holder.clientId, holder.operationId, upstreamId]);
}
