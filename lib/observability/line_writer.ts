/** Writes log lines in batches, so that a request never waits for the log; when the reader is too slow, lines are dropped and counted. */
import { Buffer } from "node:buffer";

const FLUSH_DELAY_MS = 20;
const MAX_BUFFERED_CHARACTERS = 8 * 1024 * 1024;
/** What is older than a few lines becomes bytes: as text, in pieces, it would be copied by every collection of young objects meanwhile. */
const PIECE_CHARACTERS = 4_096;

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
  #text = "";
  /** Characters that wait, without those that are just being written. */
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
  write(line: string): void {
    // What is being written counts, too: a reader that stalls fills the bound, not the memory.
    if (this.#waiting + this.#leaving + line.length > MAX_BUFFERED_CHARACTERS) {
      this.#dropped++;
      return;
    }
    this.#add(line);
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      void this.flush();
    }, FLUSH_DELAY_MS);
  }

  #add(line: string): void {
    this.#text += `${line}\n`;
    this.#waiting += line.length + 1;
    if (this.#text.length >= PIECE_CHARACTERS) this.#encode();
  }

  #encode(): void {
    this.#pieces.push(this.#encoder.encode(this.#text));
    this.#text = "";
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
    if (this.#text !== "") this.#encode();
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
