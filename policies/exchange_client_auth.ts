/** How the gateway authenticates at the token endpoints of an ID-JAG exchange: the `clientAuth` options (RFC 6749 §2.3.1, RFC 7523 §2.2). */
import { createPrivateKey, type KeyObject } from "node:crypto";
import { z } from "zod";
import type { ConfigPath } from "../lib/gateway/config_error.ts";
import type { CompileContext } from "../lib/gateway/definition.ts";
import type { ExchangeClientAuth } from "../lib/upstream/connection_settings.ts";
import {
  type BrokenRule,
  choice,
  integer,
  option,
  secret,
  type Text,
  text,
  textProblem,
  withRules,
} from "../lib/gateway/options.ts";
import { Secret } from "../lib/runtime/secret.ts";

/** The JWS algorithms of client assertions that the gateway signs. */
export const ASSERTION_ALGORITHMS = ["RS256", "PS256", "ES256", "ES384", "EdDSA"] as const;

/** What is wrong with a client id or a client secret, or nothing (RFC 6749 Appendix A: VSCHAR). */
export function vscharProblem(value: string): string | undefined {
  return /^[\x20-\x7e]+$/.test(value) ? undefined : "It has characters other than printable ASCII";
}

/** A private key in PEM. Its line breaks may be written as `\n`, as environment files often have them. */
function privateKeyPem(): z.ZodType<Secret, Text> {
  return option<Text, Secret>({ expected: "a private key in PEM, in PKCS#8" }, (value, refuse) => {
    const pem = typeof value === "string" ? value.replaceAll("\\n", "\n").trim() : value;
    const problem = textProblem(pem) ?? pemProblem(String(pem));
    if (problem !== undefined) refuse(problem, { mend: `Give ${PKCS8_ADVICE}` });
    return new Secret(String(pem));
  });
}

const PKCS8_ADVICE =
  'a private key in PEM that begins with "-----BEGIN PRIVATE KEY-----"; openssl pkcs8 -topk8 -nocrypt makes one of other forms';

function pemProblem(pem: string): string | undefined {
  if (/^-----BEGIN PRIVATE KEY-----\n[^-]+\n-----END PRIVATE KEY-----$/.test(pem.replaceAll("\r\n", "\n"))) {
    return undefined;
  }
  const [, label] =
    /^-----BEGIN ((?:RSA |EC |ENCRYPTED |)(?:PRIVATE|PUBLIC) KEY|CERTIFICATE)-----/.exec(pem) ??
      [];
  return label === undefined || label === "PRIVATE KEY"
    ? "This is no private key in PEM"
    : `This is PEM of the kind ${label}, not PRIVATE KEY, which is what PKCS#8 is called`;
}

const SECRET_METHODS: readonly unknown[] = ["client_secret_post", "client_secret_basic"];
const KEY_OPTIONS = ["privateKeyPem", "algorithm", "keyId", "audience", "expiresInSeconds"] as const;

/** The `clientAuth` option of both servers of an ID-JAG exchange. */
export const exchangeClientAuth = withRules(
  z.strictObject({
    method: choice(["client_secret_post", "client_secret_basic", "private_key_jwt"]),
    /** The gateway's client id at this server. */
    clientId: text({ expected: "the gateway's client id at this server", check: vscharProblem }),
    /** Its secret, for the two methods that have one. */
    clientSecret: secret({ expected: "the gateway's client secret at this server", check: vscharProblem })
      .optional(),
    /** For `private_key_jwt`: the key in PKCS#8, as PEM. */
    privateKeyPem: privateKeyPem().optional(),
    /** For `private_key_jwt`: how it signs. */
    algorithm: choice(ASSERTION_ALGORITHMS).optional(),
    /** For `private_key_jwt`: the `kid` under which the server knows the key. */
    keyId: text({ expected: "the key's id at this server" }).optional(),
    /** For `private_key_jwt`: the `aud` of the assertion; the token URL by default. */
    audience: text({ expected: "the audience of client assertions", example: "https://login.example.com" })
      .optional(),
    /** For `private_key_jwt`: the life of an assertion, 60 seconds. */
    expiresInSeconds: integer({ min: 1, max: 300, unit: "seconds" }).optional(),
  }),
  (options) => {
    const { method } = options;
    const broken: BrokenRule[] = [];
    const wants = (path: "clientSecret" | "privateKeyPem" | "algorithm", mend: string) => {
      if (options[path] !== undefined) return;
      broken.push({ path, problem: `The method ${method} needs it`, mend });
    };
    const refuses = (path: "clientSecret" | typeof KEY_OPTIONS[number]) => {
      if (options[path] === undefined) return;
      broken.push({
        path,
        problem: `The method ${method} has no use for it`,
        mend: "Remove it, or choose another method",
      });
    };
    if (SECRET_METHODS.includes(method)) {
      wants("clientSecret", "Give the gateway's client secret at this server");
      KEY_OPTIONS.forEach(refuses);
    } else if (method === "private_key_jwt") {
      wants("privateKeyPem", `Give ${PKCS8_ADVICE}`);
      wants("algorithm", `Give one of ${ASSERTION_ALGORITHMS.join(", ")}`);
      refuses("clientSecret");
    }
    return broken;
  },
);

/** @internal */
type Algorithm = typeof ASSERTION_ALGORITHMS[number];

/** Makes the compiled form; the key is parsed, and has to be one for its algorithm. `path` is where the options stand. */
export function compileClientAuth(
  options: z.output<typeof exchangeClientAuth>,
  context: CompileContext,
  path: ConfigPath,
): ExchangeClientAuth {
  const { method, clientId } = options;
  if (method !== "private_key_jwt") {
    return { method, clientId, clientSecret: present(options.clientSecret) };
  }
  const [privateKeyPem, algorithm] = [present(options.privateKeyPem), present(options.algorithm)];
  const keyPath = [...path, "privateKeyPem"];
  if (!context.isPlaceholder(keyPath)) {
    const problem = keyProblem(privateKeyPem, algorithm);
    if (problem !== undefined) context.fault(keyPath, problem, KEY_MEND[algorithm]);
  }
  return {
    method,
    clientId,
    privateKeyPem,
    algorithm,
    keyId: options.keyId ?? null,
    audience: options.audience ?? null,
    expiresInSeconds: options.expiresInSeconds ?? 60,
  };
}

/** An option that the rules of the schema have made sure of. */
function present<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error("an option is missing that the schema demands");
  return value;
}

const RSA_MEND = "Give an RSA key of at least 2048 bits, in PKCS#8";
const KEY_MEND: Readonly<Record<Algorithm, string>> = {
  RS256: RSA_MEND,
  PS256: RSA_MEND,
  ES256: "Give a key on the curve P-256, in PKCS#8, or name the algorithm of this one",
  ES384: "Give a key on the curve P-384, in PKCS#8, or name the algorithm of this one",
  EdDSA: "Give an Ed25519 key, in PKCS#8, or name the algorithm of this one",
};

/** What is wrong with a key, without a word of it. */
function keyProblem(pem: Secret, algorithm: Algorithm): string | undefined {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem.reveal());
  } catch {
    return "The private key cannot be read: it is damaged or cut off";
  }
  const { asymmetricKeyType: type = "", asymmetricKeyDetails: { modulusLength = 0, namedCurve } = {} } = key;
  if (algorithm === "EdDSA") return type === "ed25519" ? undefined : unfit(type, algorithm);
  if (algorithm === "ES256" || algorithm === "ES384") {
    const curve = algorithm === "ES256" ? "prime256v1" : "secp384r1";
    return type === "ec" && namedCurve === curve ? undefined : unfit(type, algorithm);
  }
  if (type !== "rsa") return unfit(type, algorithm);
  // RFC 7518 §3.3 and §3.5
  return modulusLength >= 2048 ? undefined : `The key has ${modulusLength} bits, and ${algorithm} wants 2048`;
}

function unfit(type: string, algorithm: Algorithm): string {
  return `A key of the kind ${type} cannot sign with ${algorithm}`;
}

/** A client secret at the token endpoint. */
export interface ClientSecretAuth {
  /** In the body, or by HTTP Basic. */
  method: "client_secret_post" | "client_secret_basic";
  /** The gateway's client id at this server. */
  clientId: Text;
  /** Its secret. */
  clientSecret: Text;
  /** Belongs to `private_key_jwt`. */
  privateKeyPem?: never;
  /** Belongs to `private_key_jwt`. */
  algorithm?: never;
  /** Belongs to `private_key_jwt`. */
  keyId?: never;
  /** Belongs to `private_key_jwt`. */
  audience?: never;
  /** Belongs to `private_key_jwt`. */
  expiresInSeconds?: never;
}

/** A signed assertion at the token endpoint (RFC 7523). */
export interface PrivateKeyJwtAuth {
  /** By a JWT that the key signs. */
  method: "private_key_jwt";
  /** The gateway's client id at this server. */
  clientId: Text;
  /** The key in PKCS#8, as PEM. Line breaks may be written as `\n`. */
  privateKeyPem: Text;
  /** How the key signs. */
  algorithm: Algorithm;
  /** The `kid` under which the server knows the key. */
  keyId?: Text;
  /** The `aud` of the assertion: the token URL. */
  audience?: Text;
  /** The life of an assertion: 60 seconds, at most 300. */
  expiresInSeconds?: number;
  /** There is a key in its place. */
  clientSecret?: never;
}

/** How the gateway authenticates at a token endpoint of an ID-JAG exchange. */
export type ExchangeClientAuthOptions = ClientSecretAuth | PrivateKeyJwtAuth;
