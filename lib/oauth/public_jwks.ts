/** A client's JSON Web Key Set: public keys only (RFC 7517, RFC 7518 §6). */

const MAX_KEYS = 20;

// RFC 7518 §6.2.2 and §6.3.2 (private members), §6.4 (a symmetric key is secret altogether).
const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "k", "oth"];

/** A copy of the key set, or what is wrong with it as a phrase for the client's developer. */
export function publicJwks(value: unknown): { keys: Record<string, unknown>[] } | string {
  const keys = isObject(value) && Object.hasOwn(value, "keys") ? value.keys : undefined;
  if (!Array.isArray(keys) || keys.length === 0 || keys.length > MAX_KEYS) {
    return `a JSON Web Key Set with 1 to ${MAX_KEYS} keys`;
  }
  const copies: Record<string, unknown>[] = [];
  for (const key of keys) {
    if (!isObject(key) || typeof key.kty !== "string") return "each key is an object with a kty";
    if (key.kty === "oct" || PRIVATE_MEMBERS.some((member) => Object.hasOwn(key, member))) {
      return "public keys only; a private or symmetric key was sent and must be considered lost";
    }
    copies.push({ ...key });
  }
  return { keys: copies };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
