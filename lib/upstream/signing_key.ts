/** The gateway's own key pair for `private_key_jwt` towards upstreams: made once, kept sealed, published as a key set (RFC 7517). */
import { exportJWK, generateKeyPair, importJWK, type JWK } from "jose";
import { createIdentifier } from "../crypto/secret_token.ts";
import type { Services } from "../services.ts";
import { takeLease } from "../store/lease.ts";
import { type SigningKeyRecord, signingKeys } from "../store/upstream_schema.ts";

const ALGORITHM = "ES256";
/** Making a key takes milliseconds; whoever dies meanwhile holds the others up no longer than this. */
const LEASE_MS = 3_000;
const WAIT_MS = 20;
const TTL_MS = 10 * 365 * 86_400_000;

/** The private half, as `crypto.subtle` takes it. */
export interface SigningKey {
  readonly keyId: string;
  readonly key: CryptoKey;
  /** With `kid`, `alg` and `use`. */
  readonly publicJwk: Readonly<Record<string, unknown>>;
}

/**
 * Reads the key, or makes it; of several processes that start at once all end up with the same. A row that cannot be read, or has
 * expired, is replaced: upstreams fetch our key set anew when they meet a key that they do not know.
 */
export async function signingKey(
  services: Pick<Services, "store" | "clock" | "random">,
): Promise<SigningKey> {
  for (;;) {
    const known = await services.store.get(signingKeys, "current");
    if (known !== null) return await imported(known.value);
    const lease = await takeLease(services, "make:signing_key", LEASE_MS);
    try {
      if (lease !== null) return await imported(await make(services));
    } finally {
      await lease?.release();
    }
    await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
  }
}

/** Under a lease: whether there is a row says nothing, since it may be of no use. */
async function make(
  { store, clock, random }: Pick<Services, "store" | "clock" | "random">,
): Promise<SigningKeyRecord> {
  const known = await store.get(signingKeys, "current");
  if (known !== null) return known.value;
  const { privateKey, publicKey } = await generateKeyPair(ALGORITHM, { extractable: true });
  const keyId = createIdentifier(random);
  const record = {
    keyId,
    privateJwk: { ...await exportJWK(privateKey) },
    publicJwk: { ...await exportJWK(publicKey), kid: keyId, alg: ALGORITHM, use: "sig" },
    expiresAt: clock.now() + TTL_MS,
  };
  await store.write().set(signingKeys, ["current"], record).commit();
  return record;
}

async function imported(record: SigningKeyRecord): Promise<SigningKey> {
  // We exported this JWK ourselves.
  const key = await importJWK(record.privateJwk as JWK, ALGORITHM);
  if (key instanceof Uint8Array) throw new TypeError("The signing key is not an asymmetric one.");
  return { keyId: record.keyId, key, publicJwk: record.publicJwk };
}
