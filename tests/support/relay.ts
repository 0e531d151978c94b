/** A TCP relay in front of a server: what a test kills, hangs and brings back at the same address. */

/** What happens to those who connect. */
export type RelayState = "up" | "hanging";

/** A running relay. */
export interface Relay extends AsyncDisposable {
  /** Such as `http://127.0.0.1:43210`. */
  readonly origin: string;
  /** How many connected so far. */
  readonly connections: number;
  /** `hanging`: connections are taken, and nothing ever comes back. */
  state: RelayState;
  /** Refuses connections from now on, and cuts those that are open. */
  kill(): Promise<void>;
  /** Takes connections again. */
  revive(): void;
}

/** Relays connections to `target`, an origin on loopback. */
export function startRelay(target: string): Relay {
  const open = new Set<Deno.Conn>();
  const sessions = new Set<Promise<void>>();
  let connections = 0;
  let listener: Deno.TcpListener | null = null;
  let accepting: Promise<void> = Promise.resolve();
  const port = listen(0);

  function listen(wanted: number): number {
    const mine = Deno.listen({ hostname: "127.0.0.1", port: wanted });
    listener = mine;
    accepting = (async () => {
      for await (const connection of mine) {
        connections++;
        const session = relay(connection).finally(() => sessions.delete(session));
        sessions.add(session);
      }
    })();
    return mine.addr.port;
  }

  async function relay(inbound: Deno.Conn): Promise<void> {
    open.add(inbound);
    if (self.state === "hanging") return await drain(inbound);
    try {
      const outbound = await Deno.connect({ hostname: "127.0.0.1", port: Number(new URL(target).port) });
      open.add(outbound);
      await Promise.allSettled([
        inbound.readable.pipeTo(outbound.writable),
        outbound.readable.pipeTo(inbound.writable),
      ]);
      shut(outbound);
    } catch {
      // The server is gone: so is the connection.
    }
    shut(inbound);
  }

  async function drain(connection: Deno.Conn): Promise<void> {
    const buffer = new Uint8Array(4096);
    try {
      while (await connection.read(buffer) !== null);
    } catch {
      // Cut.
    }
    shut(connection);
  }

  function shut(connection: Deno.Conn): void {
    open.delete(connection);
    try {
      connection.close();
    } catch {
      // Its streams have closed it.
    }
  }

  async function kill(): Promise<void> {
    try {
      listener?.close();
    } catch {
      // Killed before.
    }
    await accepting;
    for (const connection of [...open]) shut(connection);
    await Promise.allSettled([...sessions]);
  }

  const self: Relay = {
    origin: `http://127.0.0.1:${port}`,
    get connections() {
      return connections;
    },
    state: "up",
    kill,
    revive: () => void listen(port),
    [Symbol.asyncDispose]: kill,
  };
  return self;
}
