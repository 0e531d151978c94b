/** Child processes for tests: a clean environment, output that is read to its end, an exit that is waited for. */

/** What a child inherits from this process; everything else of the environment is kept from it. */
const inherited = ["PATH", "HOME", "DENO_DIR", "XDG_CACHE_HOME", "TMPDIR", "SSL_CERT_FILE", "DENO_CERT"];

/** How to start a child. */
export interface ChildOptions {
  /** Arguments for the `deno` that runs the tests. */
  readonly args: readonly string[];
  /** Added to the little that is inherited. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** A running child process, with all it has printed. */
export class TestChild {
  readonly #process: Deno.ChildProcess;
  readonly #lines: string[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #read: Promise<unknown>;
  #ended = false;

  /** Starts `deno` with `options.args`. */
  constructor(options: ChildOptions) {
    this.#process = new Deno.Command(Deno.execPath(), {
      args: [...options.args],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      clearEnv: true,
      env: { ...inheritedEnvironment(), NO_COLOR: "1", ...options.env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#read = Promise.all([this.#collect(this.#process.stdout), this.#collect(this.#process.stderr)])
      .finally(() => {
        this.#ended = true;
        this.#wake();
      });
  }

  /** Process id. */
  get pid(): number {
    return this.#process.pid;
  }

  /** Resolves when the child has ended and all its output is read. */
  get status(): Promise<Deno.CommandStatus> {
    return this.#read.then(() => this.#process.status);
  }

  /** Every line printed so far, on either stream. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Sends a signal; harmless if the child has ended. */
  kill(signal: Deno.Signal): void {
    try {
      this.#process.kill(signal);
    } catch {
      // Already gone.
    }
  }

  /**
   * The first thing that `find` makes of a line, past or future, from line number `from` on.
   * Throws with the output if the child ends first, or after `timeoutMs`.
   */
  async waitForLine<T>(
    find: (line: string) => T | undefined,
    { from = 0, timeoutMs = 20_000 }: { readonly from?: number; readonly timeoutMs?: number } = {},
  ): Promise<T> {
    const until = Date.now() + timeoutMs;
    for (let next = from;;) {
      for (; next < this.#lines.length; next++) {
        const found = find(this.#lines[next] ?? "");
        if (found !== undefined) return found;
      }
      if (this.#ended) throw new Error(`The child ended:\n${this.#lines.join("\n")}`);
      const left = until - Date.now();
      if (left <= 0) throw new Error(`Nothing within ${timeoutMs} ms:\n${this.#lines.join("\n")}`);
      await this.#more(left);
    }
  }

  /**
   * Ends the child with `signal` and waits; throws if it takes longer than `timeoutMs` (and kills it then).
   */
  async stop(
    { signal = "SIGTERM", timeoutMs = 5000 }: { readonly signal?: Deno.Signal; readonly timeoutMs?: number } =
      {},
  ): Promise<Deno.CommandStatus> {
    this.kill(signal);
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.kill("SIGKILL");
    }, timeoutMs);
    const status = await this.status;
    clearTimeout(timer);
    if (late) throw new Error(`Alive ${timeoutMs} ms after ${signal}:\n${this.#lines.join("\n")}`);
    return status;
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = parts.pop() ?? "";
      this.#lines.push(...parts);
      this.#wake();
    }
    if (rest !== "") this.#lines.push(rest);
  }

  #more(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, timeoutMs);
      this.#waiting.add(wake);
    });
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}

function inheritedEnvironment(): Record<string, string> {
  const entries = inherited.map((name) => [name, Deno.env.get(name)] as const);
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** A TCP port on 127.0.0.1 that was free a moment ago. */
export function freePort(): number {
  for (;;) {
    // Below the ports that systems take for outgoing connections: one of those could be gone before it is used here.
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    try {
      using _ = Deno.listen({ hostname: "127.0.0.1", port });
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

/** Whether something listens on this loopback port. */
export async function isListening(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}
