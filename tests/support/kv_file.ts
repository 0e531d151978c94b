/** A Deno KV file of a test's own, gone at its end: what several connections and processes see is a file, never `:memory:`. */
import { retryWhileLocked } from "../../lib/store/retry.ts";

/** A temporary KV file. */
export interface KvFile extends AsyncDisposable {
  readonly folder: string;
  readonly path: string;
  /** The first connection. */
  readonly kv: Deno.Kv;
  /** One more connection, as another process would have; closed with the file. */
  open(): Promise<Deno.Kv>;
}

/** Makes the file; dispose of it with `await using`. */
export async function kvFile(): Promise<KvFile> {
  const folder = await Deno.makeTempDir({ prefix: "sallyport-kv-" });
  const path = `${folder}/gateway.kv`;
  const connections: Deno.Kv[] = [];
  const open = async () => {
    const kv = await retryWhileLocked(() => Deno.openKv(path));
    connections.push(kv);
    return kv;
  };
  const kv = await open();
  return {
    folder,
    path,
    kv,
    open,
    async [Symbol.asyncDispose]() {
      for (const connection of connections) connection.close();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** A connection that tells the key of every single read before it happens. */
export function observeReads(kv: Deno.Kv, onRead: (key: Deno.KvKey) => void): Deno.Kv {
  return new Proxy(kv, {
    get(target, name) {
      if (name === "get") {
        return (key: Deno.KvKey) => {
          onRead(key);
          return target.get(key);
        };
      }
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}
