/**
 * Public-looking https on loopback: names that only a proxy knows (`CONNECT`, RFC 9110 §9.3.6), certificates that only the test trusts. A
 * process that is given both in its environment sees servers out there; nothing leaves this machine.
 */
import { certificateAuthority } from "./tls.ts";

/** The names of one test. */
export interface PublicNames extends AsyncDisposable {
  /** For a process of its own: how it reaches the names, and whose certificates it believes. */
  readonly environment: Readonly<Record<string, string>>;
  /** For this process. */
  readonly fetch: typeof fetch;
  /** Every name that somebody connected to. */
  readonly asked: readonly string[];
  /** A certificate for the name. */
  issue(name: string): Promise<{ readonly cert: string; readonly key: string }>;
  /** From now on `https://<name>` is the TLS server at this port of loopback. */
  lead(name: string, port: number): void;
  /** From now on `https://<name>` is the plain server at this port, behind TLS. */
  front(name: string, port: number): Promise<void>;
}

/** Starts the proxy. */
export async function publicNames(): Promise<PublicNames> {
  const authority = await certificateAuthority();
  const folder = await Deno.makeTempDir({ prefix: "sallyport-names-" });
  const caFile = `${folder}/ca.pem`;
  await Deno.writeTextFile(caFile, authority.certificate);
  const ports = new Map<string, number>();
  const asked: string[] = [];
  const proxy = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const closing: (() => Promise<void>)[] = [accept(proxy, (client) => tunnel(client))];
  const proxyUrl = `http://127.0.0.1:${proxy.addr.port}`;
  const http = Deno.createHttpClient({ caCerts: [authority.certificate], proxy: { url: proxyUrl } });

  async function tunnel(client: Deno.Conn): Promise<void> {
    const head = await readHead(client);
    const name = /^CONNECT ([^:\s]+):443 HTTP\/1\.1\r\n/.exec(head)?.[1] ?? "?";
    asked.push(name);
    const port = ports.get(name);
    const answer = port === undefined
      ? "HTTP/1.1 502 No Such Name\r\n\r\n"
      : "HTTP/1.1 200 Connected\r\n\r\n";
    await client.write(new TextEncoder().encode(answer));
    if (port !== undefined) await pipe(client, port);
  }

  return {
    environment: { HTTPS_PROXY: proxyUrl, NO_PROXY: "127.0.0.1", DENO_CERT: caFile },
    fetch: (input, init) => fetch(input, { ...init, client: http }),
    asked,
    issue: (name) => authority.issue({ names: [name] }),
    lead: (name, port) => void ports.set(name, port),
    async front(name, port) {
      const listener = Deno.listenTls({
        hostname: "127.0.0.1",
        port: 0,
        ...await authority.issue({ names: [name] }),
      });
      closing.push(accept(listener, (client) => pipe(client, port)));
      ports.set(name, listener.addr.port);
    },
    async [Symbol.asyncDispose]() {
      http.close();
      for (const close of closing) await close();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** Serves each connection until it is closed; returns what ends all of it. */
function accept(listener: Deno.Listener, serve: (client: Deno.Conn) => Promise<void>): () => Promise<void> {
  const open = new Set<Deno.Conn>();
  const sessions = new Set<Promise<void>>();
  const accepting = (async () => {
    for await (const client of listener) {
      open.add(client);
      const session: Promise<void> = serve(client).catch(() => {}).finally(() => {
        shut(client);
        open.delete(client);
        sessions.delete(session);
      });
      sessions.add(session);
    }
  })();
  return async () => {
    listener.close();
    for (const client of open) shut(client);
    await accepting.catch(() => {});
    await Promise.all(sessions);
  };
}

async function pipe(client: Deno.Conn, port: number): Promise<void> {
  const server = await Deno.connect({ hostname: "127.0.0.1", port });
  await Promise.allSettled([
    client.readable.pipeTo(server.writable),
    server.readable.pipeTo(client.writable),
  ]);
  shut(server);
}

/** Up to the empty line: nothing follows before the tunnel stands. */
async function readHead(client: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(2048);
  let head = "";
  while (!head.includes("\r\n\r\n")) {
    const count = await client.read(buffer);
    if (count === null) break;
    head += new TextDecoder().decode(buffer.subarray(0, count));
  }
  return head;
}

function shut(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // Closed by its streams.
  }
}
