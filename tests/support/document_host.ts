/** Strangers' servers for tests: hosts of client metadata documents and keys, hosts that misbehave byte by byte, and canaries. */
import type { Harness } from "./harness.ts";
import { authorizeUrl, REDIRECT_URI, type TestClient } from "./oauth_flow.ts";

/** A server of a stranger on loopback. */
export interface DocumentHost extends AsyncDisposable {
  /** Such as `http://127.0.0.1:43210`, or `https://` with the name that was asked for. */
  readonly origin: string;
  readonly port: number;
  /** Every request so far. */
  readonly requests: readonly Request[];
  /** What each path answers; a test may change it. An object is JSON, anything missing 404. */
  readonly answers: Map<string, Answer>;
}

/** A JSON document, or whatever the test makes. */
export type Answer = Readonly<Record<string, unknown>> | ((request: Request) => Response | Promise<Response>);

/** Starts a host; with a certificate it speaks TLS under `name`. */
export function documentHost(
  options: { readonly tls?: { readonly cert: string; readonly key: string }; readonly name?: string } = {},
): DocumentHost {
  const requests: Request[] = [];
  const answers = new Map<string, Answer>();
  const answer = async (request: Request) => {
    requests.push(request);
    const found = answers.get(new URL(request.url).pathname);
    if (found === undefined) return new Response("not here", { status: 404 });
    return typeof found === "function" ? await found(request) : Response.json(found);
  };
  const server = Deno.serve(
    {
      hostname: "127.0.0.1",
      port: 0,
      onListen() {},
      onError: () => new Response(null, { status: 500 }),
      ...options.tls,
    },
    answer,
  );
  const { port } = server.addr;
  return {
    origin: `${options.tls ? "https" : "http"}://${options.name ?? "127.0.0.1"}:${port}`,
    port,
    requests,
    answers,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** A minimal metadata document for the client id that is its URL. */
export function clientDocument(
  clientId: string,
  changes: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  return { client_id: clientId, client_name: "Document client", redirect_uris: [REDIRECT_URI], ...changes };
}

/** Puts a document at a path of the host and returns its client. */
export function publish(
  host: DocumentHost,
  path: string,
  changes: Readonly<Record<string, unknown>> = {},
): TestClient {
  const clientId = host.origin + path;
  const document = clientDocument(clientId, changes);
  host.answers.set(path, document);
  return documentClient(clientId, document);
}

/** A client that names itself by a URL. */
export function documentClient(
  clientId: string,
  document: Readonly<Record<string, unknown>> = {},
): TestClient {
  const uris = document.redirect_uris;
  const first: unknown = Array.isArray(uris) ? uris[0] : undefined;
  return {
    clientId,
    clientSecret: null,
    redirectUri: typeof first === "string" ? first : REDIRECT_URI,
    registration: document,
  };
}

/** Opens the authorization page for a client id, as a browser would that follows the client's link. */
export function authorizeAs(
  gateway: Pick<Harness, "fetch" | "origin">,
  clientId: string,
  init: { readonly peer?: string; readonly changes?: Parameters<typeof authorizeUrl>[2] } = {},
): Promise<Response> {
  const { changes, ...rest } = init;
  return gateway.fetch(authorizeUrl(gateway, documentClient(clientId), changes), rest);
}

/** A server that takes connections and hands them to the test: no HTTP unless the test writes it. */
export interface RawHost extends AsyncDisposable {
  readonly port: number;
  /** Connections taken so far. */
  readonly taken: number;
}

/** Starts one; `talk` gets each connection, and it is closed when `talk` is done. Without `talk` it stays silent and open. */
export function rawHost(talk?: (connection: Deno.TcpConn) => Promise<void>): RawHost {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Deno.TcpConn>();
  let taken = 0;
  const talks: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const connection of listener) {
      taken++;
      open.add(connection);
      talks.push(
        (talk ?? drain)(connection).catch(() => {}).finally(() => {
          open.delete(connection);
          close(connection);
        }),
      );
    }
  })();
  return {
    port: listener.addr.port,
    get taken() {
      return taken;
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const connection of open) close(connection);
      await accepting.catch(() => {});
      await Promise.all(talks);
    },
  };
}

/** Writes an HTTP answer once the request has begun to arrive. */
export function rawAnswer(
  ...parts: readonly (string | Uint8Array)[]
): (connection: Deno.TcpConn) => Promise<void> {
  return async (connection) => {
    await connection.read(new Uint8Array(4096));
    for (const part of parts) await writeAll(connection, part);
  };
}

/** Writes everything. */
export async function writeAll(connection: Deno.Conn, part: string | Uint8Array): Promise<void> {
  const bytes = typeof part === "string" ? new TextEncoder().encode(part) : part;
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await connection.write(rest));
}

async function drain(connection: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(4096);
  while (await connection.read(buffer) !== null) { /* silence */ }
}

function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch {
    // Already closed.
  }
}

/** Listeners that must never be reached, on every address of this machine and one port. */
export interface Canary extends AsyncDisposable {
  readonly port: number;
  /** Where it listens: `127.0.0.1`, `::1` if there is one, and this machine's own addresses. */
  readonly addresses: readonly string[];
  /** Connections so far. */
  readonly hits: number;
}

/** Sets up a canary. */
export function canary(): Canary {
  const first = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = first.addr;
  const listeners = [first];
  const own = Deno.networkInterfaces().map(({ address }) => address);
  for (const hostname of new Set(["::1", "127.0.0.2", ...own])) {
    try {
      if (hostname !== "127.0.0.1") listeners.push(Deno.listen({ hostname, port }));
    } catch {
      // No such address on this machine.
    }
  }
  let hits = 0;
  const accepting = listeners.map(async (listener) => {
    for await (const connection of listener) {
      hits++;
      connection.close();
    }
  });
  return {
    port,
    addresses: listeners.map((listener) => listener.addr.hostname),
    get hits() {
      return hits;
    },
    async [Symbol.asyncDispose]() {
      for (const listener of listeners) listener.close();
      await Promise.allSettled(accepting);
    },
  };
}

/** A name server that the test writes: each query takes the next answer, the last one stays. */
export class Names {
  /** Every name that was asked for. */
  readonly queries: string[] = [];
  readonly #answers = new Map<string, string[][]>();

  /** Sets the answers of a name, one list of addresses per query. */
  set(name: string, ...answers: string[][]): this {
    this.#answers.set(name, answers);
    return this;
  }

  /** For `strangers.resolve`. */
  readonly resolve = (name: string): Promise<string[]> => {
    this.queries.push(name);
    const answers = this.#answers.get(name) ?? [];
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    return answer === undefined ? Promise.reject(new Error("no such name")) : Promise.resolve(answer);
  };
}
