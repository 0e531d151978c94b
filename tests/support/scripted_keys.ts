/** The keys of a scripted identity provider, and every wrong way to sign a token with them. */
import { Buffer } from "node:buffer";
import { createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import type { JWK } from "jose";

/**
 * How a token is signed.
 *
 * - `none`: `alg: none`, no signature
 * - `hmac-public-key`: HS256 with the public key's PEM as secret
 * - `hmac-client-secret`: HS256 with the client secret of the scripted provider
 * - `other-key`: a key that is not the provider's, under the key id of the provider's
 * - `unknown-key`: a key that is not the provider's, under its own id
 * - `embedded-key`: a key that is not the provider's, offered in the header (`jwk`)
 * - `broken`: one byte of the signature changed
 * - `stripped`: the right header, but no signature
 */
export type SignatureScript =
  | "sound"
  | "none"
  | "hmac-public-key"
  | "hmac-client-secret"
  | "other-key"
  | "unknown-key"
  | "embedded-key"
  | "broken"
  | "stripped";

/**
 * What the key set holds.
 *
 * - `empty`: no keys
 * - `without-kid`: the right key without its id
 * - `symmetric`: a secret key under the right id
 * - `private`: the right key with its private part
 * - `other`: another key under the right id
 * - `many`: the right key after 10,000 others
 * - a list: these
 */
export type KeyScript =
  | "sound"
  | "empty"
  | "without-kid"
  | "symmetric"
  | "private"
  | "other"
  | "many"
  | readonly JWK[];

interface Pair {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly privateJwk: JWK;
  readonly publicJwk: JWK;
}

/** One current signing key, and a stranger's. */
export class ProviderKeys {
  readonly alg: "ES256" | "RS256";
  #current: Pair;
  readonly #stranger: Pair;

  constructor(alg: "ES256" | "RS256") {
    this.alg = alg;
    this.#current = newPair(alg);
    this.#stranger = newPair(alg);
  }

  rotate(): void {
    this.#current = newPair(this.alg);
  }

  /** The key set. */
  published(script: KeyScript): { readonly keys: readonly JWK[] } {
    const { kid, publicJwk, privateJwk } = this.#current;
    const other = { ...this.#stranger.publicJwk, kid };
    const { kid: _, ...withoutKid } = publicJwk;
    if (typeof script !== "string") return { keys: script };
    return {
      keys: {
        "sound": () => [publicJwk],
        "empty": () => [],
        "without-kid": () => [withoutKid],
        "symmetric": () => [{ kty: "oct", k: "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0", kid, alg: "HS256" }],
        "private": () => [privateJwk],
        "other": () => [other],
        "many": () =>
          [...Array(10_000).keys()].map((n): JWK => ({ ...other, kid: `${n}` })).concat(publicJwk),
      }[script](),
    };
  }

  /** A compact JWS over the claims. */
  sign(
    claims: Readonly<Record<string, unknown>>,
    how: { readonly header?: Readonly<Record<string, unknown>>; readonly signature?: SignatureScript },
  ): string {
    const { kid, publicKey } = this.#current;
    const signature = how.signature ?? "sound";
    const header = (right: Record<string, unknown>) => encode({ typ: "JWT", ...right, ...how.header });
    const body = encode(claims);
    if (signature === "none") return `${header({ alg: "none" })}.${body}.`;
    if (signature === "hmac-public-key" || signature === "hmac-client-secret") {
      const secret = signature === "hmac-public-key"
        ? publicKey.export({ type: "spki", format: "pem" })
        : CLIENT_SECRET;
      const signed = `${header({ alg: "HS256", kid })}.${body}`;
      return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
    }
    const foreign = ["other-key", "unknown-key", "embedded-key"].includes(signature);
    const key = foreign ? this.#stranger : this.#current;
    const named = signature === "other-key" ? kid : key.kid;
    const embedded = signature === "embedded-key" ? { jwk: key.publicJwk } : {};
    const signed = `${header({ alg: this.alg, kid: named, ...embedded })}.${body}`;
    // Not by a library: none would sign some of the headers that tests ask for.
    const bytes = sign("sha256", Buffer.from(signed), { key: key.privateKey, dsaEncoding: "ieee-p1363" });
    if (signature === "broken") bytes[10] = 255 - (bytes[10] ?? 0);
    return `${signed}.${signature === "stripped" ? "" : bytes.toString("base64url")}`;
  }
}

/** The client secret of the scripted provider. */
export const CLIENT_SECRET = "scripted-secret-0123456789abcdef";

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function newPair(alg: "ES256" | "RS256"): Pair {
  const { privateKey, publicKey } = alg === "RS256"
    ? generateKeyPairSync("rsa", { modulusLength: 2048 })
    : generateKeyPairSync("ec", { namedCurve: "P-256" });
  const kid = crypto.randomUUID();
  const described = { kid, alg, use: "sig" };
  // Node's type for an exported key is as open as JWK, but without its `kty`.
  const jwk = (key: KeyObject) => ({ ...key.export({ format: "jwk" }), ...described }) as JWK;
  return { kid, privateKey, publicKey, privateJwk: jwk(privateKey), publicJwk: jwk(publicKey) };
}
