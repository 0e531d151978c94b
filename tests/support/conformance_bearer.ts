/**
 * For `deno run --preload`: adds `Authorization: Bearer $MCP_BEARER` to whatever the program sends to `$MCP_BEARER_ORIGIN`. The conformance
 * suite cannot be given a token for its server scenarios, and sends its requests in three ways: `fetch`, `node:http`, and undici.
 */
import http from "node:http";
import { syncBuiltinESMExports } from "node:module";
import { Agent, type Dispatcher, setGlobalDispatcher } from "undici";

const origin = new URL(Deno.env.get("MCP_BEARER_ORIGIN") ?? "");
const authorization = `Bearer ${Deno.env.get("MCP_BEARER")}`;

const plainFetch = globalThis.fetch;
globalThis.fetch = (input, init) => {
  const request = new Request(input, init);
  if (new URL(request.url).origin === origin.origin) request.headers.set("authorization", authorization);
  return plainFetch(request);
};

// Its overloads cannot be written for a wrapper that passes on whatever it was given.
type SendRequest = (...args: readonly unknown[]) => http.ClientRequest;
const plainRequest = http.request as unknown as SendRequest;
http.request = ((...args) => {
  const request = plainRequest(...args);
  // What it was given may be a URL or options; what it has made of them says where it goes.
  if (request.getHeader("host") === origin.host) request.setHeader("authorization", authorization);
  return request;
}) as SendRequest as typeof http.request;
syncBuiltinESMExports();

/** Works for the suite's own copy of undici too: all copies share one global dispatcher. */
setGlobalDispatcher(
  new Agent().compose((dispatch) => (options, handler) =>
    dispatch(
      String(options.origin) === origin.origin
        ? { ...options, headers: withBearer(options.headers) }
        : options,
      handler,
    )
  ),
);

type HeadersOf = NonNullable<Dispatcher.DispatchOptions["headers"]>;

function withBearer(headers: HeadersOf | null | undefined): HeadersOf {
  if (Array.isArray(headers)) return [...headers, "authorization", authorization];
  // Undici also takes pairs to iterate over.
  const pairs = headers !== null && headers !== undefined && Symbol.iterator in headers;
  return { ...(pairs ? Object.fromEntries(headers) : headers), authorization };
}
