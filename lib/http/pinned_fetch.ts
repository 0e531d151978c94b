/**
 * A `fetch` for URLs that strangers name: client metadata documents, their keys, upstream metadata. The name is resolved once, every
 * address is judged, and the connection goes to the judged address, so that a second resolution has nothing to change
 * (corpus B3; rule D6). `fetch` cannot pin an address; `node:https` with `lookup` can.
 */
import http from "node:http";
import https from "node:https";
import { isIP, type LookupFunction } from "node:net";
import { type ResolveName, resolveName } from "./name_resolution.ts";
import { isInternalName, isLoopbackHost, isPublicAddress } from "./network_address.ts";
import { type Fetch, OutboundError, type OutboundLimits } from "./outbound_fetch.ts";
import { abortable } from "./abortable.ts";

/** How strangers' URLs are treated. */
export interface PinnedFetchOptions extends OutboundLimits {
  /** Whether loopback may be asked, and plain http be used there: when the gateway itself is on loopback. */
  readonly allowLoopback: boolean;
  /** For tests: another name resolution. */
  readonly resolve?: ResolveName;
  /** For tests: replaces the trusted certificate authorities, PEM. */
  readonly ca?: string;
}

// No connection is kept: each one is made to an address that was judged for it. And none goes through a proxy of the environment
// (`NODE_USE_ENV_PROXY`), which would resolve the name again.
const DIRECT = { keepAlive: false, proxyEnv: {} };
const AGENTS = { http: new http.Agent(DIRECT), https: new https.Agent(DIRECT) };

/**
 * The body has been read when the promise resolves; only `GET` and `POST` with a string body are sent.
 * @throws {OutboundError} with one text for every reason: it must not tell strangers what the network looks like.
 */
export function pinnedFetch(options: PinnedFetchOptions): Fetch {
  return async (input, init = {}) => {
    const signals = [AbortSignal.timeout(options.timeoutMs), ...(init.signal ? [init.signal] : [])];
    const signal = AbortSignal.any(signals);
    try {
      const url = allowedUrl(input, options);
      const addresses = await abortable(allowedAddresses(url, options), signal);
      // `node:https` does not end every odd exchange when its signal does, such as one that answers 101.
      return await abortable(send(url, { ...init, signal }, { ...options, addresses }), signal);
    } catch (error) {
      throw new OutboundError("The address could not be fetched.", { cause: error });
    }
  };
}

function allowedUrl(input: string, options: PinnedFetchOptions): URL {
  const url = new URL(input);
  const loopback = options.allowLoopback && isLoopbackHost(url.hostname);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && loopback)) throw new TypeError("not https");
  if (url.username !== "" || url.password !== "") throw new TypeError("user information in the URL");
  if (!loopback && isInternalName(url.hostname)) throw new TypeError("an internal name");
  return url;
}

async function allowedAddresses(url: URL, options: PinnedFetchOptions): Promise<readonly string[]> {
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  const resolve = options.resolve ?? resolveName;
  const addresses = isIP(hostname) ? [hostname] : await resolve(hostname);
  const allowed = (address: string) =>
    isPublicAddress(address) ||
    (options.allowLoopback && isLoopbackHost(url.hostname) && isLoopback(address));
  // One bad answer among several is enough: the next resolution could give that one alone.
  if (addresses.length === 0 || !addresses.every(allowed)) {
    throw new TypeError("an address that is not public");
  }
  return addresses;
}

function isLoopback(address: string): boolean {
  return isLoopbackHost(address.includes(":") ? `[${address}]` : address);
}

function send(
  url: URL,
  init: RequestInit & { signal: AbortSignal },
  options: PinnedFetchOptions & { addresses: readonly string[] },
): Promise<Response> {
  const { maxBytes, ca } = options;
  const body = typeof init.body === "string" || init.body instanceof URLSearchParams
    ? init.body.toString()
    : null;
  const headers = new Headers(init.headers);
  headers.set("accept-encoding", "identity");
  if (body !== null) headers.set("content-length", String(new TextEncoder().encode(body).length));
  if (init.body instanceof URLSearchParams && !headers.has("content-type")) {
    headers.set("content-type", "application/x-www-form-urlencoded;charset=UTF-8");
  }
  // Every one of them was judged; the client goes on to the next where one family is not routed.
  const answers = options.addresses.map((address) => ({ address, family: isIP(address) }));
  const lookup: LookupFunction = (_hostname, lookupOptions, callback) =>
    lookupOptions.all
      ? callback(null, answers)
      : callback(null, answers[0]?.address ?? "", answers[0]?.family ?? 0);
  return new Promise((resolve, reject) => {
    const request = (url.protocol === "https:" ? https : http).request(url, {
      method: init.method ?? "GET",
      headers: Object.fromEntries(headers),
      agent: AGENTS[url.protocol === "https:" ? "https" : "http"],
      signal: init.signal,
      lookup,
      ...(ca === undefined ? {} : { ca }),
    }, (answer) => {
      const stop = (why: string) => {
        request.destroy();
        reject(new TypeError(why));
      };
      const encoding = answer.headers["content-encoding"];
      if (encoding !== undefined && encoding !== "identity") return stop("an encoded body");
      if (Number(answer.headers["content-length"] ?? 0) > maxBytes) return stop("a body that is too large");
      collect(answer, { maxBytes, stop, reject, resolve });
    });
    request.on("upgrade", (_answer, socket) => {
      socket.destroy();
      reject(new TypeError("a switch of protocols"));
    });
    request.on("error", reject);
    request.end(body ?? undefined);
  });
}

interface Collector {
  readonly maxBytes: number;
  readonly stop: (why: string) => void;
  readonly reject: (error: Error) => void;
  readonly resolve: (response: Response) => void;
}

function collect(answer: http.IncomingMessage, { maxBytes, stop, reject, resolve }: Collector): void {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  answer.on("data", (chunk: Uint8Array<ArrayBuffer>) => {
    size += chunk.byteLength;
    if (size > maxBytes) stop("a body that is too large");
    else chunks.push(chunk);
  });
  answer.on("error", reject);
  answer.on("aborted", () => reject(new TypeError("a truncated body")));
  answer.on("end", () => {
    if (!answer.complete) return reject(new TypeError("a truncated body"));
    const headers = new Headers();
    for (let i = 0; i + 1 < answer.rawHeaders.length; i += 2) {
      headers.append(answer.rawHeaders[i] ?? "", answer.rawHeaders[i + 1] ?? "");
    }
    const status = answer.statusCode ?? 0;
    if (status < 200 || status > 599) return reject(new TypeError("an odd status"));
    const empty = [204, 205, 304].includes(status);
    resolve(new Response(empty ? null : new Blob(chunks), { status, headers }));
  });
}
