/**
 * One keep-alive HTTP/1.1 connection that sends prepared bytes and reads whole answers: the load must cost less than
 * what it measures. Only for talking to our own processes on loopback.
 */

/** One answer. */
export interface HttpAnswer {
  readonly status: number;
  /** Status line and header lines. */
  readonly head: string;
  /** The body, decoded if it was chunked. */
  text(): string;
}

const MOST_BYTES = 4 << 20;
const HEAD_END = new Uint8Array([13, 10, 13, 10]);
const CHUNKS_END = new TextEncoder().encode("0\r\n\r\n");
const decoder = new TextDecoder();

/** A connection; one exchange at a time. */
export class HttpConnection implements Disposable {
  #connection: Deno.Conn;
  #buffer = new Uint8Array(32 * 1024);

  private constructor(connection: Deno.TcpConn) {
    connection.setNoDelay(true);
    this.#connection = connection;
  }

  /** Connects to the origin of `url`. */
  static async open(url: string): Promise<HttpConnection> {
    const { hostname, port } = new URL(url);
    return new HttpConnection(await Deno.connect({ hostname, port: Number(port) }));
  }

  /** Sends one request and reads its whole answer, which is only valid until the next exchange. */
  async exchange(request: Uint8Array): Promise<HttpAnswer> {
    await this.#send(request);
    let { length, headLength, head } = await this.#readHead();
    const chunked = /\r\ntransfer-encoding: *chunked/i.test(head);
    const total = headLength + Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    while (chunked ? !endsWith(this.#buffer, length, CHUNKS_END) : length < total) {
      length += await this.#read(length);
    }
    const bytes = this.#buffer.subarray(headLength, length);
    return { status: statusOf(head), head, text: () => chunked ? unchunk(bytes) : decoder.decode(bytes) };
  }

  /** Sends one request and returns once the head of the answer is there; {@linkcode readSome} reads what follows. */
  async openStream(request: Uint8Array): Promise<{ readonly status: number; readonly head: string }> {
    await this.#send(request);
    const { head } = await this.#readHead();
    return { status: statusOf(head), head };
  }

  /** The next bytes of a stream as text, with the frame of its chunks. */
  async readSome(): Promise<string> {
    return decoder.decode(this.#buffer.subarray(0, await this.#read(0)));
  }

  /** Closes the connection, also in the middle of an answer. Safe to call twice. */
  close(): void {
    try {
      this.#connection.close();
    } catch {
      // Closed before.
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #send(bytes: Uint8Array): Promise<void> {
    let sent = 0;
    while (sent < bytes.length) {
      sent += await this.#connection.write(sent === 0 ? bytes : bytes.subarray(sent));
    }
  }

  async #readHead(): Promise<{ length: number; headLength: number; head: string }> {
    let length = 0;
    for (;;) {
      length += await this.#read(length);
      const end = indexOf(this.#buffer, length, HEAD_END);
      if (end !== -1) {
        return { length, headLength: end + 4, head: decoder.decode(this.#buffer.subarray(0, end + 2)) };
      }
    }
  }

  async #read(offset: number): Promise<number> {
    if (offset === this.#buffer.length) {
      if (offset >= MOST_BYTES) throw new Error("an answer of more than 4 MiB");
      const larger = new Uint8Array(offset * 2);
      larger.set(this.#buffer);
      this.#buffer = larger;
    }
    const read = await this.#connection.read(this.#buffer.subarray(offset));
    if (read === null) throw new Error("the server closed the connection");
    return read;
  }
}

function statusOf(head: string): number {
  return Number(head.slice(9, 12));
}

function indexOf(bytes: Uint8Array, length: number, wanted: Uint8Array): number {
  for (let at = bytes.indexOf(wanted[0] ?? 0); at !== -1 && at + wanted.length <= length;) {
    if (wanted.every((byte, index) => bytes[at + index] === byte)) return at;
    at = bytes.indexOf(wanted[0] ?? 0, at + 1);
  }
  return -1;
}

function endsWith(bytes: Uint8Array, length: number, wanted: Uint8Array): boolean {
  const start = length - wanted.length;
  return start >= 0 && wanted.every((byte, index) => bytes[start + index] === byte);
}

function unchunk(bytes: Uint8Array): string {
  const parts: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.length) {
    const lineEnd = bytes.indexOf(10, at);
    const size = parseInt(decoder.decode(bytes.subarray(at, lineEnd)), 16);
    if (!(size > 0)) break;
    parts.push(bytes.subarray(lineEnd + 1, lineEnd + 1 + size));
    at = lineEnd + 1 + size + 2;
  }
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((offset, part) => (whole.set(part, offset), offset + part.length), 0);
  return decoder.decode(whole);
}
