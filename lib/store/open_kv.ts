/** Opens the key-value store and makes, in development, a key ring beside it. What goes wrong is one clear line. */
import { dirname, join } from "node:path";
import { createKeyRingEntry, type KeyRing, parseKeyRing } from "../crypto/keyring.ts";
import type { Random } from "../crypto/secret_token.ts";
import { retryWhileLocked } from "./retry.ts";

/** The store or the key ring cannot be used; the message is for the operator. */
export class StoreUnavailableError extends Error {
  override readonly name = "StoreUnavailableError";
}

/** Where the store is. */
export type StoreLocation =
  /** A SQLite file; its folder is made if it is missing. */
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "memory" }
  /** KV Connect. */
  | { readonly kind: "url"; readonly url: string }
  /** Deno Deploy: the database that is assigned to the app. */
  | { readonly kind: "platform" };

/**
 * Opens the store with the given opener.
 * @throws {StoreUnavailableError}
 */
export async function openStore(
  location: StoreLocation,
  open: (path?: string) => Promise<Deno.Kv>,
): Promise<Deno.Kv> {
  try {
    switch (location.kind) {
      case "platform":
        return await open();
      case "memory":
        return await open(":memory:");
      case "url":
        return await open(location.url);
      case "file": {
        await Deno.mkdir(dirname(location.path), { recursive: true, mode: 0o700 });
        await makePrivate(location.path);
        const kv = await retryWhileLocked(() => open(location.path));
        // The first read finds out whether the file is a database at all.
        await retryWhileLocked(() => kv.get(["store"]));
        return kv;
      }
    }
  } catch (error) {
    const where = location.kind === "file"
      ? location.path
      : location.kind === "url"
      ? new URL(location.url).host
      : location.kind;
    const why = error instanceof Error ? error.message : String(error);
    throw new StoreUnavailableError(`The store (GATEWAY_KV, ${where}) cannot be opened: ${why}`, {
      cause: error,
    });
  }
}

/**
 * The file holds hashes and sealed values, but who signed in when is nobody else's business either. SQLite makes the files beside it
 * (`-wal`, `-shm`) with the mode of the database, so that has to be right before it is opened.
 */
async function makePrivate(path: string): Promise<void> {
  (await Deno.open(path, { create: true, write: true, mode: 0o600 })).close();
  if (Deno.build.os === "windows") return;
  for (const file of [path, `${path}-wal`, `${path}-shm`]) {
    try {
      await Deno.chmod(file, 0o600);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/**
 * The development key ring: read from a file beside the data, or made there with mode 0600; for a store in memory, made anew.
 * @throws {StoreUnavailableError}
 */
export async function developmentKeyRing(location: StoreLocation, random: Random): Promise<KeyRing> {
  if (location.kind === "memory") return parseKeyRing(createKeyRingEntry("dev", random), random);
  const path = join(location.kind === "file" ? dirname(location.path) : ".data", "gateway.keys");
  try {
    await Deno.mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const entry = createKeyRingEntry("dev", random);
    try {
      // `createNew` decides a race between two processes that start at once.
      await Deno.writeTextFile(path, `${entry}\n`, { createNew: true, mode: 0o600 });
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
    return parseKeyRing((await Deno.readTextFile(path)).trim(), random);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new StoreUnavailableError(`The development key ring (${path}) cannot be used: ${why}`, {
      cause: error,
    });
  }
}
