/** The environment that `main.ts` runs in: contract section 1. Faults are collected, to be reported with those of the configuration. */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { EventLevel } from "../observability/events.ts";
import { type KeyRing, KeyRingError, NEW_KEY_COMMAND, parseKeyRing } from "../crypto/keyring.ts";
import type { Random } from "../crypto/secret_token.ts";
import type { StoreLocation } from "../store/open_kv.ts";
import type { ConfigFault } from "./config_error.ts";

const LEVELS: readonly EventLevel[] = ["debug", "info", "warn", "error"];

/** The environment, read once. */
export interface Environment {
  readonly development: boolean;
  readonly configPath: string;
  readonly hostname: string;
  readonly port: number;
  readonly publicUrl: string | undefined;
  readonly store: StoreLocation;
  /** `undefined` in development: a key ring is kept beside the data. */
  readonly keyRing: KeyRing | undefined;
  readonly logLevel: EventLevel;
}

/** Reads the variables of contract section 1; what is wrong with them is added to `faults`. */
export function readEnvironment(
  read: (name: string) => string | undefined,
  options: { readonly development: boolean; readonly random: Random; readonly faults: ConfigFault[] },
): Environment {
  const { development, faults } = options;
  const get = (name: string) => read(name) || undefined;
  const onDeploy = get("DENO_DEPLOYMENT_ID") !== undefined;
  return {
    development,
    configPath: get("GATEWAY_CONFIG") ?? "./gateway.config.ts",
    // A platform that runs the app routes to it from outside; everywhere else the default is this machine only.
    hostname: get("GATEWAY_HOST") ?? (onDeploy ? "0.0.0.0" : "127.0.0.1"),
    port: readPort(get, faults),
    publicUrl: get("GATEWAY_PUBLIC_URL"),
    store: readStore(get("GATEWAY_KV"), onDeploy, faults),
    keyRing: readKeyRing(get("GATEWAY_ENCRYPTION_KEYS"), options),
    logLevel: readLevel(get("GATEWAY_LOG"), faults),
  };
}

function readKeyRing(
  text: string | undefined,
  { development, random, faults }: { development: boolean; random: Random; faults: ConfigFault[] },
): KeyRing | undefined {
  const where = { path: "key ring", variable: "GATEWAY_ENCRYPTION_KEYS" };
  const mend = `Set it to k1:<key>, where the key comes from: ${NEW_KEY_COMMAND}`;
  if (text === undefined) {
    if (!development) {
      faults.push({ ...where, problem: "There is no key ring, so nothing could be stored encrypted", mend });
    }
    return undefined;
  }
  try {
    const ring = parseKeyRing(text, random);
    if (!text.split(",").some(isPublished)) return ring;
    faults.push({ ...where, problem: "A key of this ring is published in Sallyport's own tests", mend });
    return undefined;
  } catch (error) {
    if (!(error instanceof KeyRingError)) throw error;
    faults.push({ ...where, problem: error.message, mend });
    return undefined;
  }
}

/** SHA-256 of the keys that stand in this repository: everybody has them. */
const PUBLISHED_KEYS = new Set(["ondQLELfgI-UL9Qj1ARqUdPFZKGLvc0gaH7nhYxw2fo"]);

function isPublished(entry: string): boolean {
  const key = Buffer.from(entry.slice(entry.indexOf(":") + 1).trim(), "base64url");
  return PUBLISHED_KEYS.has(createHash("sha256").update(key).digest("base64url"));
}

function readPort(get: (name: string) => string | undefined, faults: ConfigFault[]): number {
  const variable = get("GATEWAY_PORT") === undefined ? "PORT" : "GATEWAY_PORT";
  const text = get(variable);
  if (text === undefined) return 9000;
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port;
  faults.push({
    path: "port",
    variable,
    problem: `"${text.slice(0, 40)}" is not a port number`,
    mend: "Give a number from 1 to 65535 (0 picks a free one)",
  });
  return 9000;
}

function readStore(text: string | undefined, onDeploy: boolean, faults: ConfigFault[]): StoreLocation {
  if (text === undefined) return onDeploy ? { kind: "platform" } : { kind: "file", path: ".data/gateway.kv" };
  if (text === ":memory:") return { kind: "memory" };
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return { kind: "file", path: text };
  const url = URL.parse(text);
  const loopback = url !== null && ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  if (url?.protocol !== "https:" && !(url?.protocol === "http:" && loopback)) {
    faults.push({
      path: "store",
      variable: "GATEWAY_KV",
      problem: "A KV Connect URL has to be https (http on loopback only)",
      mend: 'Give such a URL, a file path, or ":memory:"',
    });
  }
  return { kind: "url", url: text };
}

function readLevel(text: string | undefined, faults: ConfigFault[]): EventLevel {
  const level = LEVELS.find((known) => known === (text ?? "info"));
  if (level !== undefined) return level;
  faults.push({
    path: "log level",
    variable: "GATEWAY_LOG",
    problem: `"${text?.slice(0, 40)}" is not a log level`,
    mend: `Give one of: ${LEVELS.join(", ")}`,
  });
  return "info";
}
