/** Writes log lines in batches, so that a request never waits for the log; when the reader is too slow, lines are dropped and counted. */

const FLUSH_DELAY_MS = 20;
const MAX_BUFFERED_CHARACTERS = 8 * 1024 * 1024;

/** Where bytes go, such as `Deno.stdout`. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<number>;
}

/** A buffered, bounded line writer. */
export class LineWriter {
  readonly #sink: ByteSink;
  readonly #onDropped: (count: number) => string;
  #text = "";
  /** Characters that wait, with those that are just being written. */
  #size = 0;
  #dropped = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #writing: Promise<void> = Promise.resolve();

  /** `onDropped` makes the line that tells how many were lost. */
  constructor(sink: ByteSink, onDropped: (count: number) => string) {
    this.#sink = sink;
    this.#onDropped = onDropped;
  }

  /** Adds a line; it is written within 20 ms. */
  write(line: string): void {
    if (this.#size + line.length > MAX_BUFFERED_CHARACTERS) {
      this.#dropped++;
      return;
    }
    this.#add(line);
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      void this.flush();
    }, FLUSH_DELAY_MS);
  }

  /** Appending is cheap, and makes garbage once: V8 joins the pieces when the bytes are asked for. */
  #add(line: string): void {
    this.#text += `${line}\n`;
    this.#size += line.length + 1;
  }

  /** Writes all that is buffered. */
  flush(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#writing = this.#writing.then(() => this.#drain());
    return this.#writing;
  }

  async #drain(): Promise<void> {
    if (this.#dropped > 0) {
      this.#add(this.#onDropped(this.#dropped));
      this.#dropped = 0;
    }
    if (this.#text === "") return;
    let bytes = new TextEncoder().encode(this.#text);
    this.#text = "";
    try {
      while (bytes.length > 0) bytes = bytes.subarray(await this.#sink.write(bytes));
    } catch {
      // A closed pipe must not stop the gateway; there is nowhere left to say so.
    } finally {
      // Until now these bytes counted as buffered: a reader that stalls fills the bound, not the memory.
      this.#size = this.#text.length;
    }
  }
}
