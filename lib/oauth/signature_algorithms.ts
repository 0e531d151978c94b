/** Signatures that count on a token of an identity provider (RFC 7518 §3.1, RFC 8037). */

/** Every standard asymmetric one; never `none`, never a shared secret. */
export const ASYMMETRIC_ALGORITHMS: readonly string[] = Object.freeze([
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
]);
