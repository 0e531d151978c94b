/** Who signed in. A person is the pair of issuer and subject, never an e-mail address (OpenID Connect Core §5.7). */
import { hash } from "node:crypto";

/** A verified identity. */
export interface Identity {
  readonly issuer: string;
  readonly subject: string;
  readonly name: string | null;
  readonly email: string | null;
  readonly emailVerified: boolean;
}

/** The user's id within the gateway: a hash of issuer and subject, so that keys and events name nobody. 128 bits, base64url. */
export function userIdOf(identity: Pick<Identity, "issuer" | "subject">): string {
  return hash("sha256", JSON.stringify([identity.issuer, identity.subject]), "base64url").slice(0, 22);
}

/** The issuer that the local login's users belong to. */
export const LOCAL_ISSUER = "urn:sallyport:dev-login";
