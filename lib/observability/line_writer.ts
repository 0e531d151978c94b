/** Writes log lines in batches, so that a request never waits for the log; when the reader is too slow, lines are dropped and counted. */
import { Buffer } from "node:buffer";
import type { Line } from "./events.ts";

const FLUSH_DELAY_MS = 20;
const MAX_BUFFERED_CHARACTERS = 8 * 1024 * 1024;
/** So many lines become bytes together: few enough to be gone before the next collection of young objects, which copies what is left. */
const LINES_AT_ONCE = 64;

/** Where bytes go, such as `Deno.stdout`. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<number>;
}

/** A buffered, bounded line writer. */
export class LineWriter {
  readonly #sink: ByteSink;
  readonly #onDropped: (count: number) => string;
  readonly #encoder = new TextEncoder();
  #pieces: Uint8Array[] = [];
  /** The last lines, which are not in `#pieces` yet. */
  #lines: Line[] = [];
  /** Characters in `#pieces`. */
  #waiting = 0;
  /** Characters that are just being written. */
  #leaving = 0;
  #dropped = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #writing: Promise<void> = Promise.resolve();

  /** `onDropped` makes the line that tells how many were lost. */
  constructor(sink: ByteSink, onDropped: (count: number) => string) {
    this.#sink = sink;
    this.#onDropped = onDropped;
  }

  /** Adds a line; it is written within 20 ms. */
  write(line: Line): void {
    this.#lines.push(line);
    if (this.#lines.length >= LINES_AT_ONCE) this.#encode();
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      void this.flush();
    }, FLUSH_DELAY_MS);
  }

  #encode(): void {
    let text = "";
    for (const line of this.#lines) {
      const written = `${line}\n`;
      // What is being written counts, too: a reader that stalls fills the bound, not the memory.
      if (this.#waiting + text.length + this.#leaving + written.length > MAX_BUFFERED_CHARACTERS) {
        this.#dropped++;
      } else text += written;
    }
    this.#lines = [];
    this.#waiting += text.length;
    if (text !== "") this.#pieces.push(this.#encoder.encode(text));
  }

  /** Writes all that is buffered. */
  flush(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#writing = this.#writing.then(() => this.#drain());
    return this.#writing;
  }

  async #drain(): Promise<void> {
    this.#encode();
    if (this.#dropped > 0) {
      this.#pieces.push(this.#encoder.encode(`${this.#onDropped(this.#dropped)}\n`));
      this.#dropped = 0;
    }
    let bytes: Uint8Array = Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#leaving = this.#waiting;
    this.#waiting = 0;
    try {
      while (bytes.length > 0) bytes = bytes.subarray(await this.#sink.write(bytes));
    } catch {
      // A closed pipe must not stop the gateway; there is nowhere left to say so.
    } finally {
      this.#leaving = 0;
    }
  }
}
