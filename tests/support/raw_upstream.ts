/** An upstream that keeps what arrives byte by byte, and answers what the test writes: no HTTP library stands between. */
import { rawHost, writeAll } from "./document_host.ts";

/** A request as it stood on the wire. */
export interface RawRequest {
  readonly requestLine: string;
  /** Names in lower case, in order. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
}

/** A running raw upstream. */
export interface RawUpstream extends AsyncDisposable {
  readonly url: string;
  readonly host: string;
  readonly requests: readonly RawRequest[];
  /** The bytes that each request is answered with. */
  answer: string;
}

/** A JSON-RPC result with the given further header lines. */
export function rawResult(...headerLines: readonly string[]): string {
  const body = '{"jsonrpc":"2.0","id":1,"result":{}}';
  const head = ["HTTP/1.1 200 OK", "Content-Type: application/json", `Content-Length: ${body.length}`];
  return `${[...head, ...headerLines].join("\r\n")}\r\n\r\n${body}`;
}

/** Starts one. */
export function rawUpstream(): RawUpstream {
  const requests: RawRequest[] = [];
  const host = rawHost(async (connection) => {
    const decoder = new TextDecoder("latin1");
    const buffer = new Uint8Array(65_536);
    let text = "";
    for (let size = await connection.read(buffer); size !== null; size = await connection.read(buffer)) {
      text += decoder.decode(buffer.subarray(0, size));
      for (let end = endOfRequest(text); end !== null; end = endOfRequest(text)) {
        requests.push(parseRequest(text.slice(0, end)));
        text = text.slice(end);
        await writeAll(connection, self.answer);
      }
    }
  });
  const self: RawUpstream = {
    url: `http://127.0.0.1:${host.port}/base/mcp`,
    host: `127.0.0.1:${host.port}`,
    requests,
    answer: rawResult(),
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  };
  return self;
}

/** The index after a whole request, as its `Content-Length` says; the gateway never sends chunks. */
function endOfRequest(text: string): number | null {
  const head = text.indexOf("\r\n\r\n");
  if (head === -1) return null;
  const length = /\r\ncontent-length: *(\d+)\r\n/i.exec(text.slice(0, head + 2))?.[1] ?? "0";
  const end = head + 4 + Number(length);
  return text.length < end ? null : end;
}

function parseRequest(text: string): RawRequest {
  const head = text.indexOf("\r\n\r\n");
  const [requestLine = "", ...lines] = text.slice(0, head).split("\r\n");
  return {
    requestLine,
    headers: lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
    body: text.slice(head + 4),
  };
}
