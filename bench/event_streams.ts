/** Opens event streams the way a legacy client does: `initialize`, then a GET with the session id it was given. */
import { HttpConnection } from "./http_connection.ts";
import { clientHeaders, INITIALIZE_BODY, rawRequest } from "./requests.ts";

/** Opens a session at `url`; returns the headers of everything that follows in it. */
export async function openSession(url: string, bearer: string): Promise<Readonly<Record<string, string>>> {
  using connection = await HttpConnection.open(url);
  const request = rawRequest({ method: "POST", url, body: INITIALIZE_BODY }, clientHeaders(bearer));
  const answer = await connection.exchange(request);
  const session = /\r\nmcp-session-id: *(\S+)/i.exec(answer.head)?.[1];
  if (answer.status !== 200 || session === undefined) {
    throw new Error(`initialize: ${answer.head}${answer.text()}`);
  }
  return { ...clientHeaders(bearer), "mcp-session-id": session };
}

/** Opens one stream in a session; the connection is the stream from then on. */
export async function openStream(
  url: string,
  headers: Readonly<Record<string, string>>,
): Promise<HttpConnection> {
  const connection = await HttpConnection.open(url);
  const answer = await connection.openStream(rawRequest({ method: "GET", url }, headers));
  if (answer.status !== 200 || !/\r\ncontent-type: *text\/event-stream/i.test(answer.head)) {
    connection.close();
    throw new Error(`no event stream at ${url}: ${answer.head}`);
  }
  return connection;
}

/** Opens `count` streams, 50 at a time; closes all of them again if one fails. */
export async function openStreams(
  count: number,
  { url, headers }: { readonly url: string; readonly headers: Readonly<Record<string, string>> },
): Promise<readonly HttpConnection[]> {
  const open: HttpConnection[] = [];
  try {
    while (open.length < count) {
      const batch = Array.from({ length: Math.min(50, count - open.length) }, () => openStream(url, headers));
      open.push(...await Promise.all(batch));
    }
    return open;
  } catch (error) {
    for (const connection of open) connection.close();
    throw error;
  }
}
