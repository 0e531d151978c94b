/**
 * The key ring: the first key seals, every key opens, so keys rotate while the gateway runs.
 * Sealing is AES-256-GCM with a random 96-bit nonce. The additional data is the record's full key and the key id, so a
 * sealed value opens in its own row only. One key may seal 2^32 values before a nonce is likely to repeat
 * (NIST SP 800-38D §8.3); rotate long before.
 */
import { Buffer } from "node:buffer";
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import type { Random } from "./secret_token.ts";

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_ID = /^[A-Za-z0-9_-]{1,32}$/;

/** Prints a new key in base64url. */
export const NEW_KEY_COMMAND =
  `deno eval 'console.log(crypto.getRandomValues(new Uint8Array(32)).toBase64({ alphabet: "base64url" }))'`;

/** The text of a key ring is wrong. The message says which entry and how to mend it, and never the key. */
export class KeyRingError extends Error {
  override readonly name = "KeyRingError";
}

/** A message authentication code and the key that made it. */
export interface Mac {
  readonly keyId: string;
  /** base64url. */
  readonly value: string;
}

interface RingKey {
  readonly id: string;
  readonly sealing: Buffer;
  readonly signing: Buffer;
}

/** Seals, opens and signs. Make one with {@linkcode parseKeyRing}. */
export class KeyRing {
  readonly #keys: readonly RingKey[];
  readonly #random: Random;

  /** `keys` are 32 bytes each, the sealing one first. */
  constructor(keys: readonly { id: string; bytes: Uint8Array }[], random: Random) {
    this.#random = random;
    this.#keys = keys.map(({ id, bytes }) => ({
      id,
      sealing: derive(bytes, "sallyport/seal/v1"),
      signing: derive(bytes, "sallyport/mac/v1"),
    }));
  }

  /** The id of the key that seals. */
  get currentKeyId(): string {
    return this.#first.id;
  }

  /** The ids of all keys, the sealing one first. */
  get keyIds(): readonly string[] {
    return this.#keys.map(({ id }) => id);
  }

  get #first(): RingKey {
    const [first] = this.#keys;
    if (first === undefined) throw new KeyRingError("The key ring is empty.");
    return first;
  }

  /** Encrypts `plaintext` for the place that `context` names. */
  seal(plaintext: Uint8Array, context: string): Uint8Array {
    const key = this.#first;
    const id = Buffer.from(key.id);
    const box = encrypt(key.sealing, plaintext, `${key.id}\0${context}`, this.#random);
    return Buffer.concat([Uint8Array.of(id.length), id, box]);
  }

  /** Decrypts what {@linkcode KeyRing.seal} made for the same `context`; `null` if it was altered, moved, or its key is gone. */
  open(sealed: Uint8Array, context: string): Uint8Array | null {
    const key = this.#keyOf(sealed);
    if (key === undefined) return null;
    return decrypt(key.sealing, sealed.subarray(1 + key.id.length), `${key.id}\0${context}`);
  }

  /** The id of the key that a value says it was sealed with, in this ring or not; `null` if it is no sealed value. */
  sealedWith(sealed: Uint8Array): string | null {
    const length = sealed[0];
    if (length === undefined || sealed.length < 1 + length) return null;
    const id = Buffer.from(sealed.subarray(1, 1 + length)).toString("latin1");
    return KEY_ID.test(id) ? id : null;
  }

  /** Authenticates `data` for one purpose with the first key. */
  sign(purpose: string, data: string): Mac {
    const key = this.#first;
    return { keyId: key.id, value: mac(key, purpose, data).toString("base64url") };
  }

  /** Whether `given` was made by {@linkcode KeyRing.sign} for the same purpose and data with a key of this ring. */
  verify(purpose: string, data: string, given: Mac): boolean {
    const key = this.#keys.find((candidate) => candidate.id === given.keyId);
    if (key === undefined) return false;
    const expected = mac(key, purpose, data);
    const value = Buffer.from(given.value, "base64url");
    return value.length === expected.length && timingSafeEqual(value, expected);
  }

  #keyOf(sealed: Uint8Array): RingKey | undefined {
    const id = this.sealedWith(sealed);
    return this.#keys.find((key) => key.id === id);
  }
}

/**
 * Reads `kid:base64url(32 bytes)` entries separated by commas.
 * @throws {KeyRingError} for an entry of another form, a key of another length, a repeated id or key, or a key that is no random one.
 */
export function parseKeyRing(text: string, random: Random): KeyRing {
  const keys = text.split(",").map((entry, index) => parseKey(entry.trim(), index));
  for (const [index, key] of keys.entries()) {
    const earlier = keys.slice(0, index);
    if (earlier.some((other) => other.id === key.id)) {
      throw new KeyRingError(
        `Key ${index + 1} repeats the id "${key.id}"; every key needs an id of its own`,
      );
    }
    if (earlier.some((other) => Buffer.from(other.bytes).equals(key.bytes))) {
      throw new KeyRingError(
        `Key "${key.id}" repeats an earlier key`,
      );
    }
  }
  return new KeyRing(keys, random);
}

/** One new entry in the form that {@linkcode parseKeyRing} reads. */
export function createKeyRingEntry(id: string, random: Random): string {
  return `${id}:${Buffer.from(random(KEY_BYTES)).toString("base64url")}`;
}

/** Encrypts under a key derived from a token that the store does not have, for the place that `context` names. */
export function sealUnderToken(
  token: string,
  plaintext: Uint8Array,
  context: string,
  random: Random,
): Uint8Array {
  return encrypt(derive(Buffer.from(token), "sallyport/token-seal/v1"), plaintext, context, random);
}

/** Decrypts what {@linkcode sealUnderToken} made with the same token and context; `null` otherwise. */
export function openUnderToken(token: string, sealed: Uint8Array, context: string): Uint8Array | null {
  return decrypt(derive(Buffer.from(token), "sallyport/token-seal/v1"), sealed, context);
}

function parseKey(entry: string, index: number): { id: string; bytes: Buffer } {
  const colon = entry.indexOf(":");
  const id = entry.slice(0, Math.max(colon, 0));
  const encoded = entry.slice(colon + 1).replace(/=+$/, "");
  const where = `Key ${index + 1} of the key ring`;
  if (colon < 1 || !KEY_ID.test(id)) {
    throw new KeyRingError(
      `${where} is not of the form kid:base64url(32 bytes); a kid has 1 to 32 of A-Z a-z 0-9 _ -`,
    );
  }
  const bytes = Buffer.from(encoded, "base64url");
  if (!/^[A-Za-z0-9_-]+$/.test(encoded) || bytes.length !== KEY_BYTES) {
    throw new KeyRingError(
      `${where} ("${id}") has ${bytes.length} bytes, 32 are needed, in base64url`,
    );
  }
  if (looksMadeUp(bytes)) {
    throw new KeyRingError(
      `${where} ("${id}") is not random`,
    );
  }
  return { id, bytes };
}

/**
 * Whether this is a sample or a passphrase rather than 32 random bytes: few different values, printable text, or a row of numbers. Random
 * bytes look like that with a probability below 2^-45.
 */
function looksMadeUp(bytes: Buffer): boolean {
  const steps = new Set(bytes.subarray(1).map((byte, index) => byte - (bytes[index] ?? 0)));
  return new Set(bytes).size <= 16 || steps.size === 1 ||
    bytes.every((byte) => byte >= 0x20 && byte <= 0x7e);
}

function derive(secret: Uint8Array, purpose: string): Buffer {
  return Buffer.from(hkdfSync("sha256", secret, new Uint8Array(0), purpose, KEY_BYTES));
}

function mac(key: RingKey, purpose: string, data: string): Buffer {
  return createHmac("sha256", key.signing).update(`${purpose}\0${data}`).digest().subarray(0, 16);
}

function encrypt(key: Buffer, plaintext: Uint8Array, context: string, random: Random): Uint8Array {
  const nonce = random(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  cipher.setAAD(Buffer.from(context));
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(key: Buffer, box: Uint8Array, context: string): Uint8Array | null {
  if (box.length < NONCE_BYTES + TAG_BYTES) return null;
  const decipher = createDecipheriv("aes-256-gcm", key, box.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(Buffer.from(context));
  decipher.setAuthTag(box.subarray(box.length - TAG_BYTES));
  try {
    return Buffer.concat([
      decipher.update(box.subarray(NONCE_BYTES, box.length - TAG_BYTES)),
      decipher.final(),
    ]);
  } catch {
    return null;
  }
}
